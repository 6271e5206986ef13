"""The mask decoder against the concatenation written out."""

from __future__ import annotations

import torch

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.necks import MaskDecoder
from tests.test_models import toys

MASKED = [1, 4, 6]
VISIBLE = [0, 2, 3, 5, 7]


def decoder(**changes: object) -> MaskDecoder:
    config = dict(num_layers=2, num_heads=4, drop_path_rate=0.0)
    return toys.randomize(MaskDecoder(32, **{**config, **changes}))


def encoded(num_patches: int = 5) -> EncodedPatches:
    torch.manual_seed(0)
    return EncodedPatches(
        torch.randn(2, num_patches, 32),
        torch.randn(2, 32),
        {0: torch.randn(2, num_patches, 32)},
    )


def run_blocks(
    neck: MaskDecoder, tokens: torch.Tensor, pos: torch.Tensor
) -> torch.Tensor:
    for block in neck.blocks:
        tokens = block(tokens + pos)
    return neck.norm(tokens)


def test_a_student_with_mask_tokens_sees_all_patches() -> None:
    neck = decoder(mask_tokens='input')
    seen, patches = encoded(8), toys.patches()
    assert neck.mask_token is None
    preds = neck(seen, patches, toys.fixed_mask())
    pos = neck.pos_embed(patches.centers)
    expected = run_blocks(neck, seen.features, pos)[:, MASKED]
    toys.assert_close(preds[0], expected)


def test_encoded_features_of_masked_patches_are_left_out() -> None:
    neck, patches = decoder(mask_tokens='encoded'), toys.patches()
    whole, mask = encoded(8), toys.fixed_mask()
    preds = neck(whole, patches, mask)
    visible = whole._replace(features=whole.features[:, VISIBLE])
    other = decoder()
    toys.assert_close(preds[0], other(visible, patches, mask)[0])
