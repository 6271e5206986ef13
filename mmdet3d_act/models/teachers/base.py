"""The contract of teachers that read tokens, and what they share.

Letters: B batch, G patches, P prompts, L tokens, C channels, D teacher width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmdet3d_act.models.layers.frozen import FROZEN_SOURCE, FrozenModule
from mmdet3d_act.models.layers.positional import PositionMLP
from mmdet3d_act.models.layers.prompts import Prompts
from mmdet3d_act.models.teachers.pretrained import (
    PretrainedTeacher,
    Weights,
    WeightSource,
)
from mmdet3d_act.models.teachers.prompted_blocks import (
    PromptedBlock,
    library_block,
    prompted_block,
)
from mmdet3d_act.text import check_choice

POSITIONS = ('every_block', 'once')


class TeacherSpec(NamedTuple):
    """Sizes of a teacher.

    Attributes:
        embed_dims: Width D.
        num_layers: Blocks.
        num_parameters: Values of the blocks and norms that are used.
        num_tokens: Prompts and patches together where their number is fixed.
    """

    embed_dims: int
    num_layers: int
    num_parameters: int
    num_tokens: int | None


class TeacherEncoder(nn.Module):
    """The pretrained part of a teacher.

    Args:
        blocks: The blocks, each (B, L, D) -> (B, L, D).
        embed_dims: Width D.
        norm: The final norm, or None.
        pre_norm: The norm before the first block, or None. Tokens and the
            first prompts go through it, their positions do not.
        num_tokens: Length L where the blocks mix a fixed number of tokens;
            None where they take any.
        network: The model that the parts belong to. Its names of their
            tensors are those of weights files.
    """

    def __init__(
        self,
        blocks: Iterable[nn.Module],
        embed_dims: int,
        norm: nn.Module | None = None,
        *,
        pre_norm: nn.Module | None = None,
        num_tokens: int | None = None,
        network: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm
        self.pre_norm = pre_norm
        self.embed_dims = embed_dims
        self.num_tokens = num_tokens
        self.names = None if network is None else self._names_in(network)

    def _names_in(self, network: nn.Module) -> dict[str, str]:
        """Map own names of tensors to those of a model that has them too."""
        theirs = network.state_dict(keep_vars=True)
        known = {id(value): name for name, value in theirs.items()}
        own = self.state_dict(keep_vars=True)
        return {name: known[id(value)] for name, value in own.items()}

    def spec(self) -> TeacherSpec:
        """Count blocks and parameters."""
        return TeacherSpec(
            embed_dims=self.embed_dims,
            num_layers=len(self.blocks),
            num_parameters=sum(p.numel() for p in self.parameters()),
            num_tokens=self.num_tokens,
        )


class TokenTeacher(PretrainedTeacher):
    """A pretrained Transformer that reads tokens of point patches.

    Tokens are projected to the Transformer's width, run through its blocks
    together with learned prompts and the embedded centres, and projected back
    without the prompts. The Transformer's own embeddings are not used.

    Its weights are loaded by :meth:`init_weights`, never by the constructor,
    or come with a checkpoint; using it before is an error. Checkpoints hold
    what is trained, and of a frozen Transformer its source and fingerprint;
    see :class:`~mmdet3d_act.models.layers.frozen.FrozenModule`.

    A library's teacher is a subclass that builds a :class:`TeacherEncoder` and
    knows where its weights are; see ``docs/teachers.md``.

    Source: Dong et al., Autoencoders as Cross-Modal Teachers, ICLR 2023,
    section 3.2.

    Args:
        encoder: The pretrained part, whose weights may still be random.
        source: Where its weights are; None without pretrained weights.
        weights: A file or a state dict in their place.
        in_channels: Channels of the tokens.
        out_channels: Channels of the output.
        pretrained: Whether weights are to be loaded; False is a random
            initialisation, which is a control experiment.
        num_prompts: Prompts P; 0 for none.
        prompt_mode: See :class:`~mmdet3d_act.models.layers.prompts.Prompts`.
        prompt_dropout: See there.
        frozen: Whether the Transformer is left as it is.
        position: ``'every_block'``: the embedded centres are added to the
            input of every block; ``'once'``: to that of the first.
        published_gradient_cut: Whether a frozen teacher without prompts passes
            no gradient, as in the published code. Then nothing before its
            output projection learns from the reconstruction.
        published_train_mode: Whether a frozen Transformer follows ``train()``,
            as in the published code, which makes its dropout active.
        init_cfg: Initialisation config.
    """

    def __init__(
        self,
        encoder: TeacherEncoder,
        source: WeightSource | None = None,
        weights: Weights = None,
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
        super().__init__(source, weights, init_cfg)
        check_choice('position', position, POSITIONS)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.embed_dims = embed_dims = encoder.embed_dims
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
        self._is_pending = pretrained

    @classmethod
    @abstractmethod
    def build_encoder(cls, *args: Any, **kwargs: Any) -> TeacherEncoder:
        """Build what is used of a model, its weights random.

        The arguments are those of the class that say which model and which
        part of it, the name first. Nothing is fetched.

        Raises:
            ImportError: If the library is not installed.
            ValueError: If the model cannot be a teacher.
        """

    @classmethod
    def list_models(cls) -> list[str]:
        """List the names of the library's models."""
        return []

    @classmethod
    def describe(cls, *args: Any, **kwargs: Any) -> TeacherSpec:
        """Count a model's blocks and parameters, without memory for them.

        Arguments and errors are those of :meth:`build_encoder`.
        """
        with torch.device('meta'):
            return cls.build_encoder(*args, **kwargs).spec()

    def check_num_groups(self, num_groups: int) -> None:
        """Refuse a number of patches that the Transformer cannot take."""
        fixed = self.transformer.num_tokens
        given = self.prompts.num_prompts
        if fixed is None or given + num_groups == fixed:
            return
        right = (
            f'num_prompts must be {fixed - num_groups}'
            if num_groups <= fixed
            else f'num_groups must be at most {fixed}'
        )
        raise ValueError(
            f'{type(self).__name__} mixes a fixed number of {fixed} tokens, '
            f'prompts and patches together: {right} for {num_groups} patches, '
            f'got {given} prompts'
        )

    @property
    def transformer(self) -> TeacherEncoder:
        """The pretrained part, whether frozen or not."""
        return self.encoder.module if self.frozen else self.encoder

    def init_weights(self) -> None:
        """Load the pretrained weights; see :meth:`load_pretrained`."""
        super().init_weights()
        self.load_pretrained()

    def load_pretrained(self) -> None:
        """Load the pretrained weights where they are still missing."""
        if not self._is_pending:
            return
        name = self.fill_part(self.transformer, self.transformer.names)
        self._is_pending = False
        if self.frozen:
            self.encoder.set_source(name)

    def forward(self, tokens: Tensor, centers: Tensor) -> Tensor:
        """Compute the tokens as the teacher sees them.

        Args:
            tokens: (B, G, in_channels).
            centers: (B, G, 3), in the units of the point cloud.

        Returns:
            (B, G, out_channels).
        """
        self._check(tokens.shape[1])
        with self._gradient_cut():
            x = self._run(self.proj_in(tokens), self.pos_embed(centers))
            norm = self.transformer.norm
            x = x if norm is None else norm(x)
        return self.proj_out(x)

    def _run(self, x: Tensor, pos: Tensor) -> Tensor:
        """Run the tokens through the blocks.

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
            x = self._with_position(x, pos)
            if prompts is not None:
                prompts = self._with_position(prompts, prompt_pos)
            fast = self._prompted_block(block)
            last = index + 1 == len(blocks)
            if fast is not None and (last or self.prompts.enters(index + 1)):
                x = fast(block, x, prompts)
                continue
            both = _join(prompts, x)
            both = (
                self._library_block(block, both)
                if fast is None
                else fast(block, both, None)
            )
            if prompts is not None:
                prompts = both[:, : prompts.shape[1]]
            x = both[:, -x.shape[1] :]
        return x

    def _library_block(self, block: nn.Module, x: Tensor) -> Tensor:
        """Run the library's own block on (B, L, D)."""
        return library_block(block, x)

    def _prompted_block(self, block: nn.Module) -> PromptedBlock | None:
        """Find how a block runs with prompts as keys and values only."""
        return prompted_block(block)

    def _new_prompts(self, index: int, size: int) -> tuple[Tensor, Tensor]:
        """Make new prompts, positions added where added once."""
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

    def _check(self, num_groups: int) -> None:
        """Refuse weights that are missing, and a wrong number of patches."""
        if self._is_pending:
            raise RuntimeError(
                f'the pretrained weights of {type(self).__name__} are not '
                'loaded; call init_weights() of the model (the Runner does) '
                'or load a checkpoint before using it'
            )
        self.check_num_groups(num_groups)

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
            self._is_pending = False
        elif f'{prefix}encoder.{FROZEN_SOURCE}' in state_dict:
            # Tests and inference load checkpoints without init_weights().
            self.load_pretrained()
        super()._load_from_state_dict(state_dict, prefix, *args)


def _join(prompts: Tensor | None, x: Tensor) -> Tensor:
    """Put prompts (B or 1, P, D) before tokens (B, G, D)."""
    if prompts is None:
        return x
    return torch.cat([prompts.expand(len(x), -1, -1), x], dim=1)
