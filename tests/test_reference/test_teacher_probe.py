"""Which published teachers run, and which fail for what reason."""

from __future__ import annotations

import math
import re

import pytest
import torch

from mmdet3d_act.models.teachers import TeacherEncoder, TimmTeacher
from tests.test_models.test_teachers.library_models import (
    assert_runs,
    first_blocks_of,
)
from tests.test_reference import harness

NUM_GROUPS = 64
LINE = re.compile(r'(?P<name>\S+) prompts=(?P<prompts>\d+) deep=(?P<deep>\w+)')
RUNS = re.compile(r'runs \((?P<blocks>\d+) blocks, norm eps (?P<eps>\S+)\)')


def probe_lines() -> list[tuple[str, int, str, str]]:
    """Return name, prompts, prompt mode and what the release does."""
    lines = []
    for key, outcome in harness.listed('teacher_probe.json').items():
        match = LINE.fullmatch(key)
        mode = 'deep' if match['deep'] == 'True' else 'shallow'
        lines.append((match['name'], int(match['prompts']), mode, outcome))
    return lines


NAMES = sorted({line[0] for line in probe_lines()})


def check_outcome(
    encoder: TeacherEncoder, prompts: int, mode: str, outcome: str
) -> None:
    """Check that a teacher runs, or fails, as stated."""
    settings = {'num_prompts': prompts, 'prompt_mode': mode}
    # BEiT fails there for its table of relative positions, which ours lacks.
    table = 'size of tensor a (128) must match the size of tensor b (577)'
    if outcome.startswith('runs') or table in outcome:
        assert_runs(encoder, NUM_GROUPS, **settings)
        return
    assert encoder.num_tokens == 196
    with pytest.raises(ValueError, match='must be 132 for 64 patches, got 64'):
        assert_runs(encoder, NUM_GROUPS, **settings)


@pytest.mark.parametrize(('name', 'prompts', 'mode', 'outcome'), probe_lines())
def test_first_blocks(
    name: str, prompts: int, mode: str, outcome: str
) -> None:
    encoder = first_blocks_of(TimmTeacher, name)
    check_outcome(encoder, prompts, mode, outcome)


@pytest.mark.parametrize('name', NAMES)
def test_blocks_and_norm(name: str) -> None:
    with torch.device('meta'):
        encoder = TimmTeacher.build_encoder(name)
    stated = [
        match
        for other, _, _, outcome in probe_lines()
        if other == name and (match := RUNS.fullmatch(outcome))
    ]
    # BEiT runs here only.
    assert bool(stated) == ('beit' not in name)
    for match in stated:
        assert len(encoder.blocks) == int(match['blocks'])
        eps, own = float(match['eps']), getattr(encoder.norm, 'eps', math.nan)
        assert own == eps or (math.isnan(own) and math.isnan(eps))
