from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet3d_act.evaluation import LinearProbeMetric


def sample(split: str, label: int, idx: int = 0, **feats: list) -> dict:
    return dict(
        sample_idx=idx,
        split=split,
        gt_label=torch.tensor([label]),
        pred_feats={
            k: torch.tensor(v, dtype=torch.float) for k, v in feats.items()
        },
    )


def line(split: str, *points: tuple[float, int], key: str = 'max') -> list:
    return [
        sample(split, label, idx, **{key: [x, 1.0]})
        for idx, (x, label) in enumerate(points)
    ]


TRAIN = line('train', (-2, 0), (-1, 0), (1, 1), (2, 1))


def evaluate(metric: LinearProbeMetric, samples: list) -> dict:
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def cloud(seed: int, per_class: int, split: str) -> list:
    rng = np.random.default_rng(seed)
    return [
        sample(
            split,
            label,
            idx,
            cls=rng.normal(size=3) * 3,
            max=rng.normal(size=3) * 0.15 + 0.3 * np.eye(3)[label],
            mean=rng.normal(size=3) * 0.01 + 0.01 * np.eye(3)[label],
        )
        for idx, label in enumerate(np.repeat(np.arange(3), per_class))
    ]


def test_accuracy_by_hand() -> None:
    test = line('test', (-3, 0), (3, 1), (4, 0), (5, 0))
    got = evaluate(LinearProbeMetric('max', C=1.0, knn=1), TRAIN + test)
    assert got == {'svm_accuracy': 50.0, 'knn_accuracy': 50.0}


@pytest.mark.parametrize(
    ('pooling', 'right'),
    [('cls', 0), ('max', 100), (('max', 'mean'), 100), ('concat', 0)],
)
def test_pooling_decides_what_is_seen(pooling: object, right: int) -> None:
    # 'cls' tells the wrong class, ten times louder than 'max' the right one.
    samples = [
        sample(split, label, cls=[cls], max=[x], mean=[0.0])
        for split, label, cls, x in [
            ('train', 0, -10, -1),
            ('train', 1, 10, 1),
            ('test', 0, 10, -1),
            ('test', 1, -10, 1),
        ]
    ]
    metric = LinearProbeMetric(pooling, C=10.0)
    assert evaluate(metric, samples)['svm_accuracy'] == right


def test_concat_takes_what_the_model_gives() -> None:
    metric = LinearProbeMetric('concat')
    metric.process(None, [sample('train', 0, mean=[3.0], max=[1.0, 2.0])])
    assert metric.results[0][2].tolist() == [1, 2, 3]


def test_standardize_uses_the_training_part() -> None:
    metric = LinearProbeMetric('max', standardize=True)
    metric.process(None, TRAIN + line('test', (3, 1), (5, 0)))
    train, test = metric._parts(metric.results)
    deviation = np.sqrt(2.5)
    np.testing.assert_allclose(
        train.features[:, 0], np.array([-2, -1, 1, 2]) / deviation
    )
    np.testing.assert_allclose(
        test.features[:, 0], np.array([3, 5]) / deviation
    )
    assert not train.features[:, 1].any()  # a constant channel


def test_choice_of_penalty_and_few_labels_are_reported() -> None:
    metric = LinearProbeMetric(
        'concat',
        'cv',
        C_grid=(1e-6, 10.0),
        labels_per_class=5,
        few_label_draws=3,
    )
    samples = cloud(0, 30, 'train') + cloud(1, 30, 'test')
    got = evaluate(metric, samples)
    assert got['svm_C'] == 10
    assert 34 < got['few_label_accuracy'] < 100
    assert 45 < got['svm_accuracy'] < 100
    assert got['few_label_std'] > 0
    assert evaluate(metric, samples) == got
