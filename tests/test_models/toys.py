"""Tiny networks and batches that the tests of the models share."""

from __future__ import annotations

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.layers import PointPatches, make_patches
from mmdet3d_act.registry import point_data

NUM_GROUPS = 8
GROUP_SIZE = 4
DIMS = 32
NUM_CODES = 16
NUM_POINTS = 40

STUDENT = dict(
    type='PointTransformer',
    embed_dims=DIMS,
    num_layers=2,
    num_heads=4,
    num_groups=NUM_GROUPS,
    group_size=GROUP_SIZE,
    patch_channels=(8, 16, 16),
    drop_path_rate=0.0,
)
VAE = dict(
    type='DiscreteVAE',
    num_groups=NUM_GROUPS,
    group_size=GROUP_SIZE,
    embed_dims=DIMS,
    num_codes=NUM_CODES,
    code_dims=DIMS,
    decoder_dims=DIMS,
    patch_channels=(8, 16, 16),
    dgcnn_channels=(8, 16, 16),
    folding_channels=(16, 16),
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(batch: int = 2, channels: int = 3, seed: int = 0) -> Tensor:
    """Return clouds in [-1, 1], (B, N, channels)."""
    shape = (batch, NUM_POINTS, channels)
    return torch.rand(shape, generator=seeded(seed)) * 2 - 1


def patches(batch: int = 2, seed: int = 0) -> PointPatches:
    return make_patches(points(batch, seed=seed), NUM_GROUPS, GROUP_SIZE)


def student(seed: int = 0, **changes: object) -> PointTransformer:
    torch.manual_seed(seed)
    config = {**STUDENT, **changes}
    config.pop('type')
    return PointTransformer(**config)


def vae(seed: int = 0, **changes: object) -> DiscreteVAE:
    torch.manual_seed(seed)
    config = {**VAE, **changes}
    config.pop('type')
    return DiscreteVAE(**config)


def samples(count: int = 2) -> list[BaseDataElement]:
    return [
        BaseDataElement(metainfo=dict(sample_idx=index))
        for index in range(count)
    ]


def labelled(masks: Tensor) -> list[BaseDataElement]:
    """Return samples with labels of their points, from (B, N)."""
    found = samples(len(masks))
    for sample, mask in zip(found, masks, strict=True):
        sample.gt_pts_seg = point_data(pts_semantic_mask=mask)
    return found


def data_batch(batch: int = 2, seed: int = 0) -> dict:
    """Return what the collated data of a loader looks like."""
    return dict(
        inputs=dict(points=list(points(batch, seed=seed))),
        data_samples=samples(batch),
    )


def fixed_mask(batch: int = 2, masked: tuple[int, ...] = (1, 4, 6)) -> Tensor:
    """Return a bool mask (B, G), True = masked."""
    mask = torch.zeros(batch, NUM_GROUPS, dtype=torch.bool)
    mask[:, list(masked)] = True
    return mask


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Draw all parameters and running statistics at random, in place."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.3)
        for name, buffer in module.named_buffers():
            if name.endswith('running_mean'):
                buffer.normal_(0.0, 0.3)
            elif name.endswith('running_var'):
                buffer.uniform_(0.5, 2.0)
    return module


def without_gradient(module: nn.Module) -> list[str]:
    """Return the parameters that no gradient reached, or a zero one."""
    return [
        name
        for name, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]


def same(first: dict, second: dict) -> bool:
    """Return whether two dicts hold the same tensors, bit for bit."""
    return first.keys() == second.keys() and all(
        torch.equal(first[key], second[key]) for key in first
    )


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = 1e-5):
    torch.testing.assert_close(
        actual, expected, rtol=tolerance, atol=tolerance
    )
