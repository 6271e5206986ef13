"""Concepts are drawn out of every block, with shared or own parameters."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.necks import ConceptExtractor
from mmdet3d_act.registry import MODELS
from tests.test_models import toys


def extractor(**changes: object) -> ConceptExtractor:
    config = dict(num_concepts=3, num_layers=2, num_heads=4, **changes)
    return toys.randomize(ConceptExtractor(32, **config))


def encoded(blocks: tuple[int, ...] = (0, 1)) -> EncodedPatches:
    torch.manual_seed(0)
    # The order of a dict is not that of the blocks.
    states = {index: torch.randn(2, 8, 32) for index in reversed(blocks)}
    return EncodedPatches(torch.randn(2, 8, 32), None, states)


def test_builds_from_its_config() -> None:
    neck = MODELS.build(dict(type='ConceptExtractor'))
    assert neck.concept_tokens.shape == (1, 32, 384)
    assert len(neck.blocks) == 1


@pytest.mark.parametrize('shared', [True, False])
def test_every_block_is_read_in_its_order(shared: bool) -> None:
    neck, seen = extractor(shared=shared), encoded()
    x = neck.concept_tokens.expand(2, -1, -1)
    x = neck.blocks[0](x, seen.hidden_states[0])
    x = neck.blocks[0 if shared else 1](x, seen.hidden_states[1])
    toys.assert_close(neck(seen), x)


def test_own_parameters_are_more() -> None:
    def size(neck: ConceptExtractor) -> int:
        return sum(p.numel() for p in neck.blocks.parameters())

    assert size(extractor(shared=False)) == 2 * size(extractor())
    assert size(extractor(self_attention=True)) > size(extractor())


def test_order_of_patches_does_not_matter() -> None:
    neck, seen = extractor(self_attention=True), encoded()
    flipped = seen._replace(
        hidden_states={i: x.flip(1) for i, x in seen.hidden_states.items()}
    )
    toys.assert_close(neck(flipped), neck(seen))


def test_concepts_differ_and_so_do_clouds() -> None:
    # As initialised: alike, they would say one thing only.
    torch.manual_seed(0)
    neck = ConceptExtractor(32, 3, num_layers=2, num_heads=4)
    concepts = neck(encoded())
    assert (concepts[0] - concepts[1]).abs().max() > 0.1
    gram = torch.corrcoef(concepts[0])
    assert (gram - torch.eye(3)).abs().max() < 0.9


def test_gradient_reaches_every_block_of_the_student() -> None:
    student = toys.student(
        with_cls_token=False,
        position='after',
        out_indices=(0, 1),
        norm_hidden_states=True,
    )
    patches = student.group(toys.points())
    neck = extractor()
    neck(student.encode(patches), patches, None).pow(3).sum().backward()
    assert toys.without_gradient(neck) == []
    # A shift before a batch norm has no effect.
    shifts = {'patch_embed.conv1.bias', 'patch_embed.conv3.bias'}
    assert set(toys.without_gradient(student)) <= shifts


def test_blocks_that_the_student_does_not_give_are_named() -> None:
    neck, seen = extractor(), encoded((1,))
    with pytest.raises(ValueError, match=r'2 blocks, .*out_indices=\[1\]'):
        neck(seen)


@pytest.mark.parametrize('name', ['num_concepts', 'num_layers'])
def test_there_must_be_something(name: str) -> None:
    with pytest.raises(ValueError, match=f'{name} must be at least 1, got 0'):
        ConceptExtractor(32, num_heads=4, **{name: 0})
