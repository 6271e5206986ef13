"""Image models of timm as teachers."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from torch import Tensor

from mmdet3d_act.models.teachers.image_teacher import ImageTeacher
from mmdet3d_act.models.teachers.timm_models import (
    convert_names,
    create_network,
    current_name,
    find_file,
    is_downloaded,
    list_networks,
    missing_weights,
    read_state,
    wants_quick_gelu,
)
from mmdet3d_act.models.teachers.vit_encoder import (
    TakenEncoder,
    fill_encoder,
    fits,
    take_encoder,
)
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class TimmTeacher(ImageTeacher):
    """Blocks and norms of an image model of timm as the teacher.

    Any model runs that has one sequence ``blocks`` of Transformer blocks of
    the same width: ViT and hybrid ViT, DeiT, BEiT, MAE, DINOv2 and DINOv3,
    SigLIP, CLIP, EVA and EVA-02, CaiT, and others. A final norm, whether for
    all tokens or for pooled features, is used where there is one; the norm
    before the first block (CLIP) goes before the positions.

    What belongs to the grid of an image is left out, because the positions
    are the embedded centres: rotary positions (EVA-02, DINOv3) are not
    applied, and BEiT, BEiT v2 and other models with relative positions run
    WITHOUT their table of relative positions, with which the published code
    could not run them at all.

    MLP-Mixer, ResMLP and gMLP mix a fixed number of tokens, so prompts and
    patches together must be as many: 132 prompts for 64 patches and the 196
    tokens of a model for 224 pixels. A wrong number is an error that says the
    right one. Their prompts take part as tokens of their own.

    Convolutional and hierarchical networks, and blocks that attend in windows
    or need the height and width of an image, are refused;
    :meth:`refusal` says why.

    Example:
        >>> teacher = TimmTeacher(
        ...     'vit_tiny_patch16_224', in_channels=8, out_channels=8,
        ...     pretrained=False, num_layers=1)
        >>> teacher(torch.rand(2, 4, 8), torch.rand(2, 4, 3)).shape
        torch.Size([2, 4, 8])

    Args:
        model_name: Name in timm 1.0, or one of ``RELEASED_NAMES``.
        weights: A file (``.pth``, ``.safetensors``, ``.npz``) with the names
            of this or an earlier timm or of the model's authors, or a state
            dict; a bare file name is looked for in
            ``$ACT_DATA_ROOT/teachers``. None: a file called as the model in
            that folder, or else timm's own download.
        pretrained: False for a random initialisation.
        num_layers: How many blocks are used, from the first; None for all.
        model_args: Further arguments of ``timm.create_model``.
        **kwargs: See :class:`TokenTeacher`.

    Raises:
        ValueError: If the model cannot run as a teacher.
    """

    def __init__(
        self,
        model_name: str,
        weights: str | Path | Mapping[str, Tensor] | None = None,
        *,
        pretrained: bool = True,
        num_layers: int | None = None,
        model_args: dict | None = None,
        **kwargs: Any,
    ) -> None:
        taken = self.take(
            model_name, num_layers=num_layers, model_args=model_args
        )
        super().__init__(
            taken.encoder,
            embed_dims=taken.embed_dims,
            pretrained=pretrained,
            **kwargs,
        )
        self.names = taken.names
        self.model_name = current_name(model_name)
        self.model_args = dict(model_args or {})
        self.weights = weights
        self.given_name = model_name

    @classmethod
    def take(
        cls,
        model_name: str,
        *,
        num_layers: int | None = None,
        model_args: dict | None = None,
    ) -> TakenEncoder:
        """Return what the teacher uses of a model; see the base class."""
        name = current_name(model_name)
        network = create_network(name, **(model_args or {}))
        return take_encoder(network, name, num_layers)

    @classmethod
    def list_models(cls) -> list[str]:
        """Return the names of timm's architectures, without tags."""
        return list_networks()

    @classmethod
    def locate(
        cls, model_name: str, pretrained_tag: str | None = None
    ) -> str | None:
        """Return where weights of a model are; see the base class."""
        name = current_name(model_name)
        if pretrained_tag is not None:
            name = f'{name.partition(".")[0]}.{pretrained_tag}'
        path = find_file(name) or find_file(model_name)
        if path is not None:
            return str(path)
        return 'cache of timm' if is_downloaded(name) else None

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Return what keeps a config from running, with the remedy.

        Args:
            cfg: The config of this class.
        """
        if importlib.util.find_spec('timm') is None:
            return [
                'the teacher needs timm, which is not installed; run '
                '`pip install "mmdet3d_act[teacher]"`'
            ]
        refused = cls.refuse_config(cfg, 'num_layers', 'model_args')
        if refused or not cfg.get('pretrained', True):
            return refused
        problem = missing_weights(cfg['model_name'], cfg.get('weights'))
        return [] if problem is None else [problem]

    def read_pretrained(self) -> str | None:
        """Fill blocks and norms; see :class:`TokenTeacher`."""
        state, source = read_state(
            self.given_name, self.weights, self.model_args
        )
        if not fits(self.transformer, state, self.names):
            state = convert_names(state, self.model_name, **self.model_args)
        fill_encoder(
            self.transformer, state, self.names, source or 'the state dict'
        )
        if self.weights is None and wants_quick_gelu(self.model_name):
            print_log(
                f'the weights of {self.model_name} were trained with '
                'quick-GELU, this model has GELU; timm has their own '
                'variant: put clip_quickgelu for clip into model_name',
                logger='current',
                level=logging.WARNING,
            )
        return source
