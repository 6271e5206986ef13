"""Names of the formats of which the backbone alone is converted."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet3d_act.converters import keys
from mmdet3d_act.converters.published_backbones import (
    QUERY_NETWORK,
    RECON,
    RECON_PRETRAINING,
)
from tests.test_models import toys


@pytest.mark.parametrize(
    ('published', 'ours'),
    [
        ('transformer_q.cls_token', 'cls_token'),
        ('transformer_q.reduce_dim.weight', 'reduce_dim.weight'),
        ('transformer_q.blocks.blocks.3.norm1.bias', 'blocks.3.norm1.bias'),
        ('transformer_q.norm.weight', 'norm.weight'),
    ],
)
def test_query_network(published: str, ours: str) -> None:
    assert keys.translate(published, QUERY_NETWORK) == (True, ours)


@pytest.mark.parametrize(
    'published', ['transformer_k.cls_token', 'queue', 'dvae.codebook']
)
def test_the_rest_is_no_query_network(published: str) -> None:
    assert keys.translate(published, QUERY_NETWORK) == (False, None)


def test_recon() -> None:
    name = 'blocks.blocks.3.attn.qkv.weight'
    assert keys.translate(name, RECON) == (True, 'blocks.3.attn.qkv.weight')
    name = 'blocks.blocks.3.attn_contrast.q.weight'
    assert keys.translate(name, RECON) == (True, None)
    assert keys.translate('cls_token', RECON) == (False, None)
    assert keys.translate('MAE_encoder.norm.bias', RECON_PRETRAINING) == (
        True,
        'norm.bias',
    )


def recon_patches(state: dict, x: Tensor, pos: Tensor, heads: int) -> Tensor:
    """Return ReCon's patch features, written out from its description."""

    def norm(name: str, x: Tensor) -> Tensor:
        weight, bias = state[f'{name}.weight'], state[f'{name}.bias']
        return F.layer_norm(x, x.shape[-1:], weight, bias)

    for index in range(2):
        block = f'blocks.{index}'
        x = norm(f'{block}.norm1', x + pos)
        qkv = x @ state[f'{block}.attn.qkv.weight'].T
        parts = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (parts[0] @ parts[1].transpose(-2, -1)) * (
            parts.shape[-1] ** -0.5
        )
        attended = (weights.softmax(-1) @ parts[2]).transpose(1, 2).flatten(2)
        proj = f'{block}.attn.proj'
        x = x + attended @ state[f'{proj}.weight'].T + state[f'{proj}.bias']
        x = norm(f'{block}.norm2', x)
        mlp = f'{block}.mlp.fc'
        hidden = F.gelu(x @ state[f'{mlp}1.weight'].T + state[f'{mlp}1.bias'])
        x = x + hidden @ state[f'{mlp}2.weight'].T + state[f'{mlp}2.bias']
    return norm('norm', x)


def test_recon_adds_to_the_normed_tokens() -> None:
    """Its residuals begin after the norm, unlike in all other releases."""
    student = toys.randomize(
        toys.student(with_cls_token=False, residual='normed')
    ).eval()
    patches = student.group(toys.points())
    with torch.no_grad():
        tokens = student.patch_embed(patches.neighborhoods)
        pos = student.pos_embed(patches.centers)
        want = recon_patches(student.state_dict(), tokens, pos, heads=4)
        toys.assert_close(student.encode(patches).features, want, 1e-4)
        plain = toys.student(with_cls_token=False).eval()
        plain.load_state_dict(student.state_dict())
        other = plain.encode(patches).features
    assert (other - want).abs().max() > 0.1
