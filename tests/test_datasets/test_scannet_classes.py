"""Classes of ScanNet are those of MMDetection3D."""

from __future__ import annotations

import pytest

from mmdet3d_act.datasets import scannet_classes as classes


def test_numbers_fit_together() -> None:
    for kind, number in (('DETECTION', 18), ('SEGMENTATION', 20)):
        for what in ('CLASSES', 'IDS', 'PALETTE'):
            values = getattr(classes, f'{kind}_{what}')
            assert len(set(values)) == number
    assert list(classes.SEGMENTATION_IDS) == sorted(classes.SEGMENTATION_IDS)


@pytest.mark.parametrize(
    ('kind', 'name'),
    [('DETECTION', 'ScanNetDataset'), ('SEGMENTATION', 'ScanNetSegDataset')],
)
def test_equal_those_of_mmdet3d(kind: str, name: str) -> None:
    datasets = pytest.importorskip('mmdet3d.datasets')
    meta = getattr(datasets, name).METAINFO
    assert getattr(classes, f'{kind}_CLASSES') == meta['classes']
    assert getattr(classes, f'{kind}_IDS') == meta['seg_valid_class_ids']
    palette = tuple(tuple(color) for color in meta['palette'])
    assert getattr(classes, f'{kind}_PALETTE') == palette
