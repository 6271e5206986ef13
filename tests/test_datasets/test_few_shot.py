from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import FewShotDraw, SampleIndex
from mmdet3d_act.datasets.few_shot import draw_episode
from mmdet3d_act.datasets.packing import iter_dataset_cfgs, list_jobs
from mmdet3d_act.registry import DATASETS

# 8 classes with 25 to 32 training clouds, two with 5.
TRAIN = [c for c in range(8) for _ in range(25 + c)] + [8, 9] * 5
TEST = [c for c in range(10) for _ in range(21)]
COUNTS = dict(bowl=9, cup=8, jar=7, lamp=6, vase=2)


def _draw(**options: object) -> tuple:
    return draw_episode(TRAIN, TEST, **(dict(way=5, shot=10) | options))


@pytest.mark.parametrize(('way', 'shot'), [(5, 10), (5, 20), (8, 10)])
def test_the_published_numbers(way: int, shot: int) -> None:
    classes, train, test = _draw(way=way, shot=shot)
    assert len(set(classes)) == way
    assert Counter(TRAIN[i] for i in train) == dict.fromkeys(classes, shot)
    assert Counter(TEST[i] for i in test) == dict.fromkeys(classes, 20)
    assert len(set(train)) == way * shot


def test_classes_with_too_few_clouds_are_left_out() -> None:
    drawn = {c for fold in range(40) for c in _draw(fold=fold).classes}
    assert drawn == set(range(8))


def test_every_number_decides() -> None:
    assert _draw(fold=3) == _draw(fold=3)
    others = [
        _draw(),
        _draw(fold=1),
        _draw(seed=1),
        _draw(shot=11),
        _draw(way=6),
    ]
    assert len({tuple(one.train) for one in others}) == 5
    # Folds are no shifted copies of each other.
    assert _draw(fold=1, seed=0) != _draw(fold=0, seed=1)


def test_labels_are_in_no_order() -> None:
    orders = [_draw(fold=fold).classes for fold in range(10)]
    assert any(order != sorted(order) for order in orders)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(way=1), 'way must be >= 2, got 1'),
        (dict(shot=0), 'shot must be >= 1, got 0'),
        (dict(fold=-1), 'fold must be >= 0, got -1'),
        (dict(num_queries=0), 'num_queries must be >= 1 .*got 0 and 0'),
        (dict(seed=-1), 'seed >= 0, got 20 and -1'),
        (
            dict(way=9),
            'expected 9 classes with at least 10 training and 20 test clouds,'
            ' 8 of 10 have as many',
        ),
        (dict(shot=30), 'expected 5 classes .* 3 of 10'),
        (dict(num_queries=22), '22 test clouds, 0 of 10'),
    ],
)
def test_wrong_numbers(options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        _draw(**options)


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Clouds that say split, class and number in their first point."""
    for part, split in enumerate(('train', 'test')):
        for label, (name, count) in enumerate(COUNTS.items()):
            for number in range(count):
                path = tmp_path / split / name / f'{number}.npy'
                path.parent.mkdir(parents=True, exist_ok=True)
                points = np.random.default_rng(number).normal(size=(12, 3))
                points[0] = part, label, number
                np.save(path, points.astype(np.float32))
    return tmp_path


@pytest.fixture
def fold(shapes: Path) -> Callable[..., FewShotDraw]:
    def build(split: str, **options: object) -> FewShotDraw:
        inner = dict(
            type='PointFolder',
            data_root=str(shapes),
            split=split,
            classes='folders',
            up_axis='y',
            pipeline=[
                dict(type='LoadPointCloud'),
                dict(type='RandomPointJitter'),
                dict(type='PackPointInputs'),
            ],
            **options.pop('inner', {}),
        )
        options = dict(way=3, shot=4, num_queries=2) | options
        return DATASETS.build(
            dict(type='FewShotDraw', dataset=inner, **options)
        )

    return build


def _clouds(data: FewShotDraw) -> list[tuple[int, ...]]:
    """Return label in the fold, and part, class and number of the files."""
    return [
        (
            int(sample['data_samples'].gt_label),
            *sample['inputs']['points'][0].round().int().tolist(),
        )
        for sample in (data[i] for i in range(len(data)))
    ]


def test_training_and_test_belong_together(fold: Callable) -> None:
    train, test = fold('train', fold=2), fold('test', fold=2)
    names = train.metainfo['classes']
    assert names == test.metainfo['classes']
    assert len(names) == 3
    for part, (data, count) in enumerate(((train, 4), (test, 2))):
        clouds = _clouds(data)
        assert Counter(label for label, *_ in clouds) == dict.fromkeys(
            range(3), count
        )
        assert len(set(clouds)) == len(clouds)
        for label, of_part, category, _ in clouds:
            assert of_part == part
            assert list(COUNTS)[category] == names[label]
    assert train[0]['data_samples'].category == names[0]


def test_folds_differ(fold: Callable) -> None:
    found = [frozenset(_clouds(fold('train', fold=i))) for i in range(4)]
    assert len(set(found)) == 4
    again = frozenset(_clouds(fold('train', fold=0)))
    assert again == found[0]


def test_epoch_and_seed_reach_the_pipeline(fold: Callable) -> None:
    data = fold('train')

    def points(epoch: int) -> np.ndarray:
        sample = data[SampleIndex(3, epoch, seed=1)]
        return sample['inputs']['points'].numpy()

    np.testing.assert_array_equal(points(0), points(0))
    assert np.abs(points(0) - points(1)).max() > 1e-3


def test_lazy(fold: Callable) -> None:
    data = fold('train', lazy_init=True)
    assert not data.dataset._fully_initialized
    assert len(data) == 12
    assert data.get_data_info(11)['gt_label'] == 2


def test_packs_of_the_data_set_are_used(fold: Callable, shapes: Path) -> None:
    from mmdet3d_act.datasets.packing import pack_samples

    before = _clouds(fold('test'))
    cfg = fold('test')._cfg
    (one,) = iter_dataset_cfgs(dict(type='FewShotDraw', dataset=cfg))
    for split in ('train', 'test'):
        (job,) = list_jobs(one | dict(split=split))
        assert pack_samples(job).num_samples == sum(COUNTS.values())
        for path in (shapes / split).rglob('*.npy'):
            path.unlink()
    assert _clouds(fold('test')) == before


@pytest.mark.parametrize(
    ('inner', 'text'),
    [
        (dict(label_fraction=0.5), 'got label_fraction=0.5 there'),
        (dict(indices=3), 'got indices=3 there'),
    ],
)
def test_draws_from_all_clouds(fold: Callable, inner: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fold('train', inner=inner)


def test_wrong_split(fold: Callable) -> None:
    with pytest.raises(ValueError, match=r"'test'\), got 'trainval'"):
        fold('trainval')


def test_without_labels(shapes: Path) -> None:
    inner = dict(type='PointFolder', data_root=str(shapes), split='train')
    with pytest.raises(ValueError, match='npy has no label; give PointFolder'):
        FewShotDraw(inner)


def test_requirements(shapes: Path) -> None:
    inner = dict(type='PointFolder', data_root=str(shapes), split='train')
    cfg = dict(type='FewShotDraw', dataset=inner)
    assert FewShotDraw.check_requirements(cfg) == []
    for path in (shapes / 'test').rglob('*.npy'):
        path.unlink()
    for path in sorted((shapes / 'test').rglob('*'), reverse=True):
        path.rmdir()
    (shapes / 'test').rmdir()
    (problem,) = FewShotDraw.check_requirements(cfg)
    assert f' at {shapes}/test' in problem
