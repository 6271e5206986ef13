"""Stand-ins for image teachers and paired batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.test_models import toys

SHAPE = (2, 6)
SIDE = 2
IMAGE_DIMS = 5


class VectorTeacher(nn.Module):
    """Targets that come with the batch, (B, *SHAPE)."""

    target_shape = SHAPE

    def forward(
        self, inputs: dict, patches: object, data_samples: list | None
    ) -> Tensor:
        return inputs['vectors'].unflatten(1, SHAPE)


class GridTeacher(nn.Module):
    """Features of SIDE x SIDE image patches that come with the batch."""

    def forward(
        self, inputs: dict, patches: object, data_samples: list | None
    ) -> Tensor:
        return inputs['grid']


def batch(count: int = 4) -> dict[str, Tensor]:
    generator = toys.seeded(1)
    return dict(
        points=toys.points(count),
        vectors=torch.randn(count, 12, generator=generator),
        grid=torch.randn(count, SIDE * SIDE, IMAGE_DIMS, generator=generator),
        pixels=torch.rand(count, toys.NUM_POINTS, 2, generator=generator),
    )


def student() -> nn.Module:
    return toys.student(
        with_cls_token=False,
        position='after',
        out_indices=(0, 1),
        norm_hidden_states=True,
    )
