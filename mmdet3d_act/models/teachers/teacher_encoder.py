"""What a teacher is made of, and what it computes on the way.

Letters: B batch, G patches, P prompts, L tokens, C channels, D teacher width.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn


class TeacherStates(NamedTuple):
    """What a teacher computes on the way.

    Attributes:
        projected: Tokens in the teacher's width, (B, G, D).
        position: Embedded centres, (B, G, D).
        blocks: Output of every block, prompts first, (B, P+G, D) each.
        normed: After the final norm, (B, P+G, D); None without one.
        output: What ``forward`` returns, (B, G, C).
        pre_normed: After the norm before the first block, (B, P+G, D); None
            without one. Positions are in it only where they are added once.
    """

    projected: Tensor
    position: Tensor
    blocks: tuple[Tensor, ...]
    normed: Tensor | None
    output: Tensor
    pre_normed: Tensor | None = None


class TeacherEncoder(nn.Module):
    """The pretrained part of a teacher.

    Args:
        blocks: The blocks, each (B, L, D) -> (B, L, D).
        norm: The final norm, or None.
        pre_norm: The norm before the first block, or None. Tokens and the
            first prompts go through it, their positions do not.
        num_tokens: Length L where the blocks mix a fixed number of tokens;
            None where they take any.
    """

    def __init__(
        self,
        blocks: Iterable[nn.Module],
        norm: nn.Module | None = None,
        *,
        pre_norm: nn.Module | None = None,
        num_tokens: int | None = None,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm
        self.pre_norm = pre_norm
        self.num_tokens = num_tokens


def token_count_problem(
    name: str, num_tokens: int | None, num_prompts: int, num_groups: int
) -> str | None:
    """Return what is wrong with the number of tokens; None if nothing is.

    Args:
        name: Of the teacher, for the text.
        num_tokens: How many a mixer takes; None where any number is fine.
        num_prompts: Prompts.
        num_groups: Patches.
    """
    if num_tokens is None or num_prompts + num_groups == num_tokens:
        return None
    right = (
        f'num_prompts must be {num_tokens - num_groups}'
        if num_groups <= num_tokens
        else f'num_groups must be at most {num_tokens}'
    )
    return (
        f'{name} mixes a fixed number of {num_tokens} tokens, prompts and '
        f'patches together: {right} for {num_groups} patches, got '
        f'{num_prompts} prompts'
    )
