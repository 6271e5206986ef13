"""The contract of stage-I teachers, and what they share.

Letters: B batch, G patches, P prompts, C channels, D teacher width.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers.frozen import FROZEN_SOURCE, FrozenModule
from mmdet3d_act.models.layers.positional import PositionMLP
from mmdet3d_act.models.layers.prompts import Prompts
from mmdet3d_act.models.teachers.prompted_blocks import (
    PromptedBlock,
    library_block,
    prompted_block,
    run_block,
)
from mmdet3d_act.models.teachers.teacher_encoder import (
    TeacherEncoder,
    TeacherStates,
    token_count_problem,
)

__all__ = ['TeacherEncoder', 'TeacherStates', 'TokenTeacher']

POSITIONS = ('every_block', 'once')


class TokenTeacher(BaseModule):
    """A pretrained Transformer that reads tokens of point patches.

    Tokens are projected to the Transformer's width, run through its blocks
    together with learned prompts and the embedded centres, and projected back
    without the prompts. The Transformer's own embeddings are not used.

    Its weights are loaded by :meth:`init_weights`, never by the constructor,
    or come with a checkpoint; using it before is an error. Checkpoints hold
    what is trained, and of a frozen Transformer its source and fingerprint;
    see :class:`~mmdet3d_act.models.layers.frozen.FrozenModule`.

    Source: Dong et al., Autoencoders as Cross-Modal Teachers, ICLR 2023,
    section 3.2.

    Args:
        encoder: The pretrained part, whose weights may still be random.
        embed_dims: Its width D.
        in_channels: Channels of the tokens.
        out_channels: Channels of the output.
        pretrained: Whether weights are to be loaded; False is a random
            initialisation, which is a control experiment and warns.
        num_prompts: Prompts P; 0 for none.
        prompt_mode: See :class:`~mmdet3d_act.models.layers.prompts.Prompts`.
        prompt_dropout: See there.
        frozen: Whether the Transformer is left as it is.
        position: ``'every_block'``: the embedded centres are added to the
            input of every block; ``'once'``: to that of the first.
        published_gradient_cut: Whether a frozen teacher without prompts passes
            no gradient, as in the released code. Then nothing before its
            output projection learns from the reconstruction.
        published_train_mode: Whether a frozen Transformer follows ``train()``,
            as in the released code, which makes its dropout active.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        encoder: TeacherEncoder,
        embed_dims: int,
        *,
        in_channels: int,
        out_channels: int,
        pretrained: bool = True,
        num_prompts: int = 64,
        prompt_mode: str = 'deep',
        prompt_dropout: float = 0.1,
        frozen: bool = True,
        position: str = 'every_block',
        published_gradient_cut: bool = False,
        published_train_mode: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if position not in POSITIONS:
            raise ValueError(
                f'position must be one of {POSITIONS}, got {position!r}'
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.embed_dims = embed_dims
        self.position = position
        self.pretrained = pretrained
        self.frozen = frozen
        self.published_gradient_cut = published_gradient_cut
        self.proj_in = nn.Linear(in_channels, embed_dims)
        self.pos_embed = PositionMLP(embed_dims)
        self.prompts = Prompts(
            num_prompts,
            embed_dims,
            len(encoder.blocks),
            mode=prompt_mode if num_prompts else 'none',
            dropout=prompt_dropout,
        )
        self.encoder = (
            FrozenModule(
                encoder, train_mode=published_train_mode, pending=pretrained
            )
            if frozen
            else encoder
        )
        self.proj_out = nn.Linear(embed_dims, out_channels)
        self._weights = 'missing' if pretrained else 'random'

    def check_num_groups(self, num_groups: int) -> None:
        """Refuse a number of patches that the Transformer cannot take.

        Args:
            num_groups: Patches G.

        Raises:
            ValueError: If the Transformer mixes a fixed number of tokens, and
                prompts and patches are not as many.
        """
        problem = token_count_problem(
            type(self).__name__,
            self.transformer.num_tokens,
            self.prompts.num_prompts,
            num_groups,
        )
        if problem is not None:
            raise ValueError(problem)

    @property
    def transformer(self) -> TeacherEncoder:
        """The pretrained part, whether frozen or not."""
        return self.encoder.module if self.frozen else self.encoder

    @abstractmethod
    def read_pretrained(self) -> str | None:
        """Fill ``self.transformer`` with the pretrained weights.

        Returns:
            Name of the file or of the model in its library; None where the
            weights have no name that gives them again.

        Raises:
            FileNotFoundError: If the weights are neither here nor to be had.
            ValueError: If they do not fit.
        """

    def init_weights(self) -> None:
        """Load the pretrained weights; see :meth:`load_pretrained`."""
        super().init_weights()
        self.load_pretrained()

    def load_pretrained(self) -> None:
        """Load the pretrained weights where they are still missing.

        Raises:
            FileNotFoundError: See :meth:`read_pretrained`.
            ValueError: See :meth:`read_pretrained`.
        """
        if self._weights != 'missing':
            return
        source = self.read_pretrained()
        self._weights = 'loaded'
        if self.frozen:
            self.encoder.set_source(source)
        print_log(
            f'teacher: weights of {source or "a state dict"} loaded',
            logger='current',
        )

    def forward(self, tokens: Tensor, centers: Tensor) -> Tensor:
        """Return the tokens as the teacher sees them.

        Args:
            tokens: (B, G, in_channels).
            centers: (B, G, 3), in the units of the point cloud.

        Returns:
            (B, G, out_channels).

        Raises:
            RuntimeError: If the pretrained weights are not loaded.
            ValueError: If shapes do not fit.
        """
        self._check(tokens, centers)
        with self._gradient_cut():
            x = self._run(self.proj_in(tokens), self.pos_embed(centers))
        return self.proj_out(x)

    def _run(self, x: Tensor, pos: Tensor) -> Tensor:
        """Return the tokens after the Transformer.

        What blocks make of prompts is computed only where it is used.

        Args:
            x: Projected tokens, (B, G, D).
            pos: Embedded centres, (B, G, D).
        """
        blocks = self.transformer.blocks
        prompts = prompt_pos = None
        x = self._first_input(x, pos)
        for index, block in enumerate(blocks):
            if self.prompts.enters(index):
                prompts, prompt_pos = self._new_prompts(index, len(x))
            last = index + 1 == len(blocks)
            go_on = not (last or self.prompts.enters(index + 1))
            x = self._with_position(x, pos)
            if prompts is None:
                x = self._run_block(block, x)
                continue
            prompts = self._with_position(prompts, prompt_pos)
            fast = self._prompted_block(block)
            if fast is not None and not go_on:
                x = fast(block, x, prompts)
                continue
            prompts = prompts.expand(len(x), -1, -1)
            both = self._run_block(block, torch.cat([prompts, x], dim=1))
            prompts, x = both.split([prompts.shape[1], x.shape[1]], dim=1)
        norm = self.transformer.norm
        return x if norm is None else norm(x)

    def forward_hidden(self, tokens: Tensor, centers: Tensor) -> TeacherStates:
        """Return the output and what is computed on the way.

        It runs the library's own blocks on prompts and tokens, where
        :meth:`forward` leaves out what is thrown away.

        Args:
            tokens: (B, G, in_channels).
            centers: (B, G, 3).

        Raises:
            RuntimeError: If the pretrained weights are not loaded.
            ValueError: If shapes do not fit.
        """
        self._check(tokens, centers)
        num_tokens = tokens.shape[1]
        states, first = [], None
        with self._gradient_cut():
            projected, position = self.proj_in(tokens), self.pos_embed(centers)
            x, pos = self._first_input(projected, position), position
            for index, block in enumerate(self.transformer.blocks):
                if self.prompts.enters(index):
                    x, pos = x[:, -num_tokens:], pos[:, -num_tokens:]
                    new, new_pos = self._new_prompts(index, len(x))
                    x = torch.cat([new.expand(len(x), -1, -1), x], dim=1)
                    new_pos = new_pos.expand(len(x), -1, -1)
                    pos = torch.cat([new_pos, pos], dim=1)
                if index == 0 and self.transformer.pre_norm is not None:
                    first = x
                x = self._library_block(block, self._with_position(x, pos))
                states.append(x)
            norm = self.transformer.norm
            normed = None if norm is None else norm(x)
            x = (x if norm is None else normed)[:, -num_tokens:]
        output = self.proj_out(x)
        return TeacherStates(
            projected, position, tuple(states), normed, output, first
        )

    def _run_block(self, block: nn.Module, x: Tensor) -> Tensor:
        """Return what a block makes of (B, L, D), the fast way."""
        return run_block(block, x)

    def _library_block(self, block: nn.Module, x: Tensor) -> Tensor:
        """Return what the library's own block makes of (B, L, D)."""
        return library_block(block, x)

    def _prompted_block(self, block: nn.Module) -> PromptedBlock | None:
        """Return how a block runs with prompts as keys and values only."""
        return prompted_block(block)

    def _new_prompts(self, index: int, size: int) -> tuple[Tensor, Tensor]:
        """Return new prompts, positions added where added once."""
        tokens, pos = self.prompts(index, size)
        if index == 0:
            tokens = self._pre_norm(tokens)
        return (tokens + pos if self.position == 'once' else tokens), pos

    def _first_input(self, x: Tensor, pos: Tensor) -> Tensor:
        x = self._pre_norm(x)
        return x + pos if self.position == 'once' else x

    def _pre_norm(self, x: Tensor) -> Tensor:
        norm = self.transformer.pre_norm
        return x if norm is None else norm(x)

    def _with_position(self, x: Tensor, pos: Tensor) -> Tensor:
        return x if self.position == 'once' else x + pos

    def _gradient_cut(self) -> AbstractContextManager:
        cut = self.published_gradient_cut and self.frozen
        if cut and self.prompts.num_prompts == 0:
            return torch.no_grad()
        return nullcontext()

    def _check(self, tokens: Tensor, centers: Tensor) -> None:
        """Refuse what cannot be right, and warn of random weights once."""
        if self._weights == 'missing':
            raise RuntimeError(
                f'the pretrained weights of {type(self).__name__} are not '
                'loaded; call init_weights() of the model (the Runner does) '
                'or load a checkpoint before using it'
            )
        if tokens.ndim != 3 or tokens.shape[-1] != self.in_channels:
            raise ValueError(
                f'expected tokens (B, G, {self.in_channels}), got '
                f'{tuple(tokens.shape)}; in_channels is set by the config'
            )
        if centers.shape != (*tokens.shape[:2], 3):
            raise ValueError(
                f'expected centers {(*tokens.shape[:2], 3)}, one for each '
                f'token, got {tuple(centers.shape)}'
            )
        self.check_num_groups(tokens.shape[1])
        if self.training and self._weights == 'random':
            self._weights = 'random, warned'
            print_log(
                f'{type(self).__name__} is trained with a RANDOMLY '
                'INITIALISED Transformer (pretrained=False): a control '
                'experiment, not ACT',
                logger='current',
                level=logging.WARNING,
            )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        """Load, and see to it that the Transformer's weights are there."""
        inner = prefix + ('encoder.module.' if self.frozen else 'encoder.')
        own = self.transformer.state_dict(keep_vars=True)
        given = [state_dict.get(inner + name) for name in own]
        if all(
            # An outer frozen module hands in our own tensors: no news.
            new is not None and new is not old and new.shape == old.shape
            for new, old in zip(given, own.values(), strict=True)
        ):
            self._weights = 'from a checkpoint'
        elif f'{prefix}encoder.{FROZEN_SOURCE}' in state_dict:
            # Tests and inference load checkpoints without init_weights().
            self.load_pretrained()
        super()._load_from_state_dict(state_dict, prefix, *args)
