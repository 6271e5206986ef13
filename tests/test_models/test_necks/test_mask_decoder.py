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


def test_mask_tokens_follow_the_visible_patches() -> None:
    neck, seen, patches = decoder(), encoded(), toys.patches()
    preds = neck(seen, patches, toys.fixed_mask())
    pos = neck.pos_embed(patches.centers)
    tokens = torch.cat(
        [seen.features, neck.mask_token.expand(2, 3, -1)], dim=1
    )
    out = run_blocks(neck, tokens, pos[:, VISIBLE + MASKED])
    assert len(preds) == 1
    toys.assert_close(preds[0], out[:, 5:])


def test_shallow_branch_is_a_second_pass() -> None:
    neck, seen = decoder(shallow_index=0), encoded()
    patches, mask = toys.patches(), toys.fixed_mask()
    preds = neck(seen, patches, mask)
    pos = neck.pos_embed(patches.centers)[:, VISIBLE + MASKED]
    tokens = torch.cat(
        [
            seen.cls_token.unsqueeze(1),
            seen.hidden_states[0],
            neck.mask_token.expand(2, 3, -1),
        ],
        dim=1,
    )
    pos = torch.cat([neck.cls_pos.expand(2, -1, -1), pos], dim=1)
    assert len(preds) == 2
    toys.assert_close(preds[1], run_blocks(neck, tokens, pos)[:, 6:])
    alone = decoder()
    alone.load_state_dict(neck.state_dict(), strict=False)
    toys.assert_close(preds[0], alone(seen, patches, mask)[0])


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
