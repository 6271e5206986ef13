"""Images by the names of their pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.datasets.paired import PairedDataset
from mmdet3d_act.datasets.transforms import LoadImage, PrepareImage
from tests.rgbd_files import encode


class Pictures(PairedDataset):
    """The pictures of a folder."""

    searched = 0

    def list_samples(self) -> list[dict]:
        return [
            dict(img_path=str(path), lidar_path='none', split='all')
            for path in sorted(Path(self.data_root).glob('*.png'))
        ]

    def find_pairs(self) -> dict[str, dict]:
        self.searched += 1
        infos = [self.get_data_info(i) for i in range(len(self))]
        return {Path(info['img_path']).stem: info for info in infos}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures."""
    for number in range(3):
        image = np.full((6, 9, 3), number, np.uint8)
        path = tmp_path / f'picture{number}.png'
        path.write_bytes(encode(image, 'PNG'))
    return tmp_path


def test_names_and_images(folder: Path) -> None:
    dataset = Pictures(str(folder), pipeline=[PrepareImage(4, 'squash')])
    names = [f'picture{number}' for number in range(3)]
    assert dataset.pair_keys() == names
    for number, name in enumerate(names):
        expected = torch.full((3, 4, 4), number, dtype=torch.uint8)
        assert torch.equal(dataset.prepared_image(name), expected)
    assert dataset.image_preparation == dict(size=4, crop='squash')
    assert dataset.searched == 1
    # What is remembered stays as it was.
    assert dataset.pair_keys() == names
    assert 'image' not in dataset._known_pairs()[names[0]]


def test_both_pipelines_are_looked_at(folder: Path) -> None:
    dataset = Pictures(
        str(folder), static_pipeline=[LoadImage(), PrepareImage(5)]
    )
    assert dataset.image_preparation == dict(size=5, crop='center')


def test_names_of_a_part(folder: Path) -> None:
    dataset = Pictures(str(folder), pipeline=[PrepareImage(4)])
    assert len(dataset.pair_keys()) == 3
    dataset.get_subset_([2])
    assert dataset.pair_keys() == ['picture2']


def test_errors(folder: Path) -> None:
    dataset = Pictures(str(folder))
    with pytest.raises(ValueError, match=r'nothing says how large .*Prepare'):
        _ = dataset.image_preparation
    dataset = Pictures(str(folder), pipeline=[PrepareImage(4)])
    with pytest.raises(KeyError, match="no pair 'other'; one of its 3"):
        dataset.prepared_image('other')
