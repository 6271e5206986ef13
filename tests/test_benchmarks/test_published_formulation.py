"""The published formulation gives the losses of the package's models."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch
from torch import nn

from mmdet3d_act.models.autoencoders import quantization
from tests.small_data import ROOT
from tests.tiny import shrink

sys.path.insert(0, str(ROOT / 'benchmarks'))
formulation, run = map(
    importlib.import_module, ('published_formulation', 'run')
)
sys.path.remove(str(ROOT / 'benchmarks'))


class FixedMask(nn.Module):
    """Masks the first patches."""

    ratio = 0.8

    def forward(self, centers):
        mask = torch.arange(centers.shape[1]) < self.num_masked(16)
        return mask.expand(len(centers), -1).roll(3, 1)

    def num_masked(self, num_groups):
        return int(self.ratio * num_groups)


@pytest.mark.parametrize('points', ['plain', 'ours'])
@pytest.mark.parametrize('family', run.STEPS)
def test_same_loss_and_gradient_on_the_same_weights(
    family, points, monkeypatch
):
    # What is drawn at random is left out on both sides.
    monkeypatch.setattr(
        quantization, 'with_gumbel_noise', lambda logits: logits.float()
    )
    torch.manual_seed(0)
    model = run.build_model(shrink(run.config_of(family)))
    for part in model.modules():
        for name in ('drop_path', 'dropout', 'drop_prob', 'p'):
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, 0.0)
    if getattr(model, 'mask', None) is not None:
        model.mask = FixedMask()
    if hasattr(model, 'kl_weight'):
        model.kl_weight, model.temperature = 0.1, 0.5
    ops = formulation.PLAIN if points == 'plain' else formulation.our_points()
    plain = formulation.published(model, ops)
    for part in (*plain.modules(), *model.modules()):
        if hasattr(part, 'noise'):
            part.noise = False
    plain.random_mask = FixedMask().forward
    # In float32 a rounding may choose another maximum, and its gradient.
    dtype = torch.float64 if family == '3DETR' else torch.float32
    for net in (model, plain):
        net.to(dtype)
    batch = run.make_batch(family, 4, 256)
    inputs, samples = (
        torch.stack(batch['inputs']['points']).to(dtype),
        batch['data_samples'],
    )
    expected, _ = model.parse_losses(model.loss(dict(points=inputs), samples))
    found = plain(inputs, samples)
    assert float(found) == pytest.approx(float(expected), rel=2e-5)
    gradients = []
    for loss, net in ((expected, model), (found, plain)):
        loss.backward()
        values = [p.grad for p in net.parameters() if p.grad is not None]
        gradients.append(float(sum(g.square().sum() for g in values)))
    assert gradients[1] == pytest.approx(gradients[0], rel=1e-3)


def test_a_table_has_all_columns_and_the_load_last():
    rows = {
        'a': {'ours': [1.234, 1.0, 2.0], 'load': 0.5},
        'b': {'SciPy': 'not installed', 'load': 1.0},
    }
    data = dict(machine=dict(day='today'), rows={'operations': rows})
    assert [*run.tables(data)][-1].splitlines() == [
        '|  | ours | SciPy | load |',
        '| --- | --- | --- | --- |',
        '| a | 1.23 (1.00 to 2.00) |  | 0.50 |',
        '| b |  | not installed | 1.00 |',
    ]
