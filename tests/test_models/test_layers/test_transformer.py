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


@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('longest', [0, 256])
def test_attend_avoids_the_fused_kernel_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch, autocast: bool, longest: int
) -> None:
    """Short sequences: the formula; long ones: the kernel in float32."""
    seen, original = [], F.scaled_dot_product_attention

    def note(query, key, value, **options):
        out = original(query, key, value, **options)
        seen.append((query.dtype, key.dtype, value.dtype, out.dtype))
        return out

    monkeypatch.setattr(F, 'scaled_dot_product_attention', note)
    monkeypatch.setattr(transformer, 'SHORT_SEQUENCE', longest)
    inputs = query_key_value(torch.bfloat16)
    with torch.autocast('cpu', dtype=torch.bfloat16, enabled=autocast):
        out = attend(*inputs)
        with torch.no_grad():
            attend(*inputs)
    exact = [] if longest else [(torch.float32,) * 4]
    assert seen == [*exact, (torch.bfloat16,) * 4]
    assert out.dtype == torch.bfloat16
    gradients = torch.autograd.grad(out.float().square().sum(), inputs)
    wide = [x.detach().float().requires_grad_() for x in inputs]
    expected = torch.autograd.grad(original(*wide).square().sum(), wide)
    for gradient, wanted in zip(gradients, expected, strict=True):
        assert gradient.dtype == torch.bfloat16
        toys.assert_close(gradient.float(), wanted, 5e-2)


def test_attend_drops_weights() -> None:
    query, key, value = query_key_value(torch.float32)
    torch.manual_seed(0)
    dropped = attend(query, key, value, dropout_p=0.5)
    assert not torch.allclose(dropped, attend(query, key, value), atol=1e-2)


def test_drop_path_keeps_the_mean_and_drops_whole_samples() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25).train()
    out = drop(torch.ones(20000, 2, 3))
    kept = out[:, 0, 0] != 0
    toys.assert_close(out, kept[:, None, None] / 0.75 * torch.ones(2, 3))
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.015)
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)


def test_drop_path_does_nothing_in_evaluation() -> None:
    x = torch.randn(64, 3)
    assert torch.equal(DropPath(0.9).eval()(x), x)
    assert torch.equal(DropPath(0.0).train()(x), x)
    assert not torch.equal(DropPath(0.9).train()(x), x)


def test_block_is_pre_norm_with_two_residuals() -> None:
    block = toys.randomize(TransformerBlock(32, 4, mlp_ratio=2.0)).eval()
    x = torch.randn(2, 5, 32)
    middle = x + block.attn(block.norm1(x))
    expected = middle + block.mlp(block.norm2(middle))
    toys.assert_close(block(x), expected)
    assert block.mlp.fc1.out_features == 64


def test_block_may_add_to_the_normed_tokens() -> None:
    block = toys.randomize(TransformerBlock(32, 4, residual='normed')).eval()
    x = torch.randn(2, 5, 32)
    normed = block.norm1(x)
    middle = block.norm2(normed + block.attn(normed))
    toys.assert_close(block(x), middle + block.mlp(middle))
    with pytest.raises(ValueError, match=r"'normed'.*, got 'output'"):
        TransformerBlock(32, 4, residual='output')


def test_block_drops_both_branches() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, 2, drop_path=0.5).train()
    x = torch.randn(64, 3, 8)
    unchanged = (block(x) == x).flatten(1).all(dim=1).float().mean().item()
    assert unchanged == pytest.approx(0.25, abs=0.15)


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


def test_drop_path_grows_linearly() -> None:
    encoder = TransformerEncoder(8, 5, 2, drop_path_rate=0.2)
    rates = [block.drop_path.drop_prob for block in encoder]
    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])
    single = TransformerEncoder(8, 1, 2, drop_path_rate=0.2)
    assert single[0].drop_path.drop_prob == 0.0


def test_recomputation_changes_nothing() -> None:
    results = []
    for with_cp in (False, True):
        encoder = TransformerEncoder(
            32, 3, 4, drop_path_rate=0.5, with_cp=with_cp
        )
        toys.randomize(encoder).train()
        x = torch.randn(4, 5, 32, generator=toys.seeded(1)).requires_grad_()
        torch.manual_seed(3)
        out, _ = encoder(x, torch.ones(4, 5, 32))
        out.square().sum().backward()
        results.append([out, x.grad, *(p.grad for p in encoder.parameters())])
    for plain, recomputed in zip(*results, strict=True):
        toys.assert_close(recomputed, plain)


def test_recomputation_calls_the_blocks_again() -> None:
    calls = []
    encoder = TransformerEncoder(8, 2, 2, with_cp=True).train()
    encoder[1].register_forward_pre_hook(lambda *_: calls.append(1))
    x = torch.randn(1, 3, 8, requires_grad=True)
    out, _ = encoder(x, torch.zeros_like(x))
    assert len(calls) == 1
    out.sum().backward()
    assert len(calls) == 2
