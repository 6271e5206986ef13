"""What a teacher computes on the way, by the library's own blocks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from mmdet3d_act.models.teachers.base import TokenTeacher


def teacher_states(
    teacher: TokenTeacher, tokens: Tensor, centers: Tensor
) -> SimpleNamespace:
    """Run whole blocks on prompts and tokens, and keep what they return.

    Args:
        teacher: With its weights, in evaluation mode.
        tokens: (B, G, C).
        centers: (B, G, 3).
    """
    blocks: list[Tensor] = []
    before: list[Tensor] = []
    run, norm_before = teacher._library_block, teacher._pre_norm

    def keep(block, x: Tensor) -> Tensor:
        blocks.append(run(block, x))
        return blocks[-1]

    def keep_before(x: Tensor) -> Tensor:
        before.append(norm_before(x).expand(len(tokens), -1, -1))
        return before[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teacher, '_prompted_block', lambda block: None)
        patch.setattr(teacher, '_library_block', keep)
        patch.setattr(teacher, '_pre_norm', keep_before)
        output = teacher(tokens, centers)
    norm = teacher.transformer.norm
    return SimpleNamespace(
        projected=teacher.proj_in(tokens),
        position=teacher.pos_embed(centers),
        pre_normed=torch.cat(before[::-1], dim=1),  # prompts come first
        blocks=blocks,
        normed=None if norm is None else norm(blocks[-1]),
        output=output,
    )
