"""Concepts are drawn out of every block, with shared or own parameters."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.necks import ConceptExtractor
from tests.test_models import toys


def extractor(**changes: object) -> ConceptExtractor:
    config = dict(num_concepts=3, num_layers=2, num_heads=4, **changes)
    return toys.randomize(ConceptExtractor(32, **config))


def encoded(blocks: tuple[int, ...] = (0, 1)) -> EncodedPatches:
    torch.manual_seed(0)
    # The order of a dict is not that of the blocks.
    states = {index: torch.randn(2, 8, 32) for index in reversed(blocks)}
    return EncodedPatches(torch.randn(2, 8, 32), None, states)


@pytest.mark.parametrize('shared', [True, False])
def test_every_block_is_read_in_its_order(shared: bool) -> None:
    neck, seen = extractor(shared=shared), encoded()
    x = neck.concept_tokens.expand(2, -1, -1)
    x = neck.blocks[0](x, seen.hidden_states[0])
    x = neck.blocks[0 if shared else 1](x, seen.hidden_states[1])
    toys.assert_close(neck(seen), x)


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
