"""Pairs of clouds and images, made up, and small teachers of images."""

from __future__ import annotations

import torch
from torch import Tensor

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.models.target_generators import ImageEmbeddingTarget
from mmdet3d_act.registry import DATASETS

SIZE = 16
VIT = dict(embed_dim=16, depth=1, num_heads=2, img_size=SIZE, patch_size=8)
ENCODER = dict(
    type='TimmImageEncoder', model_name='vit_tiny_patch16_224', model_args=VIT
)


@DATASETS.register_module()
class MadeUpPairs(torch.utils.data.Dataset):
    """Images of noise, each by its name alone.

    Args:
        count: Number of pairs.
        first: Number of the first one.
        crop: What the preparation is said to be.
        data_root: Where it is said to be.
        on_error: What the broken ones are: errors, or left out.
        broken: Names of pairs whose image cannot be read.
    """

    def __init__(
        self,
        count: int = 5,
        first: int = 0,
        crop: str = 'center',
        data_root: str = 'pairs',
        on_error: str = 'raise',
        broken: tuple[str, ...] = (),
        **_: object,
    ) -> None:
        self.data_root = data_root
        self.on_error = on_error
        self.broken = broken
        self.names = [f'scene/{first + i:03d}' for i in range(count)]
        self.image_preparation = dict(size=SIZE, crop=crop)
        self.read: list[str] = []

    def __len__(self) -> int:
        return len(self.names)

    def pair_keys(self) -> list[str]:
        return list(self.names)

    def prepared_image(self, pair_key: str) -> Tensor:
        self.read.append(pair_key)
        if pair_key in self.broken:
            raise BadSampleError(f'{pair_key}.jpg', 'unreadable')
        generator = torch.Generator().manual_seed(int(pair_key[-3:]))
        return torch.randint(
            0, 256, (3, SIZE, SIZE), dtype=torch.uint8, generator=generator
        )


def weights(seed: int = 0) -> dict[str, Tensor]:
    """Return weights of the encoder, the same for the same seed."""
    import timm

    torch.manual_seed(seed)
    return timm.create_model('vit_tiny_patch16_224', **VIT).state_dict()


def teacher_of(
    checkpoint: object, kind: type = ImageEmbeddingTarget, **settings: object
) -> torch.nn.Module:
    """Return a target generator with its weights."""
    from mmdet3d_act.models.teachers import TimmImageEncoder

    cfg = {key: value for key, value in ENCODER.items() if key != 'type'}
    generator = kind(
        TimmImageEncoder(checkpoint=checkpoint, **cfg), **settings
    )
    generator.init_weights()
    return generator
