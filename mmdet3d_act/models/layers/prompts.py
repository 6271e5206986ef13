"""Learned tokens that tune a frozen Transformer.

Letters: B batch, P prompts, L blocks, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdet3d_act.text import check_choice

PROMPT_MODES = ('deep', 'shallow', 'none')
# Attention grows with their square.
MAX_PROMPTS = 4096


class Prompts(nn.Module):
    """Prompt tokens with learned positions of their own.

    Tokens and positions start from a normal distribution of standard
    deviation 0.02, cut off at two deviations, as the class token and the
    positions of a Vision Transformer do.

    Source: Jia et al., Visual Prompt Tuning, ECCV 2022, section 3.2; Dong et
    al., Autoencoders as Cross-Modal Teachers, ICLR 2023, section 3.2.

    Example:
        >>> prompts = Prompts(num_prompts=4, embed_dims=8, num_layers=2)
        >>> tokens, positions = prompts(layer=1, batch_size=3)
        >>> tokens.shape[1:], positions.shape
        (torch.Size([4, 8]), torch.Size([1, 4, 8]))

    Args:
        num_prompts: Prompts P.
        embed_dims: Width D of the Transformer.
        num_layers: Blocks L of the Transformer.
        mode: ``'deep'``: every block has prompts of its own, which replace
            those that come out of the block before; ``'shallow'``: prompts
            are prepended once; ``'none'``: there are none.
        dropout: Rate at which prompt tokens, not positions, are dropped
            during training.

    Raises:
        ValueError: If the mode is unknown, or prompts are asked for and their
            number is not positive.
    """

    def __init__(
        self,
        num_prompts: int,
        embed_dims: int,
        num_layers: int,
        *,
        mode: str = 'deep',
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_choice('prompt mode', mode, PROMPT_MODES)
        if mode != 'none' and not 1 <= num_prompts <= MAX_PROMPTS:
            raise ValueError(
                f'prompt mode {mode!r} needs num_prompts from 1 to '
                f"{MAX_PROMPTS}, got {num_prompts}; mode 'none' is for none"
            )
        self.mode = mode
        self.num_prompts = 0 if mode == 'none' else num_prompts
        self.dropout = dropout
        if mode != 'none':
            rows = num_layers if mode == 'deep' else 1
            shape = (rows, num_prompts, embed_dims)
            self.tokens = nn.Parameter(torch.empty(shape))
            self.pos = nn.Parameter(torch.empty(shape))
            for parameter in (self.tokens, self.pos):
                nn.init.trunc_normal_(parameter, std=0.02, a=-0.04, b=0.04)

    def enters(self, layer: int) -> bool:
        """Tell whether new prompts are put in before block ``layer``."""
        if self.mode == 'shallow':
            return layer == 0
        return self.mode == 'deep'

    def forward(self, layer: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """Return the prompts that are put in before a block.

        Args:
            layer: Index of the block.
            batch_size: Batch B.

        Returns:
            Tokens, (B, P, D) where dropout makes samples differ and
            (1, P, D) otherwise, and positions, (1, P, D).

        Raises:
            ValueError: If no prompts are put in before this block.
        """
        if not self.enters(layer):
            raise ValueError(
                f'no prompts enter before block {layer} in mode '
                f'{self.mode!r}; ask enters() first'
            )
        tokens, pos = self.tokens[layer, None], self.pos[layer, None]
        if self.training and self.dropout > 0:
            drawn = tokens.new_empty(batch_size, *tokens.shape[1:]).uniform_()
            tokens = tokens * (drawn >= self.dropout) / (1 - self.dropout)
        return tokens, pos
