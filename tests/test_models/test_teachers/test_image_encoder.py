from __future__ import annotations

import pytest
import torch
from torch import nn

from mmdet3d_act.models.teachers import ImageEncoder
from mmdet3d_act.models.teachers.image_encoder import PatchFeatures


class Means(ImageEncoder):
    """Mean colours, of the image and of its quarters."""

    def __init__(self, size: int = 8, **settings):
        defaults = {'mean': (0, 0, 0), 'std': (1, 1, 1), 'image_size': size}
        settings = {**defaults, **settings}
        super().__init__(
            lambda: nn.AvgPool2d(size // 2),
            model_name='means',
            pretrained=False,
            **settings,
        )

    @classmethod
    def weight_source(cls):
        raise AssertionError('nothing to read')

    def _embed(self, network, images):
        return network(images).mean(dim=(2, 3))

    def _patches(self, network, images):
        quarters = network(images)
        return PatchFeatures(quarters.flatten(2).transpose(1, 2), (2, 2))


class Maps(Means):
    def _embed(self, network, images):
        return network(images)


def images(seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)


def test_images_are_normalised() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)
    got = Means(mean=mean, std=std)(images())
    own = images().double().mean(dim=(2, 3)) / 255
    want = (own - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(got, want.float())


def test_patches_are_row_by_row() -> None:
    encoder, batch = Means(), images()
    got = encoder.forward_patches(batch)
    assert got.shape == (2, 4, 3)
    assert (encoder.embed_dims, encoder.patch_dims) == (3, 3)
    assert encoder.grid == (2, 2)
    right_of_top = batch[:, :, :4, 4:].double().mean(dim=(2, 3)) / 255
    torch.testing.assert_close(got[:, 1], right_of_top.float())


@pytest.mark.parametrize(
    'bad',
    [images().float(), images()[:, :, :4], images()[:, :1]],
)
def test_other_images_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r'uint8 images \(B, 3, 8, 8\)'):
        Means()(bad)


def test_refusals() -> None:
    with pytest.raises(ValueError, match='square'):
        Means(image_size=(8, 4))
    with pytest.raises(ValueError, match='one vector for an image'):
        Maps()


def test_settings_hold_the_preprocessing() -> None:
    assert Means(mean=(0, 0, 1)).settings() == {
        'type': 'Means',
        'model': 'means',
        'image_size': 8,
        'mean': [0.0, 0.0, 1.0],
        'std': [1.0, 1.0, 1.0],
        'model_args': {},
    }
