from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import FewShotDraw, PointFolder, SampleIndex
from mmdet3d_act.datasets.few_shot import draw_episode, draw_label_subset
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


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(way=9), '9 classes with at least 10 .* 20 test clouds, 8 of 10'),
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
                dict(
                    type='RandomPointScaleShift',
                    scale_range=(1, 1),
                    shift_range=0.1,
                ),
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


def test_folds_and_epochs_differ(fold: Callable) -> None:
    found = [frozenset(_clouds(fold('train', fold=i))) for i in range(4)]
    assert len(set(found)) == 4
    data = fold('train')
    assert frozenset(_clouds(data)) == found[0]
    first, again, later = (
        data[SampleIndex(3, epoch, seed=1)]['inputs']['points']
        for epoch in (0, 0, 1)
    )
    assert first.equal(again)
    assert not first.equal(later)


def test_what_a_fold_needs(shapes: Path) -> None:
    inner = dict(type='PointFolder', data_root=str(shapes), split='train')
    with pytest.raises(ValueError, match='npy has no label; give PointFolder'):
        FewShotDraw(inner)
    cfg = dict(type='FewShotDraw', dataset=inner)
    assert FewShotDraw.check_requirements(cfg) == []
    shutil.rmtree(shapes / 'test')
    (problem,) = FewShotDraw.check_requirements(cfg)
    assert f' at {shapes}/test' in problem


LABELS = ['chair'] * 200 + ['cup'] * 40 + ['rare'] * 3


def _kept(fraction: float, seed: int = 0) -> list[int]:
    return draw_label_subset(LABELS, fraction, seed)


@pytest.mark.parametrize(
    ('fraction', 'counts'),
    [
        (1.0, (200, 40, 3)),
        (0.2, (40, 8, 1)),
        (0.1, (20, 4, 1)),
        (0.05, (10, 2, 1)),
        # 0.4 of a cup is one cup: every class stays.
        (0.01, (2, 1, 1)),
        (1e-9, (1, 1, 1)),
    ],
)
def test_every_class_gives_its_share(
    fraction: float, counts: tuple[int, ...]
) -> None:
    kept = _kept(fraction)
    assert kept == sorted(set(kept))
    found = Counter(LABELS[index] for index in kept)
    assert tuple(found[name] for name in ('chair', 'cup', 'rare')) == counts


def test_shares_of_one_and_of_other_seeds() -> None:
    shares = [set(_kept(f)) for f in (0.01, 0.05, 0.1, 0.2, 1.0)]
    assert all(a < b for a, b in pairwise(shares))
    assert _kept(0.1, 3) == _kept(0.1, 3)
    assert len({tuple(_kept(0.1, seed)) for seed in range(5)}) == 5
    # Not the first ones of the list, which may be of one source.
    assert max(index for index in _kept(0.1) if index < 200) > 100
    # A class does not depend on others.
    together = [i - 200 for i in _kept(0.2) if LABELS[i] == 'cup']
    assert draw_label_subset(['cup'] * 40, 0.2) == together


def test_data_set_keeps_a_share(
    shapes: Path, logged: pytest.LogCaptureFixture
) -> None:
    def paths(**options: object) -> set[str]:
        data = PointFolder(
            str(shapes), 'train', classes='folders', up_axis='y', **options
        )
        assert data.metainfo['classes'] == tuple(sorted(COUNTS))
        infos = map(data.get_data_info, range(len(data)))
        return {info['lidar_path'] for info in infos}

    share = paths(label_fraction=0.5, label_seed=1)
    found = Counter(Path(path).parent.name for path in share)
    # Halves are rounded up.
    assert found == dict(bowl=5, cup=4, jar=4, lamp=3, vase=1)
    assert 'label_fraction=0.5 keeps 17 of 32' in logged.text
    assert share != paths(label_fraction=0.5, label_seed=2)
    assert len(paths()) == 32
