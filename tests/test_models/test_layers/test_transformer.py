"""Attention, stochastic depth, blocks and the stack of them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmdet3d_act.models.layers import (
    DropPath,
    TransformerBlock,
    TransformerEncoder,
    transformer,
)
from mmdet3d_act.models.layers.transformer import attend
from tests.test_models import toys


def query_key_value(dtype: torch.dtype) -> list[torch.Tensor]:
    generator = toys.seeded(0)
    return [
        torch.randn(2, 3, length, 8, generator=generator)
        .to(dtype)
        .requires_grad_()
        for length in (5, 7, 7)
    ]


@pytest.mark.parametrize(
    'dtype', [torch.float32, torch.float64, torch.bfloat16]
)
def test_attend_is_scaled_dot_product_attention(dtype: torch.dtype) -> None:
    query, key, value = query_key_value(dtype)
    tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-6
    expected = F.scaled_dot_product_attention(
        query.float(), key.float(), value.float()
    ).to(dtype)
    for context in (torch.enable_grad, torch.no_grad):
        with context():
            out = attend(query, key, value)
        assert out.dtype == dtype
        toys.assert_close(out.detach(), expected.detach(), tolerance)


def test_attend_drops_weights() -> None:
    query, key, value = query_key_value(torch.float32)
    torch.manual_seed(0)
    dropped = attend(query, key, value, dropout_p=0.5)
    assert not torch.allclose(dropped, attend(query, key, value), atol=1e-2)


def test_drop_path_keeps_the_mean_and_drops_whole_samples() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25).train()
    x = torch.ones(20000, 2, 3)
    out = drop(torch.zeros_like(x), torch.clone, x)
    kept = out[:, 0, 0] != 0
    toys.assert_close(out, kept[:, None, None] / 0.75 * torch.ones(2, 3))
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.015)
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize('rate', [0.3, 0.999])
def test_drop_path_skips_what_it_drops(
    rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = toys.randomize(TransformerBlock(32, 4, drop_path=rate)).train()
    x, sizes, results = torch.randn(8, 5, 32), [], []
    block.attn.register_forward_hook(
        lambda _, args, out: sizes.append(len(out))
    )
    for skips in (True, False):
        if not skips:
            monkeypatch.setattr(transformer, 'is_plain', lambda x: False)
        torch.manual_seed(0)
        block.zero_grad()
        out = block(x)
        out.square().sum().backward()
        results.append([out, *(p.grad.clone() for p in block.parameters())])
    # Where all are dropped nothing is skipped: weights have gradients.
    assert sizes[0] < sizes[1] if rate < 0.5 else sizes == [8, 8]
    for found, expected in zip(*results, strict=True):
        toys.assert_close(found, expected)


def test_block_may_add_to_the_normed_tokens() -> None:
    block = toys.randomize(TransformerBlock(32, 4, residual='normed')).eval()
    x = torch.randn(2, 5, 32)
    normed = block.norm1(x)
    middle = block.norm2(normed + block.attn(normed))
    toys.assert_close(block(x), middle + block.mlp(middle))
    with pytest.raises(ValueError, match=r"'normed'.*, got 'output'"):
        TransformerBlock(32, 4, residual='output')


@pytest.mark.parametrize('position', ['before', 'after'])
def test_position_is_added_at_every_block(position: str) -> None:
    encoder = TransformerEncoder(32, 3, 4, position=position).eval()
    toys.randomize(encoder)
    x, pos = torch.randn(2, 5, 32), torch.randn(2, 5, 32)
    expected, hidden = x, {}
    for index, block in enumerate(encoder):
        if position == 'before':
            expected = block(expected + pos)
        else:
            expected = block(expected) + pos
        hidden[index] = expected
    out, wanted = encoder(x, pos, out_indices=(0, 2))
    toys.assert_close(out, expected)
    assert sorted(wanted) == [0, 2]
    toys.assert_close(wanted[0], hidden[0])
    toys.assert_close(wanted[2], expected)
    toys.assert_close(encoder(x, pos, last=2)[0], expected[:, -2:])


def test_drop_path_grows_linearly() -> None:
    encoder = TransformerEncoder(8, 5, 2, drop_path_rate=0.2)
    rates = [block.drop_path.drop_prob for block in encoder]
    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])
    single = TransformerEncoder(8, 1, 2, drop_path_rate=0.2)
    assert single[0].drop_path.drop_prob == 0.0


def test_recomputation_calls_the_blocks_again() -> None:
    calls = []
    encoder = TransformerEncoder(8, 2, 2, with_cp=True).train()
    encoder[1].register_forward_pre_hook(lambda *_: calls.append(1))
    x = torch.randn(1, 3, 8, requires_grad=True)
    out, _ = encoder(x, torch.zeros_like(x))
    assert len(calls) == 1
    out.sum().backward()
    assert len(calls) == 2
