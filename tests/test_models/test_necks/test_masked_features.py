"""The neck of a student that reads mask tokens."""

from __future__ import annotations

import torch

from mmdet3d_act.models.necks import MaskedFeatures
from mmdet3d_act.registry import MODELS
from tests.test_models import toys


def test_the_students_features_of_the_masked_patches() -> None:
    neck = MODELS.build(dict(type='MaskedFeatures'))
    assert type(neck) is MaskedFeatures
    assert list(neck.parameters()) == []
    patches, mask = toys.patches(), toys.fixed_mask()
    token = torch.randn(1, 1, 32, requires_grad=True)
    encoded = toys.student().encode(patches, mask, token)
    (pred,) = neck(encoded, patches, mask)
    assert torch.equal(pred, encoded.features[:, [1, 4, 6]])
    # Not their sum, which a normalised output does not change.
    (pred * torch.randn(2, 3, 32)).sum().backward()
    assert token.grad.any()
