from __future__ import annotations

import pytest
import torch
from torch import nn

from mmdet3d_act.models.target_generators import (
    CaptionPrefixTarget,
    ImageEmbeddingTarget,
    ImagePatchTarget,
)
from mmdet3d_act.models.teachers import ClipCapMapping
from tests.paired_images import MadeUpPairs, teacher_of, weights


def batch(count: int = 2) -> torch.Tensor:
    pairs = MadeUpPairs(count)
    return torch.stack([pairs.prepared_image(k) for k in pairs.pair_keys()])


def mapping_of(clip_dims: int = 16) -> ClipCapMapping:
    torch.manual_seed(0)
    return ClipCapMapping(
        clip_dims=clip_dims, prefix_length=3, embed_dims=4, pretrained=False
    )


def test_embedding() -> None:
    generator = teacher_of(weights())
    images = batch()
    target = generator({'images': images, 'points': None}, None, None)
    assert target.shape == (2, *generator.target_shape) == (2, 16)
    assert torch.equal(target, generator.encoder(images))
    assert not target.requires_grad
    scaled = teacher_of(weights(), normalize=True).compute(images)
    torch.testing.assert_close(scaled.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(scaled * target.norm(dim=1)[:, None], target)


def test_patches() -> None:
    generator = teacher_of(weights(), ImagePatchTarget)
    target = generator({'images': batch()})
    assert target.shape == (2, *generator.target_shape) == (2, 4, 16)
    assert generator.grid == (2, 2)
    # Another upper left corner changes its own patch most.
    changed = batch()
    changed[:, :, :8, :8] = 0
    moved = (generator({'images': changed}) - target).square().sum(dim=-1)
    assert (moved.argmax(dim=1) == 0).all()


def test_caption_prefix() -> None:
    mapping = mapping_of()
    generator = teacher_of(weights(), CaptionPrefixTarget, mapping=mapping)
    target = generator({'images': batch()})
    assert target.shape == (2, *generator.target_shape) == (2, 3, 4)
    embedding = teacher_of(weights()).compute(batch())
    assert torch.equal(target, mapping(embedding))
    assert all(not p.requires_grad for p in generator.parameters())


def test_identity_covers_every_part() -> None:
    def identity(seed: int = 0, **settings) -> dict:
        return teacher_of(weights(seed), **settings).identity()

    assert identity() == identity()
    assert identity() != identity(seed=1)
    assert identity() != identity(normalize=True)
    assert identity() != identity(kind=ImagePatchTarget)
    settings = dict(kind=CaptionPrefixTarget, mapping=mapping_of())
    with_caption = identity(**settings)
    assert with_caption['encoder'] == identity()['encoder']
    assert len(with_caption['mapping']['sha256']) == 64
    plain = teacher_of(weights(), **settings).settings()
    assert 'sha256' not in plain['encoder']


@pytest.mark.parametrize(
    ('use', 'offender'),
    [
        (lambda: teacher_of(weights())({'points': None}), 'images'),
        (lambda: ImageEmbeddingTarget(nn.Linear(2, 2)), 'Linear'),
        (
            lambda: teacher_of(
                weights(), CaptionPrefixTarget, mapping=mapping_of(640)
            ),
            '640 numbers, vit_tiny',
        ),
    ],
)
def test_refusals(use, offender: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError), match=offender):
        use()
