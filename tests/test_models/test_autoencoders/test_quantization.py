"""Codes from logits, and the same codes a few clouds at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mmdet3d_act.models.autoencoders import DiscreteVAE, quantization
from mmdet3d_act.models.autoencoders.quantization import (
    choose_codes,
    draw_codes,
    quantize,
    with_gumbel_noise,
)
from mmdet3d_act.models.losses import kl_to_uniform
from tests.test_models import toys


def pair(
    chunk_size: int, **changes: object
) -> tuple[DiscreteVAE, DiscreteVAE]:
    """Return the same network, without chunks and with."""
    whole = toys.randomize(toys.vae(**changes))
    parts = toys.vae(chunk_size=chunk_size, **changes)
    parts.load_state_dict(whole.state_dict())
    return whole, parts


def test_a_hand_worked_choice() -> None:
    codebook = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    logits = torch.tensor([[[0.0, torch.log(torch.tensor(3.0))]]])
    settings = dict(noise=False, temperature=1.0)
    soft, codes, divergence = choose_codes(
        logits, codebook, hard=False, **settings
    )
    toys.assert_close(soft, torch.tensor([[[0.25, 1.5]]]))
    assert codes.tolist() == [[1]]
    toys.assert_close(divergence, kl_to_uniform(logits)[None])
    hard = quantize(logits, codebook, hard=True, **settings)
    toys.assert_close(hard, torch.tensor([[[0.0, 2.0]]]))


def noisy_argmax(logits: Tensor) -> Tensor:
    return with_gumbel_noise(logits).argmax(-1)


@pytest.mark.parametrize('draw', [draw_codes, noisy_argmax])
def test_codes_are_drawn_by_their_probability(draw: Any) -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.0, -200.0, 1.0, 2.0]).expand(50, 1000, 4)
    share = draw(logits).flatten().bincount(minlength=4) / 50_000
    assert share[1] == 0
    # Four standard deviations.
    assert (share - logits[0, 0].softmax(0)).abs().max() < 0.009


@pytest.mark.parametrize('chunk_size', [1, 2, 5])
@pytest.mark.parametrize('hard', [True, False])
def test_chunks_change_neither_values_nor_gradients(
    chunk_size: int, hard: bool
) -> None:
    grads, outputs = [], []
    for vae in pair(chunk_size):
        patches = vae.group(toys.points(batch=3))
        out = vae.reconstruct(patches, hard=hard, temperature=0.7)
        assert (out.logits is None) == (vae.chunk_size is not None)
        total = out.fine.square().sum() + 3 * out.divergence.mean()
        total.backward()
        grads.append({n: p.grad for n, p in vae.named_parameters()})
        outputs.append(out)
    for name in ('coarse', 'fine', 'features', 'codes', 'divergence'):
        first, second = (getattr(out, name) for out in outputs)
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
    assert all(grad is not None for grad in grads[0].values())
    assert grads[0]['to_logits.fuse.weight'].abs().sum() > 0
    assert grads[0]['codebook'].abs().sum() > 0
    for name, grad in grads[0].items():
        scale = max(grad.abs().max().item(), 1e-3)
        torch.testing.assert_close(
            grads[1][name] / scale, grad / scale, rtol=1e-4, atol=2e-5
        )


def test_drawn_codes_are_the_same_in_the_backward_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Tensor] = []

    def note(logits: Tensor) -> Tensor:
        drawn = with_gumbel_noise(logits)
        seen.append((drawn - logits).detach())
        return drawn

    monkeypatch.setattr(quantization, 'with_gumbel_noise', note)
    _, vae = pair(1)
    torch.manual_seed(3)
    losses = vae(dict(points=toys.points(batch=2)), mode='loss')
    total, _ = vae.parse_losses(losses)
    total.backward()
    # Two clouds forward; each again, from the last, backward.
    first, second, *again = seen
    again = sorted(again, key=lambda noise: not torch.equal(noise, first))
    assert len(again) == 2
    torch.testing.assert_close(again[0], first, rtol=0, atol=1e-5)
    torch.testing.assert_close(again[1], second, rtol=0, atol=1e-5)
    assert not torch.equal(first, second)


def test_only_one_part_is_kept() -> None:
    """Nothing as wide as the codes is saved for the backward pass."""
    kept: dict[int | None, int] = {}
    for vae in pair(1, num_codes=20):
        wide: list[tuple[int, ...]] = []

        def note(tensor: Tensor, wide: list[Any] = wide) -> Tensor:
            if tensor.ndim > 2 and 20 in tensor.shape:
                wide.append(tuple(tensor.shape))
            return tensor

        patches = vae.group(toys.points(batch=3))
        with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
            vae.reconstruct(patches, hard=False, noise=True)
        kept[vae.chunk_size] = len(wide)
    assert kept[None] >= 4
    assert kept[1] == 0
