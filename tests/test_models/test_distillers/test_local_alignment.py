"""Patches of a cloud learn the image patches that they project to."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.distillers import (
    Distiller,
    LocalAlignment,
    nearest_image_patches,
)
from mmdet3d_act.models.heads import FeatureHead
from mmdet3d_act.models.layers import RandomPatchMask
from mmdet3d_act.models.losses import MSEFeatureLoss
from mmdet3d_act.models.necks import PatchTokens
from tests.test_models import toys
from tests.test_models.test_distillers import paired


def objective(**changes: object) -> LocalAlignment:
    head = FeatureHead(32, paired.IMAGE_DIMS, loss=MSEFeatureLoss())
    return LocalAlignment(paired.GridTeacher(), PatchTokens(), head, **changes)


def distiller(**options: object) -> Distiller:
    torch.manual_seed(0)
    changes = options.pop('objective', {})
    part = objective(**changes)
    return Distiller(toys.student(), dict(local=part), **options)


def loss_of(model: Distiller, inputs: dict) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return model(inputs, toys.samples(4), mode='loss')


def test_nearest_is_nearest() -> None:
    torch.manual_seed(0)
    pixels = torch.rand(200, 2)
    index, _ = nearest_image_patches(pixels, 49)
    middle = (torch.arange(7) + 0.5) / 7
    rows, columns = torch.meshgrid(middle, middle, indexing='ij')
    centers = torch.stack([columns, rows], dim=-1).view(-1, 2)
    assert torch.equal(index, torch.cdist(pixels, centers).argmin(dim=1))


def test_pixels_outside_have_no_patch() -> None:
    pixels = torch.tensor([[-1.0, 0.5], [0.5, 1.0], [float('nan'), 0.1]])
    index, inside = nearest_image_patches(pixels, 4)
    assert not inside.any()
    assert index.tolist() == [0, 0, 0]


def test_loss_written_out() -> None:
    model = distiller(objective=dict(weight=2.0)).eval()
    inputs = paired.batch()
    # Half of the first cloud is outside of its image.
    inputs['pixels'][0, : toys.NUM_POINTS // 2] = -1.0
    patches = model.student.group(inputs['points'])
    features = model.student.encode(patches).features
    part = model.objectives['local']
    errors, possible = [], 0
    for cloud in range(4):
        for group, row in enumerate(patches.center_indices[cloud].tolist()):
            possible += 1
            u, v = inputs['pixels'][cloud, row].tolist()
            if u < 0:
                continue
            cell = int(v * paired.SIDE) * paired.SIDE + int(u * paired.SIDE)
            pred = part.head.proj(features[cloud, group])
            target = inputs['grid'][cloud, cell]
            errors.append((pred - target).square().mean())
    losses = loss_of(model, inputs)
    assert 0 < len(errors) < possible
    expected = torch.stack(errors).mean()
    toys.assert_close(losses['local.loss'], 2.0 * expected)
    share = torch.tensor(len(errors) / possible)
    toys.assert_close(losses['local.aligned_share'], share)
    assert 'local.constant_baseline' in losses


def test_a_batch_without_a_pair_teaches_nothing() -> None:
    model = distiller()
    inputs = paired.batch()
    inputs['pixels'][:] = -1.0
    losses = loss_of(model, inputs)
    assert losses['local.loss'] == 0
    losses['local.loss'].backward()
    used = [p for p in model.objectives.parameters() if p.grad is None]
    assert used == []
    assert not any(
        p.grad.any() for p in model.parameters() if p.grad is not None
    )


def test_all_patches_must_be_encoded() -> None:
    model = distiller(mask=RandomPatchMask(0.5))
    with pytest.raises(ValueError, match='whole_cloud=True'):
        loss_of(model, paired.batch())
    model = distiller(
        mask=RandomPatchMask(0.5), objective=dict(whole_cloud=True)
    )
    assert loss_of(model, paired.batch())['local.aligned_share'] == 1
