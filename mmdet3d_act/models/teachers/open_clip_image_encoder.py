"""Whole visual towers of open_clip."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from mmengine.logging import print_log
from torch import Tensor, nn

from mmdet3d_act.models.teachers.image_encoder import (
    ImageEncoder,
    PatchFeatures,
)
from mmdet3d_act.models.teachers.open_clip_files import (
    missing_weights,
    read_state,
)
from mmdet3d_act.models.teachers.open_clip_models import (
    QUICK_GELU,
    activation_problem,
    build_visual,
    current_name,
    import_open_clip,
    model_config,
    of_tower,
    pretrained_config,
    uses_quick_gelu,
)
from mmdet3d_act.models.teachers.weights import fill_module
from mmdet3d_act.registry import MODELS

# Of OpenAI's training images; models without a note of their own have them.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@MODELS.register_module()
class OpenCLIPImageEncoder(ImageEncoder):
    """A visual tower of open_clip, from pixels to CLIP's image embedding.

    The vector of an image is its embedding in the space of texts, not scaled
    to length 1. Patches are the last block's tokens after the last norm,
    before the projection into that space, or the last map of a ResNet.

    OpenAI's weights need quick-GELU, which :class:`OpenCLIPTeacher` says more
    about; the default model has it.

    Example:
        >>> encoder = OpenCLIPImageEncoder(
        ...     'ViT-B-32', pretrained=False,
        ...     model_args=dict(layers=1, width=64, head_width=32))
        >>> images = torch.zeros(2, 3, 224, 224, dtype=torch.uint8)
        >>> encoder(images).shape, encoder.forward_patches(images).shape
        (torch.Size([2, 512]), torch.Size([2, 49, 64]))

    Args:
        model_name: Name in open_clip 3, or OpenAI's, ``'ViT-B/32'``.
        checkpoint: A file (``.pth``, ``.pt``, ``.safetensors``, ``.npz``) with
            the names of open_clip, whole model or tower, or a state dict; a
            bare file name is looked for in ``$ACT_DATA_ROOT/teachers``. None:
            a file called as the model, or as the model, a dot and the tag, in
            that folder, or else open_clip's own download.
        pretrained_tag: Name of the weights in open_clip.
        quick_gelu: Whether the MLPs have quick-GELU; None to decide by name
            and tag.
        pretrained: False for a random initialisation.
        mean: Of each channel; None for the weights' own.
        std: Of each channel; None for the weights' own.
        model_args: Replaces entries of the tower's config, such as ``width``
            or ``layers``.

    Raises:
        ImportError: If open_clip is not installed.
        ValueError: If open_clip has no such model or weights.
    """

    def __init__(
        self,
        model_name: str = 'ViT-B-32-quickgelu',
        checkpoint: str | Path | Mapping[str, Tensor] | None = None,
        *,
        pretrained_tag: str | None = None,
        quick_gelu: bool | None = None,
        pretrained: bool = True,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        model_args: dict | None = None,
    ) -> None:
        self.model_name = current_name(model_name)
        self.pretrained_tag = pretrained_tag or _usual_tag(self.model_name)
        self.model_args = dict(model_args or {})
        self._activation_known = quick_gelu is not None or pretrained_tag
        self.quick_gelu = uses_quick_gelu(
            self.model_name, self.pretrained_tag, quick_gelu
        )
        config = model_config(self.model_name)
        sizes = {**config['vision_cfg'], **self.model_args}
        facts = _facts(self.model_name, self.pretrained_tag)
        super().__init__(
            partial(build_visual, config['embed_dim'], sizes, self.quick_gelu),
            image_size=_side(sizes.get('image_size', 224)),
            mean=mean or facts.get('mean') or CLIP_MEAN,
            std=std or facts.get('std') or CLIP_STD,
            pretrained=pretrained,
        )
        self.checkpoint = checkpoint

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Return what keeps a config from running, with the remedy.

        Args:
            cfg: The config of this class.
        """
        if importlib.util.find_spec('open_clip') is None:
            return [
                'the image encoder needs open_clip, which is not installed; '
                'run `pip install "mmdet3d_act[teacher]"`'
            ]
        if not cfg.get('pretrained', True):
            return []
        name = current_name(cfg.get('model_name', 'ViT-B-32-quickgelu'))
        tag = cfg.get('pretrained_tag') or _usual_tag(name)
        problem = missing_weights(name, tag, cfg.get('checkpoint'))
        return [] if problem is None else [problem]

    def read_pretrained(self) -> str | None:
        """Fill the whole tower; see the base class."""
        state, source = read_state(
            self.model_name, self.pretrained_tag, self.checkpoint
        )
        if not self._activation_known:
            problem = activation_problem(self.model_name)
            if problem is not None:
                print_log(problem, logger='current', level=logging.WARNING)
        fill_module(
            self.network,
            of_tower(state, 'visual'),
            ('visual.', ''),
            name=source or 'the state dict',
        )
        return source

    def settings(self) -> dict:
        """Return what decides the features besides the weights."""
        return {
            **super().settings(),
            'quick_gelu': self.quick_gelu,
            'model_args': dict(self.model_args),
        }

    def _embed(self, network: nn.Module, images: Tensor) -> Tensor:
        found = network(images)
        return found[0] if isinstance(found, tuple) else found

    def _patches(self, network: nn.Module, images: Tensor) -> PatchFeatures:
        found = network.forward_intermediates(
            images,
            indices=1,
            normalize_intermediates=True,
            intermediates_only=True,
        )
        features = found['image_intermediates'][-1]  # (B, D, rows, columns)
        grid = (features.shape[2], features.shape[3])
        return PatchFeatures(features.flatten(2).transpose(1, 2), grid)


def _usual_tag(name: str) -> str | None:
    """Return OpenAI's tag for a model whose name says its activation."""
    tags = import_open_clip().list_pretrained_tags_by_model(name)
    return 'openai' if name.endswith(QUICK_GELU) and 'openai' in tags else None


def _facts(name: str, tag: str | None) -> dict:
    """Return what open_clip knows of the training images of weights.

    Without a tag it is that of the first weights: those of one model differ
    in their data, hardly ever in mean and standard deviation.
    """
    tags = import_open_clip().list_pretrained_tags_by_model(name)
    return pretrained_config(name, tag or next(iter(tags), None))


def _side(size: int | Sequence[int]) -> int:
    """Return the side of square images."""
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) > 1:
        raise ValueError(
            f'images must be square, the model takes {tuple(size)}; take '
            'another model'
        )
    return sides.pop()
