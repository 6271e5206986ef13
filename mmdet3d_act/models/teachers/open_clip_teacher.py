"""Towers of open_clip as teachers."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from mmdet3d_act.models.teachers.image_teacher import ImageTeacher
from mmdet3d_act.models.teachers.open_clip_files import (
    find_file,
    is_downloaded,
    missing_weights,
    read_state,
)
from mmdet3d_act.models.teachers.open_clip_models import (
    activation_problem,
    current_name,
    import_open_clip,
    of_tower,
    take_tower,
    uses_quick_gelu,
)
from mmdet3d_act.models.teachers.prompted_blocks import (
    PromptedBlock,
    library_block,
)
from mmdet3d_act.models.teachers.vit_encoder import TakenEncoder, fill_encoder
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class OpenCLIPTeacher(ImageTeacher):
    """Blocks and norms of a tower of open_clip as the teacher.

    The norm before the first block, where there is one, goes before the
    positions, which are added to the input of every block. Convolutional
    towers are refused; :meth:`refusal` says why.

    **Quick-GELU.** OpenAI's weights, and some others, were trained with x *
    sigmoid(1.702 x) in place of GELU, which no file says. It is used where
    the name of the model ends in ``-quickgelu``, where open_clip says so of
    ``pretrained_tag``, or where ``quick_gelu`` is True. A file for a model
    whose weights come either way, without any of the three, warns.

    **Deep prompts in the release.** The released code hands (B, L, D) to
    blocks that expect (L, B, D) where prompts are deep. There samples of a
    batch influence each other, patches do not see one another nor the
    prompts, and the gradient of the prompts is zero. The default attends over
    tokens; ``published_batch_attention`` reproduces the release.

    Example:
        >>> teacher = OpenCLIPTeacher(
        ...     'ViT-S-16', in_channels=8, out_channels=8,
        ...     pretrained=False, num_layers=1)
        >>> teacher(torch.rand(2, 4, 8), torch.rand(2, 4, 3)).shape
        torch.Size([2, 4, 8])

    Args:
        model_name: Name in open_clip 3, such as ``'ViT-B-16'``, or OpenAI's,
            ``'ViT-B/16'``.
        weights: A file (``.pth``, ``.pt``, ``.safetensors``, ``.npz``) with
            the names of open_clip, or a state dict; a bare file name is
            looked for in ``$ACT_DATA_ROOT/teachers``. OpenAI's own ``.pt`` is
            a TorchScript archive: save its state dict first. None: a file
            called as the model, or as the model, a dot and the tag, in that
            folder, or else open_clip's own download.
        pretrained_tag: Name of the weights in open_clip, such as
            ``'openai'``.
        tower: ``'visual'``; or ``'text'``, which attends in both directions
            here, because patches have no order.
        quick_gelu: See above; None to decide by name and tag.
        published_batch_attention: See above.
        pretrained: False for a random initialisation.
        num_layers: How many blocks are used, from the first; None for all.
        model_args: Replaces entries of the tower's config, such as ``width``
            or ``layers``.
        **kwargs: See :class:`TokenTeacher`.

    Raises:
        ValueError: If the model cannot run as a teacher, or the published
            attention is asked for without deep prompts.
    """

    def __init__(
        self,
        model_name: str,
        weights: str | Path | Mapping[str, Tensor] | None = None,
        *,
        pretrained_tag: str | None = None,
        tower: str = 'visual',
        quick_gelu: bool | None = None,
        published_batch_attention: bool = False,
        pretrained: bool = True,
        num_layers: int | None = None,
        model_args: dict | None = None,
        **kwargs: Any,
    ) -> None:
        taken = self.take(
            model_name,
            pretrained_tag=pretrained_tag,
            tower=tower,
            quick_gelu=quick_gelu,
            num_layers=num_layers,
            model_args=model_args,
        )
        super().__init__(
            taken.encoder,
            embed_dims=taken.embed_dims,
            pretrained=pretrained,
            **kwargs,
        )
        if published_batch_attention and self.prompts.mode != 'deep':
            raise ValueError(
                'the released code attends over the batch with deep prompts '
                f'only, got prompt mode {self.prompts.mode!r}; leave '
                'published_batch_attention out'
            )
        self.published_batch_attention = published_batch_attention
        self.names = taken.names
        self.tower = tower
        self.quick_gelu = quick_gelu
        self.model_name = current_name(model_name)
        self.pretrained_tag = pretrained_tag
        self.weights = weights

    @classmethod
    def take(
        cls,
        model_name: str,
        *,
        pretrained_tag: str | None = None,
        tower: str = 'visual',
        quick_gelu: bool | None = None,
        num_layers: int | None = None,
        model_args: dict | None = None,
    ) -> TakenEncoder:
        """Return what the teacher uses of a model; see the base class."""
        name = current_name(model_name)
        return take_tower(
            name,
            tower=tower,
            quick_gelu=uses_quick_gelu(name, pretrained_tag, quick_gelu),
            num_layers=num_layers,
            model_args=model_args,
        )

    @classmethod
    def list_models(cls) -> list[str]:
        """Return the names of open_clip's models."""
        return sorted(import_open_clip().list_models())

    @classmethod
    def locate(
        cls, model_name: str, pretrained_tag: str | None = None
    ) -> str | None:
        """Return where weights of a model are; any of its without a tag."""
        model_name = current_name(model_name)
        path = find_file(model_name, pretrained_tag)
        if path is not None:
            return str(path)
        tags = [pretrained_tag]
        if pretrained_tag is None:
            library = import_open_clip()
            tags = library.list_pretrained_tags_by_model(model_name)
        for tag in tags:
            path = find_file(model_name, tag)
            if path is not None:
                return str(path)
            if is_downloaded(model_name, tag):
                return 'cache of open_clip'
        return None

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Return what keeps a config from running, with the remedy.

        Args:
            cfg: The config of this class.
        """
        if importlib.util.find_spec('open_clip') is None:
            return [
                'the teacher needs open_clip, which is not installed; run '
                '`pip install "mmdet3d_act[teacher]"`'
            ]
        refused = cls.refuse_config(
            cfg, 'num_layers', 'tower', 'quick_gelu', 'model_args'
        )
        if refused or not cfg.get('pretrained', True):
            return refused
        problem = missing_weights(
            current_name(cfg['model_name']),
            cfg.get('pretrained_tag'),
            cfg.get('weights'),
        )
        return [] if problem is None else [problem]

    def read_pretrained(self) -> str | None:
        """Fill blocks and norms; see :class:`TokenTeacher`."""
        state, source = read_state(
            self.model_name, self.pretrained_tag, self.weights
        )
        self._warn_of_activation()
        fill_encoder(
            self.transformer,
            of_tower(state, self.tower),
            self.names,
            source or 'the state dict',
        )
        return source

    def _warn_of_activation(self) -> None:
        known = self.quick_gelu is not None or self.pretrained_tag is not None
        problem = None if known else activation_problem(self.model_name)
        if problem is not None:
            print_log(problem, logger='current', level=logging.WARNING)

    def _run_block(self, block: nn.Module, x: Tensor) -> Tensor:
        if self.published_batch_attention:
            return self._library_block(block, x)
        return super()._run_block(block, x)

    def _library_block(self, block: nn.Module, x: Tensor) -> Tensor:
        if self.published_batch_attention:
            return library_block(block, x.transpose(0, 1)).transpose(0, 1)
        return super()._library_block(block, x)

    def _prompted_block(self, block: nn.Module) -> PromptedBlock | None:
        if self.published_batch_attention:
            return None
        return super()._prompted_block(block)
