"""Necks: what they make of a student's output."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.necks import (
    ConceptExtractor,
    MaskDecoder,
    MaskedFeatures,
    PatchProjection,
    PatchTokens,
)
from tests.test_models import toys

MASKED = [1, 4, 6]
VISIBLE = [0, 2, 3, 5, 7]


def encoded(num_patches: int = 8) -> EncodedPatches:
    torch.manual_seed(0)
    # The order of a dict is not that of the blocks.
    states = {index: torch.randn(2, num_patches, 32) for index in (1, 0)}
    features = torch.randn(2, num_patches, 32)
    return EncodedPatches(features, torch.randn(2, 32), states)


def extractor(**changes: object) -> ConceptExtractor:
    config = dict(num_concepts=3, num_layers=2, num_heads=4, **changes)
    return toys.randomize(ConceptExtractor(32, **config))


@pytest.mark.parametrize('shared', [True, False])
def test_concepts_read_every_block_in_its_order(shared: bool) -> None:
    neck, seen = extractor(shared=shared), encoded()
    x = neck.concept_tokens.expand(2, -1, -1)
    x = neck.blocks[0](x, seen.hidden_states[0])
    x = neck.blocks[0 if shared else 1](x, seen.hidden_states[1])
    toys.assert_close(neck(seen), x)


def test_concepts_differ_and_so_do_clouds() -> None:
    # As initialised: alike, they would say one thing only.
    torch.manual_seed(0)
    neck = ConceptExtractor(32, 3, num_layers=2, num_heads=4)
    concepts = neck(encoded())
    assert (concepts[0] - concepts[1]).abs().max() > 0.1
    gram = torch.corrcoef(concepts[0])
    assert (gram - torch.eye(3)).abs().max() < 0.9


def decoder(**changes: object) -> MaskDecoder:
    config = dict(num_layers=2, num_heads=4, drop_path_rate=0.0)
    return toys.randomize(MaskDecoder(32, **{**config, **changes}))


def test_a_student_with_mask_tokens_sees_all_patches() -> None:
    neck = decoder(mask_tokens='input')
    seen, patches = encoded(), toys.patches()
    assert neck.mask_token is None
    preds = neck(seen, patches, toys.fixed_mask())
    tokens, pos = seen.features, neck.pos_embed(patches.centers)
    for block in neck.blocks:
        tokens = block(tokens + pos)
    toys.assert_close(preds[0], neck.norm(tokens)[:, MASKED])


def test_encoded_features_of_masked_patches_are_left_out() -> None:
    neck, patches = decoder(mask_tokens='encoded'), toys.patches()
    whole, mask = encoded(), toys.fixed_mask()
    preds = neck(whole, patches, mask)
    visible = whole._replace(features=whole.features[:, VISIBLE])
    other = decoder()
    toys.assert_close(preds[0], other(visible, patches, mask)[0])


def test_the_students_features_of_the_masked_patches() -> None:
    patches, mask = toys.patches(), toys.fixed_mask()
    token = torch.randn(1, 1, 32, requires_grad=True)
    seen = toys.student().encode(patches, mask, token)
    (pred,) = MaskedFeatures()(seen, patches, mask)
    assert torch.equal(pred, seen.features[:, MASKED])
    # Not their sum, which a normalised output does not change.
    (pred * torch.randn(2, 3, 32)).sum().backward()
    assert token.grad.any()


def test_projects_wherever_heads_look() -> None:
    feats = toys.student().eval()(toys.points())
    torch.manual_seed(0)
    neck = toys.randomize(PatchProjection(toys.DIMS, 12)).eval()
    projected = neck(feats)
    expected = neck.norm(neck.conv(feats['features'])).relu()
    for features in (
        projected['features'],
        projected['fp_features'][-1],
        projected['sa_features'][-1],
    ):
        assert torch.equal(features, expected)
    for key in ('fp_xyz', 'fp_indices', 'sa_xyz', 'sa_indices', 'centers'):
        assert projected[key] is feats[key]
    assert len(projected['sa_features']) == len(feats['sa_features']) == 2
    assert projected['hd_feature'] is projected['features']
    assert projected['fp_xyz_net0'] is feats['fp_xyz']
    neck.per_point = True
    points = neck(feats)['fa_points']
    assert points.shape == (2, 40, 12)
    rows = feats['fp_indices'][-1]
    own = points.gather(1, rows[..., None].expand(-1, -1, 12))
    torch.testing.assert_close(own.mT, expected, rtol=1e-3, atol=1e-3)
    # What came in is as it was.
    assert feats['fp_features'][-1].shape[1] == toys.DIMS


def test_pooled_tokens_in_the_order_asked_for() -> None:
    seen = encoded()
    assert PatchTokens()(seen) is seen.features
    tokens = PatchTokens(('mean', 'cls', 'max'))(seen)
    pooled = seen.features.mean(1), seen.cls_token, seen.features.amax(1)
    assert torch.equal(tokens, torch.stack(pooled, dim=1))
