"""Image models that are used whole: from pixels to features.

Letters: B batch, S side of an image, L patches, D width of the features.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmdet3d_act.models.teachers.frozen_teacher import FrozenTeacher


class PatchFeatures(NamedTuple):
    """Features of the patches of an image.

    Attributes:
        tokens: (B, L, D), row by row from the upper left.
        grid: Rows and columns, whose product is L.
    """

    tokens: Tensor
    grid: tuple[int, int]


class ImageEncoder(FrozenTeacher):
    """A frozen image model, from images as files have them to features.

    It does the normalisation of its model itself, and takes images of its
    model's size only: how they are resized and cropped is the data's affair.

    Args:
        build: Returns the network, its weights random.
        image_size: Side S of the images, in pixels.
        mean: Of each channel of the training images, of [0, 1] values.
        std: Their standard deviation.
        pretrained: See the base class.

    Raises:
        ValueError: If the network gives no vector for an image.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        *,
        image_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        pretrained: bool = True,
    ) -> None:
        super().__init__(build(), pretrained=pretrained)
        self.image_size = int(image_size)
        self.mean, self.std = _channels('mean', mean), _channels('std', std)
        if min(self.std) <= 0:
            raise ValueError(f'std must be positive, got {self.std}')
        self._measure(build)

    def _measure(self, build: Callable[[], nn.Module]) -> None:
        """Find out the shapes of the features, without computing them."""
        with torch.device('meta'):
            twin = build().eval()
            image = torch.zeros(1, 3, self.image_size, self.image_size)
            vector = self._embed(twin, image)
            try:
                patches, self._no_patches = self._patches(twin, image), ''
            except (AssertionError, RuntimeError, ValueError) as error:
                patches, self._no_patches = None, str(error) or repr(error)
        if vector.ndim != 2:
            raise ValueError(
                'expected an image model that gives one vector for an image, '
                f'got {tuple(vector.shape)}; take a model with pooling'
            )
        self.embed_dims = vector.shape[1]
        self._patch_sizes = patches and (patches.tokens.shape[2], patches.grid)

    @property
    def patch_dims(self) -> int:
        """Width of the features of patches.

        Raises:
            ValueError: If the model has no patches.
        """
        return self._of_patches()[0]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches.

        Raises:
            ValueError: If the model has no patches.
        """
        return self._of_patches()[1]

    def _of_patches(self) -> tuple[int, tuple[int, int]]:
        if self._patch_sizes is None:
            raise ValueError(
                f'{self.model_name} has no features of patches '
                f'({self._no_patches}); take a Vision Transformer'
            )
        return self._patch_sizes

    @abstractmethod
    def _embed(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return one vector an image, (B, D), of normalised images."""

    @abstractmethod
    def _patches(self, network: nn.Module, images: Tensor) -> PatchFeatures:
        """Return the features of the patches of normalised images."""

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return one vector an image, (B, D), float32.

        Args:
            images: Uint8 (B, 3, S, S), red, green and blue in [0, 255].

        Raises:
            RuntimeError: If the pretrained weights are not loaded.
            ValueError: If the images are of another kind or size.
        """
        return self._embed(self.network, self.normalize(images)).float()

    @torch.no_grad()
    def forward_patches(self, images: Tensor) -> Tensor:
        """Return one vector a patch, (B, L, D), float32, row by row.

        Args:
            images: See :meth:`forward`.

        Raises:
            RuntimeError: If the pretrained weights are not loaded.
            ValueError: If the images are of another kind or size, or the
                model has no patches.
        """
        self._of_patches()
        images = self.normalize(images)
        return self._patches(self.network, images).tokens.float()

    def normalize(self, images: Tensor) -> Tensor:
        """Return images as the model has them, float32, the same shape.

        Args:
            images: See :meth:`forward`.

        Raises:
            RuntimeError: If the pretrained weights are not loaded.
            ValueError: If the images are of another kind or size.
        """
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
        """Return what decides the features besides the weights."""
        return {
            'type': type(self).__name__,
            'model': self.model_name,
            'image_size': self.image_size,
            'mean': list(self.mean),
            'std': list(self.std),
        }


def _channels(name: str, values: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(value) for value in values)
    if len(values) != 3:
        raise ValueError(
            f'{name} must have one value for red, green and blue each, got '
            f'{values}'
        )
    return values
