from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.layers.prompts import Prompts


@pytest.mark.parametrize(
    ('mode', 'rows', 'entered'),
    [('deep', 3, [0, 1, 2]), ('shallow', 1, [0]), ('none', None, [])],
)
def test_where_prompts_enter(mode, rows, entered) -> None:
    prompts = Prompts(4, 8, 3, mode=mode)
    assert [i for i in range(3) if prompts.enters(i)] == entered
    shapes = {name: tuple(p.shape) for name, p in prompts.named_parameters()}
    want = (rows, 4, 8)
    assert shapes == ({} if rows is None else {'tokens': want, 'pos': want})
    assert prompts.num_prompts == (0 if rows is None else 4)


def test_start_values() -> None:
    torch.manual_seed(0)
    prompts = Prompts(64, 96, 4)
    for values in (prompts.tokens, prompts.pos):
        assert values.abs().max() <= 0.04
        # A normal distribution cut off at two deviations has 0.88 of them.
        assert values.std().item() == pytest.approx(0.0176, abs=5e-4)


def test_dropout_acts_on_tokens_in_training() -> None:
    prompts = Prompts(16, 32, 1, dropout=0.5).train()
    torch.manual_seed(0)
    tokens, pos = prompts(0, 6)
    dropped = tokens == 0
    assert tokens.shape == (6, 16, 32)
    assert 0.4 < dropped.float().mean() < 0.6
    assert not torch.equal(dropped[0], dropped[1])
    kept = (2 * prompts.tokens).expand_as(tokens)[~dropped]
    torch.testing.assert_close(tokens[~dropped], kept)
    assert torch.equal(pos, prompts.pos)
    assert (prompts.eval()(0, 6)[0] != 0).all()
