"""CPUAmpOptimWrapper: bfloat16 in the forward pass, float32 elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmdet3d_act.engine import CPUAmpOptimWrapper
from mmdet3d_act.registry import OPTIM_WRAPPERS


def test_casts_the_forward_pass_only():
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    before = model.weight.detach().clone()
    wrapper = OPTIM_WRAPPERS.get('CPUAmpOptimWrapper')(
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


def test_unknown_dtype_is_refused():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    with pytest.raises(ValueError, match="got 'float64'"):
        CPUAmpOptimWrapper(dtype='float64', optimizer=optimizer)
