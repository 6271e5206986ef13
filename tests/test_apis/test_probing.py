"""Probes of frozen features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet3d_act.apis import (
    build_dataset,
    build_folder,
    extract_features,
    load_encoder,
    probe_features,
)
from mmdet3d_act.apis.probing import class_names
from mmdet3d_act.engine.launch import UsageError, load_config
from mmdet3d_act.evaluation import LinearProbeMetric
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.distillers import Distiller
from tests.test_apis.pretraining import CLASSES
from tests.test_visualization.distillers import distiller


@pytest.fixture
def encoder(pretrained) -> PointTransformer:
    return load_encoder(load_config('mae.py'), 'mae.pth', 'mae.py')


def made_up(count: int = 12) -> list[dict]:
    """Return samples whose 'max' tells the class, and whose rest does not."""
    rng = np.random.default_rng(0)

    def vector(*values: float) -> torch.Tensor:
        return torch.tensor([*values, 1.0])

    return [
        dict(
            pred_feats=dict(
                max=vector(2.0 * label - 1), mean=vector(rng.normal())
            ),
            gt_label=torch.tensor([label]),
            split=split,
            sample_idx=index,
        )
        for split in ('train', 'test')
        for index in range(count)
        for label in (0, 1)
    ]


def test_features_are_those_that_validation_uses(encoder) -> None:
    dataset = build_dataset(load_config('mae.py'), 'mae.py')
    steps = []
    samples = extract_features(
        encoder,
        dataset,
        batch_size=7,
        report=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(0, 18), (7, 18), (14, 18), (18, 18)]
    model: Distiller = distiller('points').eval()
    for index in (0, 8, 17):
        points = dataset[index]['inputs']['points'][None]
        sample = dataset[index]['data_samples']
        (expected,) = model.predict(dict(points=points), [sample])
        feats = samples[index]['pred_feats']
        assert feats.keys() == {'cls', 'max', 'mean'}
        for name, value in expected.pred_feats.items():
            torch.testing.assert_close(feats[name], value)
        assert samples[index]['split'] == sample.split
        assert int(samples[index]['gt_label']) == int(sample.gt_label)


def test_autoencoders_are_probed_too(pretrained) -> None:
    cfg = load_config('dvae.py')
    encoder = load_encoder(cfg, 'dvae.pth', 'dvae.py')
    dataset = build_folder(cfg, 'clouds/test', classes=CLASSES)
    samples = extract_features(encoder, dataset, split='train')
    assert samples[0]['pred_feats'].keys() == {'max', 'mean'}
    assert {sample['split'] for sample in samples} == {'train'}
    points = dataset[4]['inputs']['points'][None]
    features = encoder(dict(points=points))
    torch.testing.assert_close(
        samples[4]['pred_feats']['mean'], features[0].mean(0)
    )


def test_every_choice_has_a_line() -> None:
    found = probe_features(
        made_up(),
        poolings=['max', 'mean'],
        penalties=[1e-3, 'cv'],
        C_grid=(0.1, 1.0),
        knn=3,
        labels_per_class=2,
    )
    lines = list(found)
    assert [(line.pooling, line.C) for line in lines] == [
        ('max', 1e-3), ('max', 'cv'), ('mean', 1e-3), ('mean', 'cv')
    ]  # fmt: skip
    assert lines[1].svm == lines[1].knn == lines[1].few == 100
    assert lines[1].chosen == [0.1]
    assert lines[3].svm < 80
    # The neighbours are the same for every C.
    assert lines[2].knn == lines[3].knn != lines[0].knn


def test_a_line_is_what_the_metric_says() -> None:
    options = dict(labels_per_class=3, few_label_draws=4)
    (line,) = probe_features(
        made_up(), poolings=['concat'], seeds=[0, 1], **options
    )
    results = []
    for seed in (0, 1):
        metric = LinearProbeMetric('concat', 0.01, seed=seed, **options)
        metric.process(None, made_up())
        results.append(metric.evaluate(len(made_up())))
    few = [result['few_label_accuracy'] for result in results]
    assert line.svm == np.mean([r['svm_accuracy'] for r in results])
    assert line.few == np.mean(few)
    variance = np.mean([r['few_label_std'] ** 2 for r in results])
    assert line.few_std == pytest.approx(np.sqrt(variance + np.var(few)))


def test_classes_are_the_folders_of_both_parts(pretrained) -> None:
    (pretrained / 'clouds' / 'test' / 'disc').mkdir()
    folders = ['clouds/train', 'clouds/test']
    assert class_names(folders) == ['blob', 'disc', 'stick']
    with pytest.raises(UsageError, match='nowhere'):
        class_names(['nowhere'])
