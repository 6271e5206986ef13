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
