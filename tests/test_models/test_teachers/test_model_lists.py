"""Any model of timm and open_clip runs as a teacher, or is refused."""

from __future__ import annotations

import random
import re

import open_clip
import pytest
import timm
import torch

from mmdet3d_act.models.teachers import (
    OpenCLIPTeacher,
    TimmTeacher,
    TokenTeacher,
)
from tests.test_models.test_teachers.library_models import (
    assert_runs,
    materialized,
)

# Above this width two blocks do not fit into a small test's memory.
MAX_WIDTH = 2048
LIKELY = re.compile(r'vit|deit|eva|cait|mixer|mlp|siglip')


def sample(names: list[str], count: int, seed: int) -> list[str]:
    """Return some names, half of them of Transformers and mixers."""
    draw = random.Random(seed)
    likely = [name for name in names if LIKELY.search(name.lower())]
    others = sorted(set(names) - set(likely))
    each = count // 2
    return sorted(draw.sample(likely, each) + draw.sample(others, each))


def runs(cls: type[TokenTeacher], name: str) -> bool:
    """Return whether a model runs; check that it does, or the refusal."""
    try:
        with torch.device('meta'):
            encoder = cls.build_encoder(name, num_layers=2)
    except ValueError as error:
        reason = str(error)
    else:
        if encoder.embed_dims <= MAX_WIDTH:
            assert_runs(materialized(encoder))
        return True
    assert reason.startswith(f'{name} cannot be a teacher')
    assert len(reason) < 500
    return False


LISTS = [
    (TimmTeacher, sample(timm.list_models(), 16, seed=3)),
    (OpenCLIPTeacher, sample(open_clip.list_models(), 8, seed=3)),
]
LONG = [
    (TimmTeacher, sample(timm.list_models(), 200, seed=4)),
    (OpenCLIPTeacher, open_clip.list_models()),
]


@pytest.mark.parametrize(
    ('cls', 'names'),
    [*LISTS, *(pytest.param(*row, marks=pytest.mark.slow) for row in LONG)],
)
def test_models_of_which_some_run(
    cls: type[TokenTeacher], names: list[str]
) -> None:
    assert len({runs(cls, name) for name in names}) == 2
