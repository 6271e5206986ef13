"""Checks of arguments that every point operation shares."""

from __future__ import annotations

import math
import numbers
import os

import torch
from torch import Tensor, nn

CHECK_FINITE = os.environ.get('ACT_CHECK_FINITE') == '1'


def check_cloud(points: Tensor, name: str, channels: int | None = 3) -> Tensor:
    """Return ``points`` in the precision that the operations compute in.

    Args:
        points: Clouds, (B, N, ``channels``); half and bfloat16 come back as
            float32, float32 and float64 as they are.
        name: What the caller calls the argument; errors use it.
        channels: Expected size of the last dimension; None for any.

    Returns:
        The clouds, (B, N, channels), floating point of at least 32 bits.

    Raises:
        TypeError: If ``points`` is no tensor.
        ValueError: If shape or dtype is wrong or a cloud is empty; see
            `checks_values` for NaN and infinity.
    """
    check_tensor(points, name)
    width = 'C' if channels is None else channels
    wrong_width = channels is not None and points.shape[-1:] != (channels,)
    if points.dim() != 3 or wrong_width:
        raise ValueError(
            f'{name} must have shape (B, N, {width}), got '
            f'{tuple(points.shape)}; {_shape_remedy(points, channels)}'
        )
    if not points.is_floating_point():
        raise ValueError(
            f'{name} must be floating point, got {points.dtype}; convert it '
            'with .float()'
        )
    if 0 in points.shape:
        raise ValueError(
            f'{name} must hold at least one cloud of at least one point, got '
            f'shape {tuple(points.shape)}; drop empty clouds before this call'
        )
    if points.dtype in (torch.float16, torch.bfloat16):
        points = points.float()
    if checks_values():
        _check_finite(points, name)
    return points


def is_plain(points: Tensor, device: str = 'cpu') -> bool:
    """Whether these are numbers, not imagined, traced or compiled ones.

    Args:
        points: Any tensor.
        device: Type of the device where they have to be.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    plain = type(points) in (Tensor, nn.Parameter)
    return plain and points.device.type == device


def require(
    condition: Tensor, message: str, values: Tensor | None = None
) -> None:
    """Stop where a condition does not hold; a GPU is not waited for.

    Args:
        condition: Bool, any shape; all of it must hold.
        message: What is wrong.
        values: Of the same shape; the wrong ones are named on a CPU.

    Raises:
        ValueError: On a CPU. On a GPU its own assertion fails, which the next
            transfer reports.
    """
    if not is_plain(condition):
        torch._assert_async(condition.all(), message)
    elif not condition.all():
        if values is not None:
            message += f'; got {values[~condition].unique().tolist()[:8]}'
        raise ValueError(message)


def checks_values() -> bool:
    """Whether numbers are looked at, which makes a GPU wait: for debugging.

    Data are checked once, on the CPU, where a sample enters. Operations look
    at shapes and types, and at numbers with ``ACT_CHECK_FINITE=1`` or in
    PyTorch's anomaly mode, but never in a compiled step.
    """
    if torch.compiler.is_compiling():
        return False
    return CHECK_FINITE or torch.is_anomaly_enabled()


def check_tensor(value: Tensor, name: str) -> None:
    """Raise a TypeError unless ``value`` is a tensor.

    Args:
        value: The argument.
        name: What the caller calls it.

    Raises:
        TypeError: If it is something else.
    """
    if not isinstance(value, Tensor):
        raise TypeError(
            f'{name} must be a torch.Tensor, got {type(value).__name__}; '
            'convert it with torch.as_tensor'
        )


def _shape_remedy(points: Tensor, channels: int | None) -> str:
    if points.dim() == 2:
        return 'add the batch dimension, points[None]'
    if channels is not None and points.dim() == 3:
        if points.shape[-1] > channels and points.shape[1] != channels:
            return f'pass the coordinates only, points[..., :{channels}]'
        if points.shape[1] == channels:
            return 'put the coordinates last, points.transpose(1, 2)'
    return 'reshape it'


def _check_finite(points: Tensor, name: str) -> None:
    # One reduction: NaN passes through both ends.
    low, high = torch.stack(torch.aminmax(points.detach())).tolist()
    if math.isfinite(low) and math.isfinite(high):
        return
    broken = ~torch.isfinite(points.detach()).all(dim=-1)
    batch, point = broken.nonzero()[0].tolist()
    raise ValueError(
        f'{name} must be finite, but {int(broken.sum())} of its '
        f'{broken.numel()} points are not; the first is point {point} of '
        f'cloud {batch}: {points[batch, point].tolist()}; remove such points '
        'when loading'
    )


def check_pair(first: Tensor, second: Tensor, names: tuple[str, str]) -> None:
    """Raise a ValueError unless two batches of clouds fit together.

    Args:
        first: Clouds, (B, N, C).
        second: Clouds, (B, M, D).
        names: What the caller calls the two.

    Raises:
        ValueError: If batch size, device or dtype differ.
    """
    pair = f'{names[0]} and {names[1]}'
    if first.shape[0] != second.shape[0]:
        raise ValueError(
            f'{pair} must have the same batch size, got {first.shape[0]} and '
            f'{second.shape[0]}; expand the smaller one'
        )
    if first.device != second.device:
        raise ValueError(
            f'{pair} must be on one device, got {first.device} and '
            f'{second.device}; move one with .to()'
        )
    if first.dtype != second.dtype:
        raise ValueError(
            f'{pair} must have one dtype, got {first.dtype} and '
            f'{second.dtype}; convert one with .to()'
        )


def check_count(
    value: int, name: str, at_most: int | None = None, of: str = 'points'
) -> None:
    """Raise an error unless ``1 <= value <= at_most``.

    Args:
        value: The number asked for.
        name: What the caller calls it.
        at_most: The largest possible number; None for no limit.
        of: What there are ``at_most`` of.

    Raises:
        TypeError: If ``value`` is no integer.
        ValueError: If it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f'{name} must be an int, got {type(value).__name__} {value!r}; '
            'convert it with int()'
        )
    if value < 1:
        raise ValueError(f'{name} must be >= 1, got {value}; raise it')
    if at_most is not None and value > at_most:
        raise ValueError(
            f'{name} must be <= number of {of}, got {value} > {at_most}; '
            f'lower {name} or sample more {of}'
        )


def check_positive(value: float, name: str) -> None:
    """Raise a ValueError unless ``value`` is a positive finite number.

    Args:
        value: The number.
        name: What the caller calls it.

    Raises:
        ValueError: If it is zero, negative, infinite or NaN.
    """
    number = isinstance(value, numbers.Real)
    if not (number and value > 0 and math.isfinite(value)):
        raise ValueError(
            f'{name} must be a positive finite number, got {value}; pass it '
            'in the units of the coordinates'
        )
