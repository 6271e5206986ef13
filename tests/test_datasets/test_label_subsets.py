from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import PointFolder
from mmdet3d_act.datasets.label_subsets import (
    draw_label_subset,
    keep_label_fraction,
)
from tests.test_datasets import packs

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


def test_half_a_sample_is_rounded_up() -> None:
    assert len(draw_label_subset([0] * 5, 0.5)) == 3


def test_smaller_shares_are_parts_of_larger_ones() -> None:
    shares = [set(_kept(f)) for f in (0.01, 0.05, 0.1, 0.2, 1.0)]
    assert all(a < b for a, b in pairwise(shares))


def test_the_seed_decides() -> None:
    assert _kept(0.1, 3) == _kept(0.1, 3)
    assert len({tuple(_kept(0.1, seed)) for seed in range(5)}) == 5
    # Not the first ones of the list, which may be of one source.
    assert max(index for index in _kept(0.1) if index < 200) > 100


def test_a_class_does_not_depend_on_others() -> None:
    alone = draw_label_subset(['cup'] * 40, 0.2)
    together = [i - 200 for i in _kept(0.2) if LABELS[i] == 'cup']
    assert alone == together


def test_mixed_order() -> None:
    labels = list(np.random.default_rng(0).permutation([0, 1, 2, 3] * 10))
    kept = draw_label_subset(labels, 0.3)
    assert Counter(labels[i] for i in kept) == dict.fromkeys(range(4), 3)


# The training rooms of S3DIS by kind, without area 5.
ROOMS = (114, 49, 21, 8, 7, 4, 3, 3, 2, 2, 1)


@pytest.mark.parametrize(
    ('fraction', 'total'),
    [(0.001, 1), (0.01, 2), (0.05, 11), (0.1, 21), (0.2, 43), (1.0, 214)],
)
def test_the_number_of_all_samples_can_be_right_instead(
    fraction: float, total: int
) -> None:
    labels = [kind for kind, count in enumerate(ROOMS) for _ in range(count)]
    kept = draw_label_subset(labels, fraction, 3, every_class=False)
    assert kept == sorted(set(kept))
    assert len(kept) == total
    found = Counter(labels[index] for index in kept)
    for kind, count in enumerate(ROOMS):
        assert found[kind] == pytest.approx(fraction * count, abs=1.5)
    more = draw_label_subset(
        labels, min(1, 1.3 * fraction), 3, every_class=False
    )
    assert set(kept) <= set(more)
    other = draw_label_subset(labels, fraction, 4, every_class=False)
    assert (kept == other) == (fraction == 1)


@pytest.mark.parametrize('fraction', [0, -0.1, 1.01, 20, float('nan')])
def test_no_share(fraction: float) -> None:
    with pytest.raises(ValueError, match=r'must be in \(0, 1\], such as 0.01'):
        draw_label_subset(LABELS, fraction)


def test_no_seed() -> None:
    with pytest.raises(ValueError, match='label_seed must be >= 0, got -1'):
        draw_label_subset(LABELS, 0.1, -1)


def test_samples_without_a_label_are_named() -> None:
    samples = [dict(lidar_path='a.npy'), dict(lidar_path='b.npy')]
    with pytest.raises(ValueError, match=r'b\.npy has no label; give'):
        keep_label_fraction(samples, [0, None], 0.5)


def _folder(root: Path, **options: object) -> PointFolder:
    for split, count in (('train', 10), ('test', 4)):
        for name in ('cup', 'jar'):
            for number in range(count):
                path = root / split / name / f'{number}.npy'
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, np.full((4, 3), number, np.float32))
    options = dict(classes='folders', split='train') | options
    pipeline = [dict(type='LoadPointCloud')]
    return PointFolder(str(root), pipeline=pipeline, up_axis='y', **options)


def test_data_set_keeps_a_share(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    share = _folder(tmp_path, label_fraction=0.2, label_seed=1)
    assert [share[i]['gt_label'] for i in range(len(share))] == [0, 0, 1, 1]
    assert share.metainfo['classes'] == ('cup', 'jar')
    assert 'label_fraction=0.2 keeps 4 of 20' in logged.text
    paths = {info['lidar_path'] for info in map(share.get_data_info, range(4))}
    other = _folder(tmp_path, label_fraction=0.2, label_seed=2)
    assert paths != {other.get_data_info(i)['lidar_path'] for i in range(4)}
    assert len(_folder(tmp_path)) == 20


def test_data_set_without_labels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='has no label; give'):
        _folder(tmp_path, classes=None, label_fraction=0.5)


def test_wrong_share_is_found_before_anything_is_read() -> None:
    cfg = dict(data_root='nowhere', label_fraction=5)
    with pytest.raises(ValueError, match=r'label_fraction must .*got 5'):
        PointFolder.check_requirements(cfg)


def test_a_pack_holds_all_and_gives_the_share(tmp_path: Path) -> None:
    cfg = packs.write_case('folder', tmp_path / 'data')
    cfg |= dict(label_fraction=0.5)
    before = packs.samples_of(packs.build(cfg))
    results = packs.pack(cfg)
    assert sum(result.num_samples for result in results) == 8
    packed = packs.build(cfg)
    assert packs.equal(packs.samples_of(packed), before)
    assert len(packs.build(cfg, label_fraction=1.0)) == 8
    assert len(before) < 8
