"""Encoded patches as tokens."""

from __future__ import annotations

import torch

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.necks import PatchTokens


def encoded(cls_token: bool = True) -> EncodedPatches:
    torch.manual_seed(0)
    token = torch.randn(2, 32) if cls_token else None
    return EncodedPatches(torch.randn(2, 8, 32), token, {})


def test_patches_are_handed_on() -> None:
    seen = encoded()
    assert PatchTokens()(seen) is seen.features


def test_pooled_tokens_in_the_order_asked_for() -> None:
    seen = encoded()
    tokens = PatchTokens(('mean', 'cls', 'max'))(seen)
    assert tokens.shape == (2, 3, 32)
    assert torch.equal(tokens[:, 0], seen.features.mean(1))
    assert torch.equal(tokens[:, 1], seen.cls_token)
    assert torch.equal(tokens[:, 2], seen.features.amax(1))
