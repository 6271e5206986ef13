"""Pretrained networks used whole; image models, from pixels to features.

Letters: B batch, S side of an image, L patches, D width of the features.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from mmdet3d_act.models.layers.frozen import FrozenModule
from mmdet3d_act.models.teachers.pretrained import (
    PretrainedTeacher,
    Weights,
    WeightSource,
)

T = TypeVar('T')


class FrozenTeacher(PretrainedTeacher):
    """A pretrained network to which nothing is added, and which stays frozen.

    Its weights are loaded by :meth:`init_weights`, never by the constructor;
    using it before is an error. Checkpoints hold their source and fingerprint,
    see :class:`~mmdet3d_act.models.layers.frozen.FrozenModule`.

    Args:
        network: The network, whose weights may still be random.
        source: See the base class.
        weights: See the base class.
        pretrained: Whether weights are to be loaded; False is a random
            initialisation, which is a control experiment.
    """

    def __init__(
        self,
        network: nn.Module,
        source: WeightSource | None = None,
        weights: Weights = None,
        *,
        pretrained: bool = True,
    ) -> None:
        super().__init__(source, weights)
        self.pretrained = pretrained
        self.frozen = FrozenModule(network, pending=pretrained)

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self.frozen.module

    @torch.no_grad()
    def init_weights(self) -> None:
        """Load the pretrained weights where they are still missing."""
        if self.frozen.pending:
            self.frozen.set_source(self.fill_part(self.network))

    @abstractmethod
    def settings(self) -> dict:
        """List what decides the output besides the weights, as JSON has it.

        Two teachers with equal settings and equal weights give equal outputs.
        """

    def identity(self) -> dict:
        """List the settings with the ``sha256`` of the weights."""
        self.frozen.check_ready()
        return {**self.settings(), 'sha256': self.frozen.fingerprint()}


class PatchFeatures(NamedTuple):
    """Features of the patches of an image.

    Attributes:
        tokens: (B, L, D), row by row from the upper left.
        grid: Rows and columns, whose product is L.
    """

    tokens: Tensor
    grid: tuple[int, int]

    @classmethod
    def of_map(cls, features: Tensor) -> PatchFeatures:
        """Make patches of a map of features, (B, D, rows, columns)."""
        rows, columns = features.shape[2:]
        return cls(features.flatten(2).transpose(1, 2), (rows, columns))


class ImageEncoder(FrozenTeacher):
    """A frozen image model, from images as files have them to features.

    It does the normalisation of its model itself, and takes images of its
    model's size only: how they are resized and cropped is the data's affair.

    Args:
        build: Makes the network, its weights random.
        source: See the base class.
        weights: See the base class.
        model_name: Name of the model in its library.
        image_size: Side S of the images, in pixels.
        mean: Of each channel of the training images, of [0, 1] values.
        std: Their standard deviation.
        model_args: What else the network was built with.
        pretrained: See the base class.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        source: WeightSource | None = None,
        weights: Weights = None,
        *,
        model_name: str,
        image_size: int | Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        model_args: Mapping | None = None,
        pretrained: bool = True,
    ) -> None:
        super().__init__(build(), source, weights, pretrained=pretrained)
        sides = {image_size} if isinstance(image_size, int) else {*image_size}
        if len(sides) > 1:
            raise ValueError(
                f'images must be square, {model_name} takes {image_size}; '
                'take another model'
            )
        self.model_name = model_name
        self.model_args = dict(model_args or {})
        self.image_size = sides.pop()
        self.mean = tuple(float(value) for value in mean)
        self.std = tuple(float(value) for value in std)
        self._build = build
        vector = self._on_meta(self._embed)
        if vector.ndim != 2:
            raise ValueError(
                'expected an image model that gives one vector for an image, '
                f'got {tuple(vector.shape)}; take a model with pooling'
            )
        self.embed_dims = vector.shape[1]

    def _on_meta(self, compute: Callable[[nn.Module, Tensor], T]) -> T:
        """Run the network without weights, for the shapes of its output."""
        with torch.device('meta'):
            image = torch.zeros(1, 3, self.image_size, self.image_size)
            return compute(self._build().eval(), image)

    @property
    def patch_dims(self) -> int:
        """Width of the features of patches."""
        return self._on_meta(self._patches).tokens.shape[2]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self._on_meta(self._patches).grid

    @abstractmethod
    def _embed(self, network: nn.Module, images: Tensor) -> Tensor:
        """Compute one vector an image, (B, D), of normalised images."""

    @abstractmethod
    def _patches(self, network: nn.Module, images: Tensor) -> PatchFeatures:
        """Compute the features of the patches of normalised images."""

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Compute one vector an image, (B, D), float32.

        Args:
            images: Uint8 (B, 3, S, S), red, green and blue in [0, 255].
        """
        return self._embed(self.network, self.normalize(images)).float()

    @torch.no_grad()
    def forward_patches(self, images: Tensor) -> Tensor:
        """Compute one vector a patch, (B, L, D), float32, row by row."""
        images = self.normalize(images)
        return self._patches(self.network, images).tokens.float()

    def normalize(self, images: Tensor) -> Tensor:
        """Scale images as the model has them, float32, the same shape."""
        self.frozen.check_ready()
        size = (3, self.image_size, self.image_size)
        if images.dtype != torch.uint8 or images.shape[1:] != size:
            raise ValueError(
                f'{type(self).__name__} of {self.model_name} takes uint8 '
                f'images (B, {", ".join(map(str, size))}), got '
                f'{tuple(images.shape)} {images.dtype}; prepare them by '
                f'PrepareImage(size={self.image_size}) and leave the '
                'normalisation to the encoder'
            )
        mean, std = (
            images.new_tensor(values, dtype=torch.float32).view(3, 1, 1)
            for values in (self.mean, self.std)
        )
        return (images.float() / 255 - mean) / std

    def settings(self) -> dict:
        """List what decides the features besides the weights."""
        return {
            'type': type(self).__name__,
            'model': self.model_name,
            'image_size': self.image_size,
            'mean': list(self.mean),
            'std': list(self.std),
            'model_args': dict(self.model_args),
        }
