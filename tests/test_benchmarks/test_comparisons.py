"""The comparisons in benchmarks/: what is run, and their statistics."""

from __future__ import annotations

import importlib
import json
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.engine import launch
from tests.small_data import ROOT

sys.path.insert(0, str(ROOT / 'benchmarks'))
(
    variants,
    comparison,
    pretrainings,
    scenes,
    retrieval,
    text_retrieval,
    furniture,
    probes,
) = map(
    importlib.import_module,
    (
        'act_variants',
        'comparison',
        'compare_pretraining',
        'compare_scenes',
        'retrieval',
        'text_retrieval',
        'compare_furniture',
        'probe_scenes',
    ),
)
sys.path.remove(str(ROOT / 'benchmarks'))


def test_statistics_by_hand():
    assert comparison.cell([30.0, 60.0]) == '45.0 ± 21.2'
    assert comparison.cell([30.0]) == '30.0'
    first, second = {0: {'a': 30.0}, 1: {'a': 60.0}}, {0: {'a': 10.0}}
    assert comparison.difference(first, second, 'a') == 'one seed'
    # Differences 20 and 40: a deviation of 14.1, and t of one degree 12.7.
    second[1] = {'a': 20.0}
    found = comparison.difference(first, second, 'a')
    assert found == '+30.0 [-97.1, +157.1]'
    # Deviation 1; t of 2 degrees of freedom is 4.303.
    assert retrieval.spread([1.0, 2.0, 3.0]) == '2.0 ± 2.5'


@pytest.mark.parametrize(
    'row', [*pretrainings.ROWS, 'vit-tiny+kl-0.1', 'minilm-random+no-prompts']
)
def test_pretrainings_fit_their_configs(row):
    args = Namespace(study='real', data='DIR', split='val', out=Path('out'))
    run = pretrainings.pretraining(args, row, 2)
    cfg = launch.load_config(run.config, run.overrides)
    assert cfg.val_dataloader.dataset.datasets[1].split == 'val'
    if run.config == pretrainings.config_file(pretrainings.POINT_MAE):
        assert (run.epochs == 0) == (row == 'untrained')
        return
    first = pretrainings.stage1(args, row, 2)
    generator = cfg.model.objectives.act.target_generator.generator
    assert generator.checkpoint == f'out/{first.name}'
    stage1 = launch.load_config(first.config, first.overrides)
    assert stage1.model.teacher == generator.autoencoder.teacher
    (ramp,) = [
        hook
        for hook in stage1.custom_hooks
        if hook.get('attribute') == 'kl_weight'
    ]
    assert ramp.schedule.end == (0.1 if 'kl' in row else 0.01)


def test_validation_objects_are_in_no_other_list(tmp_path):
    folder = tmp_path / 'real_shapes' / 'train'
    models = []
    for name in ('bed', 'lamp'):
        (folder / name).mkdir(parents=True)
        for number in range(16):
            # Two copies of each object.
            names = f'{name}-{number // 2}-{number}', f'{name}-{number // 2}'
            (folder / name / f'{names[0]}.npy').touch()
            models.append(dict(zip(('id', 'object'), names, strict=True)))
    (tmp_path / 'models.json').write_text(json.dumps(models))
    args = Namespace(data=tmp_path, split='val', out=tmp_path)
    pretrainings.furniture_probe(args, 5)
    lists = [
        (tmp_path / 'objects_seed5' / f'{split}.txt').read_text().split()
        for split in ('train', 'val')
    ]
    assert [len(one) for one in lists] == [24, 8]
    objects = [{path.rpartition('-')[0] for path in one} for one in lists]
    assert not objects[0] & objects[1]


def test_tokens_are_placed_as_in_an_image():
    teacher = variants.PlacedTeacher(
        'vit_tiny_patch16_224',
        in_channels=8,
        out_channels=8,
        pretrained=False,
        num_layers=1,
        num_prompts=2,
        position='once',
    )
    # The patch of row 0, column 13, at its middle: right and up.
    middle = 1 - 1 / 14
    centers = torch.tensor([[[middle, middle, 0.5], [middle, middle, -1.0]]])
    expected = teacher.transformer.table[:, 1 + 13].expand(2, -1)
    torch.testing.assert_close(teacher.place(centers)[0], expected)
    assert teacher(torch.rand(1, 2, 8), centers).shape == (1, 2, 8)


def test_scenes_start_from_their_own_students():
    args = Namespace(
        tasks=scenes.TASKS,
        labels=[1.0, 0.2],
        rows=scenes.ROWS,
        out=Path('out'),
        frozen=False,
    )
    runs = scenes.fine_tunings(args, 2)
    assert len({run.name for run in runs}) == len(runs)
    starts = {run.metadata['row']: run.start for run in runs}
    assert starts.keys() == set(scenes.ROWS)
    assert starts['scratch'] == 'scratch'
    for row in scenes.PRETRAININGS:
        student = scenes.pretraining(row, 2, args.out)
        assert Path(student.config).is_file()
        assert starts[row] == f'out/{student.name}'
    for run in runs:
        samples = run.overrides[scenes.SAMPLES]
        assert samples * run.label_fraction == pytest.approx(1, abs=0.2)
        form = 'concept' if run.metadata['row'] == 'concept' else 'act'
        assert Path(run.config).name.startswith(form)
        assert Path(run.config).is_file()
        assert run.seed == 2
    act = scenes.pretraining('act', 2, args.out)
    stage1 = scenes.pretraining('stage1', 2, args.out)
    assert act.overrides[scenes.AUTOENCODER] == f'out/{stage1.name}'


def test_a_fold_trains_on_the_others():
    config = str(ROOT / retrieval.CONFIG)
    cfg = launch.load_config(config)
    overrides = retrieval.fold_overrides(cfg, 'all', [[0, 3], [2], [1]], 1)
    changed = launch.load_config(config, overrides)
    assert changed.val_dataloader.dataset.indices == [2]
    for loader in (
        changed.train_dataloader,
        changed.custom_hooks[-1].dataloader,
    ):
        assert loader.dataset.indices == [0, 1, 3]
        assert loader.dataset.split == 'all'


def test_texts_find_their_cloud(tmp_path):
    names, axes = ['a', 'b', 'c'], np.eye(4)[1:]
    # Texts lie close together; what tells them apart is what is left.
    queries = axes + np.array([9, 0, 0, 0])
    np.savez(
        tmp_path / 'a.npz',
        query=queries,
        query_key=names,
        caption=np.concatenate([queries, queries[::-1]]),
        caption_key=[f'{n}/{i}' for i in (0, 1) for n in names],
    )
    metric = text_retrieval.TextRetrievalMetric(
        tmp_path / 'a.npz', topk=(1, 2)
    )
    # Queries of b and c find each other's cloud, as clouds find texts.
    for name, row in zip(names, (0, 2, 1), strict=True):
        vector = torch.tensor(axes[row] + 0.1 * axes[0])
        sample = dict(pair_key=f'{name}/1', pred_vectors=dict(x=vector))
        metric.process(None, [sample])
    found = metric.evaluate(size=3)
    for way in ('query_to_shape', 'shape_to_query'):
        assert found[f'text/{way}_recall_1'] == pytest.approx(100 / 3)
    # Captions of a and c are the same two, so that none is nearer.
    assert found['text/shape_to_caption_recall_1'] == 0
    assert found['text/chance_2'] == pytest.approx(200 / 3)


def test_teachers_of_concepts_differ_in_one_thing():
    args = Namespace(study='teachers', seeds=[3], epochs=5, rows=None)
    runs = {run.metadata['row']: run for run in furniture.make_runs(args)}
    assert [run.epochs for run in runs.values()] == [0, 5, 5, 5]
    one, other = (
        launch.load_config(run.config, run.overrides)
        for run in (runs['random teacher'], runs['pretrained teacher'])
    )
    generator = one.model.objectives.concept.target_generator.generator
    assert generator.encoder.pop('pretrained') is False
    assert one.model == other.model
    assert one.val_evaluator == other.val_evaluator
    assert one.train_dataloader == other.train_dataloader


def test_teachers_of_frames_differ_in_their_weights(tmp_path):
    args = Namespace(
        study='rooms', seeds=[3], epochs=5, rows=None, out=tmp_path
    )
    runs = furniture.make_runs(args)
    assert [run.epochs for run in runs] == [0, 5, 5, 5]
    plain, drawn, known = (
        launch.load_config(run.config, run.overrides) for run in runs[1:]
    )
    encoder = drawn.model.objectives.concept.target_generator.teacher.encoder
    assert encoder.pop('checkpoint') == str(tmp_path / 'random_3.pth')
    assert drawn.model == known.model
    for cfg in (plain, drawn):
        assert cfg.train_dataloader == known.train_dataloader


def test_clouds_find_their_own_vector():
    torch.manual_seed(0)
    clouds = torch.rand(90, 4, 6)
    pooled = torch.cat([clouds.amax(1), clouds.mean(1)], 1).numpy()
    vectors = np.split(pooled @ torch.rand(12, 8).numpy(), [60])
    samples = [dict(inputs=dict(points=cloud)) for cloud in clouds]
    parts = samples[:60], samples[60:]
    student = lambda points: dict(features=points.transpose(1, 2))  # noqa: E731
    assert probes.find_own(student, parts, vectors) == 100
    vectors[1] = vectors[1][::-1]
    assert probes.find_own(student, parts, vectors) < 60


def test_students_are_probed_as_they_are():
    starts = ['act-mini', 'demo=work_dirs/demo']
    args = Namespace(study='students', seeds=[0, 1], rows=None, starts=starts)
    runs = furniture.make_runs(args)
    assert [run.start for run in runs[:3]] == [
        'scratch',
        'act-mini',
        'work_dirs/demo',
    ]
    assert len({run.name for run in runs}) == 6
    assert {run.epochs for run in runs} == {0}
    cfg = launch.load_config(runs[0].config, runs[0].overrides)
    assert cfg.val_evaluator.labels_per_class == 5


@pytest.mark.parametrize('split', ['val', 'test'])
def test_few_labels_over_draws_and_objects(
    tmp_path, monkeypatch, capsys, split
):
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    draw, models = np.random.default_rng(0), []
    for name, stretch in (('flat', [1, 0.1, 1]), ('high', [0.2, 1, 0.2])):
        for split, count in (('train', 7), ('test', 3)):
            folder = tmp_path / 'real_shapes' / split / name
            folder.mkdir(parents=True)
            for at in range(count):
                cloud = draw.normal(size=(1024, 3)) * stretch
                models.append(dict(id=f'{name}{split}{at}', object=at))
                file = folder / f'{models[-1]["id"]}.npy'
                np.save(file, cloud.astype(np.float32))
    (tmp_path / 'models.json').write_text(json.dumps(models))
    starts = ['act-mini', 'again=act-mini']
    args = Namespace(data=tmp_path, starts=starts, draws=2, split=split)
    furniture.compare_few_labels(args)
    _, _, own, same, untrained = capsys.readouterr().out.splitlines()[-5:]
    assert own.endswith('| +0.0 | [+0.0, +0.0] | [+0.0, +0.0] |')
    assert same == own.replace('act-mini', 'again')
    assert untrained.startswith('| untrained |')


def test_a_picture_of_rows(tmp_path):
    results = {'a': {0: {'m': 1.0}, 1: {'m': 2.0}}, 'b': {0: {'m': 3.0}}}
    comparison.draw_rows(results, {'m': 'metric'}, tmp_path / 'rows.png')
    assert (tmp_path / 'rows.png').stat().st_size > 1000


def test_sweeps_of_several_folders_are_compared(tmp_path, capsys):
    names = dict(config='c', start=None, seconds=2.0)
    for seed, (percent, scores) in enumerate(
        [(None, (0.9, 0.5)), (5.0, (0.4, 0.1))] * 2
    ):
        folder = tmp_path / str(seed)
        folder.mkdir()
        runs = [
            names
            | dict(
                name=row,
                row=row,
                seed=seed // 2,
                percent=percent,
                validations=[
                    dict(metrics={'accuracy': score + seed // 2 / 20})
                ],
            )
            for row, score in zip(('act', 'scratch'), scores, strict=True)
        ]
        (folder / 'results.json').write_text(json.dumps(dict(runs=runs)))
    folders = [str(tmp_path / str(at)) for at in range(4)]
    options = ['--metric', 'accuracy', '--scale', '100', '--out']
    options += [str(tmp_path / 'rows.png'), '--rows', 'scratch', 'act']
    comparison.compare_sweeps(folders + options)
    out = capsys.readouterr().out
    assert '| act | 42.5 ± 3.5 | 92.5 ± 3.5 | 2 |' in out
    assert '| act minus scratch | +30.0 [+30.0, +30.0] | +40.0 [' in out
    assert (tmp_path / 'rows.png').stat().st_size > 1000
    with pytest.raises(SystemExit):
        comparison.compare_sweeps([*folders, folders[0], *options])
    assert 'is there twice' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        comparison.compare_sweeps([str(tmp_path / 'gone')])
    assert 'tools/sweep.py' in capsys.readouterr().err


def test_rows_that_are_not_known(monkeypatch, capsys):
    words = ['x', 'real', '--data', '.', '--rows', 'minilm+raw', 'vit-tinny']
    monkeypatch.setattr(sys, 'argv', words)
    with pytest.raises(SystemExit):
        pretrainings.parse_args()
    assert 'did you mean vit-tiny?' in capsys.readouterr().err
    words = ['x', 'rooms', '--data', '.', '--rows', 'a teacher']
    monkeypatch.setattr(sys, 'argv', words)
    with pytest.raises(SystemExit):
        furniture.parse_args()
    assert 'no a teacher; there are untrained' in capsys.readouterr().err
