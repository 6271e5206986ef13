"""The image that belongs to a cloud: reading it, giving it its size."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from PIL import Image

from mmdet3d_act.datasets.readers.images import read_image
from mmdet3d_act.datasets.transforms.frames import load_frame
from mmdet3d_act.registry import TRANSFORMS

CROPS = ('center', 'squash')


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Reads the image of a frame, or the one that a render's path names.

    Transparent parts become white.

    Example:
        >>> LoadImage()(dict(img_path='cup/1.png'))['image'].shape
        (270, 270, 3)
    """

    def transform(self, results: dict) -> dict:
        """Return the sample with its image.

        Args:
            results: With ``scene_path`` and ``frame_place``, or with
                ``img_path``.

        Returns:
            The sample with ``image`` (H, W, 3), uint8, red, green, blue.

        Raises:
            BadSampleError: If the file cannot be used.
            KeyError: If the sample has no image.
        """
        if 'image' in results:
            return results
        if 'scene_path' in results:
            results['image'] = load_frame(results).color()
        elif 'img_path' in results:
            path = results['img_path']
            results['image'] = read_image(path, path)
        else:
            raise KeyError(
                "LoadImage needs results['img_path'] or a frame; use a data "
                'set of pairs, ScanNetFrames or ObjectRenders with images'
            )
        return results


@TRANSFORMS.register_module()
class PrepareImage(BaseTransform):
    """Makes an image square, and the pixels of points those of the square.

    Without an image it changes the pixels alone, which is what trainings
    with stored targets need. Brightness is not normalised: the teachers do
    it, each in its own way.

    Args:
        size: Side S in pixels.
        crop: ``'center'``: the shorter side becomes S, and the middle of the
            longer one is kept, as CLIP does it. ``'squash'``: both sides
            become S.

    Raises:
        ValueError: If an argument is not one of these.

    Example:
        >>> results = PrepareImage(224)(LoadImage()(results))
        >>> results['images'].shape, results['images'].dtype
        (torch.Size([3, 224, 224]), torch.uint8)
    """

    def __init__(self, size: int = 224, crop: str = 'center') -> None:
        if size < 1:
            raise ValueError(f'size must be >= 1, got {size}')
        if crop not in CROPS:
            raise ValueError(f'crop must be one of {CROPS}, got {crop!r}')
        self.size = size
        self.crop = crop

    @property
    def settings(self) -> dict:
        """What decides the image besides its file, as JSON has it."""
        return dict(size=self.size, crop=self.crop)

    def transform(self, results: dict) -> dict:
        """Return the sample with a square image.

        Args:
            results: With ``image`` (H, W, 3), uint8, or without; where there
                are ``pixels`` (N, 2), with their image or ``image_shape``.

        Returns:
            The sample with ``images``, uint8 (3, S, S), in the place of
            ``image``; ``pixels`` are fractions of the square, -1 for points
            outside of it.
        """
        image = results.pop('image', None)
        shape = results.get('image_shape')
        if image is not None:
            shape = image.shape[:2]
            results['images'] = self._prepare(image)
        if 'pixels' in results:
            results['pixels'] = self._move_pixels(results['pixels'], shape)
            results['image_shape'] = (self.size, self.size)
        return results

    def _window(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return width and height after resizing, left and top of the cut."""
        height, width = shape
        if self.crop == 'squash':
            return self.size, self.size, 0, 0
        short = min(height, width)
        width, height = (self.size * side // short for side in (width, height))
        left, top = (round((side - self.size) / 2) for side in (width, height))
        return width, height, left, top

    def _prepare(self, image: np.ndarray) -> torch.Tensor:
        width, height, left, top = self._window(image.shape[:2])
        resized = Image.fromarray(image).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        square = np.array(
            resized.crop((left, top, left + self.size, top + self.size))
        )
        return torch.from_numpy(square).permute(2, 0, 1).contiguous()

    def _move_pixels(
        self, pixels: np.ndarray, shape: tuple[int, int]
    ) -> np.ndarray:
        """Return pixels (N, 2) as fractions of the square, -1 outside."""
        width, height, left, top = self._window(shape)
        square = np.full(pixels.shape, -1, np.float32)
        # By columns: reductions over rows of two are slow.
        before = pixels.T.astype(np.float64)
        sizes, starts = (width, height), (left, top)
        u, v = (
            ((old * size - start) / self.size).astype(np.float32)
            for old, size, start in zip(before, sizes, starts, strict=True)
        )
        inside = (before[0] >= 0) & (before[1] >= 0)
        inside &= (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
        square[inside, 0], square[inside, 1] = u[inside], v[inside]
        return square
