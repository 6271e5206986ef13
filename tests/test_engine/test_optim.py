"""Groups of parameters, rates by depth, bfloat16 on a CPU."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS as ROOT_MODELS
from torch import nn

from mmdet3d_act.engine import CPUAmpOptimWrapper
from tests.test_engine.test_nothing_lost import make_config, run
from tests.test_engine.toy import NUM_FEATURES, ROOT, ToyRegressor

SCHEDULES = ROOT / 'configs' / '_base_' / 'schedules'


class Classifier(nn.Module):
    """A backbone of twelve blocks with parts before and after, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.backbone.patch_embed = nn.Linear(3, 4)
        self.backbone.blocks = nn.ModuleList(
            [nn.Linear(4, 4, bias=False) for _ in range(12)]
        )
        self.backbone.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)


def test_layer_decay_is_one_option():
    cfg = Config.fromfile(SCHEDULES / 'finetune_300e.py').optim_wrapper
    cfg.paramwise_cfg.layer_decay = 0.5
    model = Classifier()
    model.backbone.blocks[0].requires_grad_(False)
    wrapper = build_optim_wrapper(model, cfg)
    names = {id(p): name for name, p in model.named_parameters()}
    rates = {
        (names[id(param)], group['weight_decay']): group['lr']
        for group in wrapper.optimizer.param_groups
        for param in group['params']
    }
    assert len(rates) == len(names) - 1
    assert rates['head.weight', 0.05] == rates['head.bias', 0.0] == 5e-4
    assert rates['backbone.norm.bias', 0.0] == 5e-4
    assert rates['backbone.blocks.11.weight', 0.05] == 2.5e-4
    assert rates['backbone.cls_token', 0.0] == 5e-4 * 0.5**13
    # Those of a depth and a decay share a group.
    assert len(wrapper.optimizer.param_groups) == 2 + 11 + 2


@pytest.mark.parametrize(
    ('model', 'paramwise', 'offender'),
    [
        (Classifier(), dict(layer_decay=1.5), 'got 1.5'),
        (nn.Linear(2, 2), dict(layer_decay=0.5), 'got Linear'),
        (Classifier(), dict(layer_decy=0.5), 'layer_decy'),
    ],
)
def test_wrong_rules_are_refused(model, paramwise, offender):
    cfg = Config.fromfile(SCHEDULES / 'finetune_300e.py').optim_wrapper
    cfg.paramwise_cfg.update(paramwise)
    with pytest.raises(ValueError, match=offender):
        build_optim_wrapper(model, cfg)


def test_mixed_precision_casts_the_forward_pass_only():
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    before = model.weight.detach().clone()
    wrapper = CPUAmpOptimWrapper(
        optimizer=torch.optim.SGD(model.parameters(), lr=0.5)
    )
    with wrapper.optim_context(model):
        out = model(torch.ones(3, 4))
    assert out.dtype == torch.bfloat16
    assert model(torch.ones(3, 4)).dtype == torch.float32
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32
    # d(sum over 3 rows of ones)/dw = 3, times the rate 0.5.
    torch.testing.assert_close(model.weight.detach(), before - 1.5)


@ROOT_MODELS.register_module()
class ToyLinear(ToyRegressor):
    """Without what differs between two batches and one of both."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(NUM_FEATURES, 1)


def test_accumulated_gradients_are_those_of_the_larger_batch(tmp_path):
    found = []
    for size, count in ((8, 1), (4, 2), (2, 4)):
        changes = {
            'train_dataloader.batch_size': size,
            'optim_wrapper.accumulative_counts': count,
        }
        cfg = make_config(tmp_path / str(size), **changes)
        cfg.model = dict(type='ToyLinear')
        # Adam would forgive a wrong factor.
        cfg.optim_wrapper.optimizer = dict(type='SGD', lr=0.1)
        found.append(torch.cat([v.flatten() for v in run(cfg).values()]))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-5, atol=1e-6)
