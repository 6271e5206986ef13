"""Whole image models of timm."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from mmdet3d_act.models.teachers.image_encoder import (
    ImageEncoder,
    PatchFeatures,
)
from mmdet3d_act.models.teachers.timm_models import (
    convert_names,
    create_network,
    current_name,
    missing_weights,
    read_state,
)
from mmdet3d_act.models.teachers.weights import fill_module
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class TimmImageEncoder(ImageEncoder):
    """An image model of timm, from pixels to features.

    The vector of an image is what the model pools before its classifier;
    ``model_args=dict(num_classes=...)`` keeps the classifier, which of CLIP's
    image towers is the projection into the space of texts. Patches are the
    tokens after the last norm, without class tokens and registers, or the last
    map of a convolutional network.

    Example:
        >>> encoder = TimmImageEncoder(
        ...     'vit_tiny_patch16_224', pretrained=False,
        ...     model_args=dict(depth=1))
        >>> images = torch.zeros(2, 3, 224, 224, dtype=torch.uint8)
        >>> encoder(images).shape, encoder.forward_patches(images).shape
        (torch.Size([2, 192]), torch.Size([2, 196, 192]))

    Args:
        model_name: Name in timm 1.0, or one of ``RELEASED_NAMES``.
        checkpoint: A file (``.pth``, ``.safetensors``, ``.npz``) with the
            names of this or an earlier timm or of the model's authors, or a
            state dict; a bare file name is looked for in
            ``$ACT_DATA_ROOT/teachers``. None: a file called as the model in
            that folder, or else timm's own download.
        pretrained: False for a random initialisation.
        mean: Of each channel; None for the model's own.
        std: Of each channel; None for the model's own.
        model_args: Further arguments of ``timm.create_model``, such as
            ``img_size``.

    Raises:
        ImportError: If timm is not installed.
        ValueError: If timm has no such model, or it gives no vector.
    """

    def __init__(
        self,
        model_name: str,
        checkpoint: str | Path | Mapping[str, Tensor] | None = None,
        *,
        pretrained: bool = True,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        model_args: dict | None = None,
    ) -> None:
        self.given_name = model_name
        self.model_name = current_name(model_name)
        self.model_args = {'num_classes': 0, **(model_args or {})}
        build = partial(create_network, self.model_name, **self.model_args)
        cfg = _facts(self.model_name)
        size = self.model_args.get('img_size', cfg['input_size'][-1])
        super().__init__(
            build,
            image_size=size if isinstance(size, int) else size[-1],
            mean=mean or cfg['mean'],
            std=std or cfg['std'],
            pretrained=pretrained,
        )
        self.checkpoint = checkpoint

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Return what keeps a config from running, with the remedy.

        Args:
            cfg: The config of this class.
        """
        if importlib.util.find_spec('timm') is None:
            return [
                'the image encoder needs timm, which is not installed; run '
                '`pip install "mmdet3d_act[teacher]"`'
            ]
        if not cfg.get('pretrained', True):
            return []
        problem = missing_weights(cfg['model_name'], cfg.get('checkpoint'))
        return [] if problem is None else [problem]

    def read_pretrained(self) -> str | None:
        """Fill the whole model; see the base class."""
        state, source = read_state(
            self.given_name, self.checkpoint, self.model_args
        )
        if not set(self.network.state_dict()) <= set(state):
            state = convert_names(state, self.model_name, **self.model_args)
        fill_module(self.network, state, name=source or 'the state dict')
        return source

    def settings(self) -> dict:
        """Return what decides the features besides the weights."""
        return {**super().settings(), 'model_args': dict(self.model_args)}

    def _embed(self, network: nn.Module, images: Tensor) -> Tensor:
        return network(images)

    def _patches(self, network: nn.Module, images: Tensor) -> PatchFeatures:
        features = network.forward_features(images)
        if features.ndim == 3:
            tokens = features[:, getattr(network, 'num_prefix_tokens', 0) :]
            return PatchFeatures(tokens, _grid_of(network, tokens.shape[1]))
        if features.ndim != 4:
            raise ValueError(
                f'its features have the shape {tuple(features.shape)}'
            )
        # Hierarchical Transformers keep the channels last.
        if features.shape[-1] == network.num_features:
            features = features.permute(0, 3, 1, 2)
        grid = (features.shape[2], features.shape[3])
        return PatchFeatures(features.flatten(2).transpose(1, 2), grid)


def _facts(name: str) -> dict:
    """Return size, mean and standard deviation that timm has of a model."""
    from timm.models import get_pretrained_cfg

    cfg = get_pretrained_cfg(name)
    if cfg is None:
        # Says which names there are.
        create_network(name)
    return {
        'input_size': cfg.input_size,
        'mean': cfg.mean,
        'std': cfg.std,
    }


def _grid_of(network: nn.Module, length: int) -> tuple[int, int]:
    """Return rows and columns of a Transformer's patches."""
    grid = getattr(getattr(network, 'patch_embed', None), 'grid_size', None)
    if grid is not None and math.prod(grid) == length:
        return tuple(grid)
    side = math.isqrt(length)
    if side * side != length:
        raise ValueError(f'its {length} tokens form no grid')
    return side, side
