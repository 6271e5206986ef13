"""MMCV's operations on a CPU where only ``mmcv-lite`` is installed.

mmcv-lite holds ``mmcv.ops`` without its compiled extension, which fails at
import. Importing this module puts another in the extension's place with what
MMDetection3D and this package call on a CPU, in PyTorch; any other operation
says that it needs the full MMCV. `mmdet3d_act.mmcv_cpu` adds the point
operations of stock heads to it, as it does to the compiled one.

Letters: N, M boxes, P points.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import torch
from torch import Tensor

from mmdet3d_act import ops

EXTENSION = 'mmcv._ext'


def is_lite() -> bool:
    """Return whether MMCV is installed without its compiled extension."""
    spec = importlib.util.find_spec('mmcv')
    folders = spec.submodule_search_locations if spec else None
    return bool(folders) and not any(
        path for folder in folders for path in Path(folder).glob('_ext.*')
    )


class Extension(ModuleType):
    """MMCV's extension, on CPU tensors."""

    def __getattr__(self, name: str) -> Callable:
        """Stand in for an operation that only the full MMCV has."""
        if name.startswith('__'):
            raise AttributeError(name)
        return partial(_missing, name)

    @staticmethod
    def nms(
        boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
    ) -> Tensor:
        """Indices of the boxes (N, 4) that no better one overlaps."""
        from torchvision.ops import nms

        grow = boxes.new_tensor([0, 0, offset, offset])
        return nms(boxes + grow, scores, iou_threshold)

    @staticmethod
    def box_iou_rotated(
        boxes: Tensor, others: Tensor, ious: Tensor, **options: Any
    ) -> None:
        """Fill ``ious`` (N * M or N) for turned boxes (N, 5) and (M, 5).

        ``mode_flag`` 1 divides by the first box's area, not the union's.
        """
        first, second = _upright(boxes), _upright(others)
        if not options['aligned']:
            first = first[:, None]
        shared = ops.iou3d(first, second)
        if options['mode_flag'] == 1:
            area = [x[..., 3] * x[..., 4] for x in (first, second)]
            shared = shared / (1 + shared) * (area[0] + area[1]) / area[0]
        ious.copy_(shared.flatten())

    @staticmethod
    def points_in_boxes_cpu_forward(
        boxes: Tensor, points: Tensor, inside: Tensor
    ) -> None:
        """Fill ``inside`` (N, P), int32, with 1 where a box has a point.

        Args:
            boxes: (N, 7), z is that of the bottom.
            points: (P, 3).
            inside: Written to.
        """
        boxes = boxes.clone()
        boxes[:, 2] += boxes[:, 5] / 2
        inside.copy_(torch.cat(ops.points_in_boxes(points, boxes)).T)


def _upright(boxes: Tensor) -> Tensor:
    """Turned boxes (N, 5+) of the plane as boxes of height 1, (N, 7)."""
    zero = torch.zeros_like(boxes[:, :1])
    columns = [boxes[:, :2], zero, boxes[:, 2:4], zero + 1, boxes[:, 4:5]]
    return torch.cat(columns, dim=1)


def _missing(name: str, *args: object, **kwargs: object) -> NoReturn:
    raise NotImplementedError(
        f'{name} needs the compiled operations of MMCV, and mmcv-lite is '
        'installed: install a C++ compiler and run make setup'
    )


if EXTENSION not in sys.modules and is_lite():
    sys.modules[EXTENSION] = Extension(EXTENSION)
