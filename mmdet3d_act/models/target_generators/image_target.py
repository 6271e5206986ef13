"""Targets that a frozen image model computes of the paired image.

Letters: B batch, S side of an image, L patches of the image, D width, n prefix
embeddings, C width of the language model.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.models.teachers.clipcap import ClipCapMapping
from mmdet3d_act.models.teachers.image_encoder import ImageEncoder
from mmdet3d_act.registry import MODELS, build_module


class PairedImageTarget(BaseModule):
    """Base of the targets that depend on the paired image alone.

    They can be computed once, see
    :class:`~mmdet3d_act.models.target_generators.StoredTarget`.

    Args:
        encoder: The image encoder (config or module).

    Raises:
        TypeError: If it is none.
    """

    def __init__(self, encoder: dict | nn.Module) -> None:
        super().__init__()
        self.encoder = build_module(encoder)
        if not isinstance(self.encoder, ImageEncoder):
            raise TypeError(
                f'{type(self).__name__} needs an image encoder such as '
                'TimmImageEncoder or OpenCLIPImageEncoder, got '
                f'{type(self.encoder).__name__}'
            )

    @property
    @abstractmethod
    def target_shape(self) -> tuple[int, ...]:
        """Shape of the target of one image."""

    @abstractmethod
    def compute(self, images: Tensor) -> Tensor:
        """Return the targets of images, (B, ...), float32.

        Args:
            images: Uint8 (B, 3, S, S).
        """

    def settings(self) -> dict:
        """Settings that decide the targets besides weights, as JSON."""
        return {
            'type': type(self).__name__,
            'encoder': self.encoder.settings(),
        }

    def identity(self) -> dict:
        """Return the settings with the ``sha256`` of the weights.

        Raises:
            RuntimeError: If the weights are not loaded.
        """
        return {**self.settings(), 'encoder': self.encoder.identity()}

    @torch.no_grad()
    def forward(
        self,
        inputs: dict,
        patches: PointPatches | None = None,
        data_samples: list | None = None,
    ) -> Tensor:
        """Return the target of every cloud, (B, ...), float32.

        Args:
            inputs: With ``images``, uint8 (B, 3, S, S).
            patches: Not used.
            data_samples: Not used.

        Raises:
            KeyError: If the batch has no images.
        """
        if 'images' not in inputs:
            raise KeyError(
                f"{type(self).__name__} needs inputs['images'], got "
                f'{sorted(inputs)}; use a data set of pairs with LoadImage '
                'and PrepareImage in its pipeline, or the targets of a store'
            )
        return self.compute(inputs['images'])


@MODELS.register_module()
class ImageEmbeddingTarget(PairedImageTarget):
    """The image's embedding, (B, D): no caption model.

    Args:
        encoder: The image encoder (config or module).
        normalize: Whether embeddings are scaled to length 1.
    """

    def __init__(
        self, encoder: dict | nn.Module, *, normalize: bool = False
    ) -> None:
        super().__init__(encoder)
        self.normalize = normalize

    @property
    def target_shape(self) -> tuple[int]:
        """Shape of the target of one image, (D,)."""
        return (self.encoder.embed_dims,)

    @torch.no_grad()
    def compute(self, images: Tensor) -> Tensor:
        """Return the embeddings, (B, D), of images uint8 (B, 3, S, S)."""
        embedding = self.encoder(images)
        return F.normalize(embedding, dim=-1) if self.normalize else embedding

    def settings(self) -> dict:
        """Settings that decide the targets besides the weights."""
        return {**super().settings(), 'normalize': self.normalize}


@MODELS.register_module()
class ImagePatchTarget(PairedImageTarget):
    """The features of the image's patches, (B, L, D), row by row.

    For local alignment: the patch at row r and column c of ``grid`` covers
    the pixels whose coordinates are in [c / columns, (c + 1) / columns) and
    [r / rows, (r + 1) / rows), as fractions of the image.

    Args:
        encoder: The image encoder (config or module).

    Raises:
        ValueError: If the encoder has no patches.
    """

    def __init__(self, encoder: dict | nn.Module) -> None:
        super().__init__(encoder)
        self.grid = self.encoder.grid

    @property
    def target_shape(self) -> tuple[int, int]:
        """Shape of the target of one image, (L, D)."""
        rows, columns = self.grid
        return rows * columns, self.encoder.patch_dims

    @torch.no_grad()
    def compute(self, images: Tensor) -> Tensor:
        """Return the features, (B, L, D), of images uint8 (B, 3, S, S)."""
        return self.encoder.forward_patches(images)


@MODELS.register_module()
class CaptionPrefixTarget(PairedImageTarget):
    """The prefix that a caption model makes of the image, (B, n, C).

    Source: 3D Point Cloud Pre-training with Knowledge Distillation from 2D
    Images, 2022, section 3.3, with ClipCap (Mokady et al., 2021).

    Args:
        encoder: CLIP's image encoder (config or module).
        mapping: ClipCap's mapping (config or module), which was trained with
            embeddings of that encoder.

    Raises:
        ValueError: If the mapping takes embeddings of another width.
    """

    def __init__(
        self, encoder: dict | nn.Module, mapping: dict | nn.Module
    ) -> None:
        super().__init__(encoder)
        self.mapping: ClipCapMapping = build_module(mapping)
        wants, gives = self.mapping.sizes.clip_dims, self.encoder.embed_dims
        if wants != gives:
            raise ValueError(
                f'the mapping takes CLIP embeddings of {wants} numbers, '
                f'{self.encoder.model_name} gives {gives}; ClipCap trained '
                'its mappings with ViT-B/32 (512) and RN50x4 (640): take that '
                'encoder, and set clip_dims of the mapping to it'
            )

    @property
    def target_shape(self) -> tuple[int, int]:
        """Shape of the target of one image, (n, C)."""
        return self.mapping.prefix_shape

    @torch.no_grad()
    def compute(self, images: Tensor) -> Tensor:
        """Return the prefixes, (B, n, C), of images uint8 (B, 3, S, S)."""
        return self.mapping(self.encoder(images))

    def settings(self) -> dict:
        """Settings that decide the targets besides the weights."""
        return {**super().settings(), 'mapping': self.mapping.settings()}

    def identity(self) -> dict:
        """Return the settings with the ``sha256`` of the weights."""
        return {**super().identity(), 'mapping': self.mapping.identity()}
