"""The discrete autoencoder: codes, losses, predictions, collapse signs."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.autoencoders.quantization import quantize
from tests.test_models import toys


def randomized(**changes: object) -> DiscreteVAE:
    return toys.randomize(toys.vae(**changes)).eval()


def test_hard_codes_have_the_gradient_of_soft_ones() -> None:
    vae, gradients = randomized(), []
    weight = torch.randn(2, 8, 32)
    for hard in (True, False):
        logits = torch.randn(2, 8, 16, generator=toys.seeded(1))
        logits.requires_grad_()
        codes = quantize(
            logits, vae.codebook, hard=hard, noise=False, temperature=0.7
        )
        (codes * weight).sum().backward()
        gradients.append(logits.grad)
    toys.assert_close(gradients[0], gradients[1])
    assert gradients[0].abs().sum() > 0


def test_noise_draws_codes_from_the_posterior() -> None:
    torch.manual_seed(0)
    vae = randomized(num_codes=4)
    posterior = torch.tensor([0.5, 0.3, 0.15, 0.05])
    with torch.no_grad():
        vae.codebook.copy_(torch.eye(4, 32))
        logits = posterior.log().expand(1, 20000, 4)
        codes = quantize(logits, vae.codebook, hard=True, noise=True)
    share = codes[0, :, :4].mean(dim=0)
    assert (share - posterior).abs().max() < 0.015


@pytest.mark.parametrize('hard', [False, True])
def test_noise_is_seeded_and_soft_noise_is_gumbel(hard: bool) -> None:
    vae, logits, drawn = randomized(), torch.zeros(1, 8, 16), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(quantize(logits, vae.codebook, hard=hard, noise=True))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    sharp = quantize(
        logits, vae.codebook, hard=False, noise=True, temperature=1e-3
    )
    nearest = torch.cdist(sharp[0], vae.codebook).amin(dim=-1)
    assert (nearest < 1e-3).float().mean() > 0.8


def test_encode_draws_and_can_be_made_certain() -> None:
    vae = randomized()
    patches = vae.group(toys.points())
    certain = vae.encode(patches, noise=False)
    assert torch.equal(certain, vae.encode(patches, noise=False))
    assert not torch.equal(vae.encode(patches), vae.encode(patches))
    codes = vae.codebook[vae.get_logits(patches).argmax(dim=-1)]
    toys.assert_close(vae.encode(patches, noise=False, local=True), codes)
    toys.assert_close(certain, vae.mixer(codes, patches.centers), 1e-4)


def test_only_what_is_summed_is_called_loss() -> None:
    vae = randomized(kl_weight=0.5)
    losses = vae(dict(points=toys.points()), mode='loss')
    summed = {name for name in losses if 'loss' in name}
    assert summed == {'loss_coarse', 'loss_fine', 'loss_kl'}
    total, log = vae.parse_losses(losses)
    toys.assert_close(total, sum(losses[name] for name in summed))
    assert set(log) == {'loss', *losses}
    for name in set(losses) - summed:
        assert not losses[name].requires_grad, name


def test_predict_puts_everything_in_place() -> None:
    vae, data = randomized(), toys.data_batch()
    result = vae.test_step(data)
    points = toys.points()
    patches = vae.group(points)
    out = vae.reconstruct(patches)
    again = vae.test_step(toys.data_batch())
    for index, sample in enumerate(result):
        assert sample.sample_idx == index
        assert torch.equal(sample.eval_points, points[index])
        toys.assert_close(
            sample.gt_patches.view(8, 4, 3),
            points[index][patches.neighbor_indices[index]],
        )
        shift = patches.centers[index].unsqueeze(1)
        fine = (out.fine[index] + shift).reshape(32, 3)
        toys.assert_close(sample.pred_fine, fine)
        coarse = (out.coarse[index] + shift).reshape(8, 3)
        toys.assert_close(sample.pred_coarse, coarse)
        assert not sample.pred_fine.requires_grad
        assert torch.equal(sample.pred_fine, again[index].pred_fine)


@pytest.mark.parametrize('noise', [False, True])
def test_codes_are_rows_of_the_codebook(noise: bool) -> None:
    vae, patches = toys.vae(seed=1).eval(), toys.patches(4)
    torch.manual_seed(0)
    codes = vae.get_codes(patches, noise=noise)
    assert codes.shape == (4, 8)
    assert len(codes.unique()) > 3
    torch.manual_seed(0)
    with torch.no_grad():
        logits = vae.get_logits(patches)
        rows = quantize(logits, vae.codebook, hard=True, noise=noise)
    assert torch.equal(vae.codebook[codes], rows)
    assert torch.equal(codes, logits.argmax(-1)) != noise


def test_features_and_codes_are_decoded_as_in_a_reconstruction() -> None:
    vae = randomized().eval()
    patches = toys.patches()
    with torch.no_grad():
        expected = vae.reconstruct(patches)
        for local in (False, True):
            features = vae.encode(patches, noise=False, local=local)
            made = vae.decode(features, patches.centers, local=local)
            toys.assert_close(made[0], expected.coarse)
            toys.assert_close(made[1], expected.fine)
        coarse, fine = vae.decode_codes(
            vae.get_codes(patches), patches.centers
        )
    toys.assert_close(coarse, expected.coarse)
    toys.assert_close(fine, expected.fine)
