"""Point-MAE's head."""

from __future__ import annotations

import torch

from mmdet3d_act.models.heads import CoordinateHead
from mmdet3d_act.ops import chamfer_distance
from tests.test_models import toys


def test_loss_is_the_chamfer_distance_of_the_masked_patches() -> None:
    head = toys.randomize(CoordinateHead(32, 4))
    preds = [torch.randn(2, 3, 32), torch.randn(2, 3, 32)]
    target, mask = torch.randn(2, 8, 4, 3), toys.fixed_mask()
    wanted = target[:, [1, 4, 6]].reshape(6, 4, 3)
    expected = sum(
        chamfer_distance(head.proj(pred).reshape(6, 4, 3), wanted, norm='l2')
        for pred in preds
    )
    losses = head.loss(preds, target, mask)
    assert set(losses) == {'loss'}
    toys.assert_close(losses['loss'], expected)
