"""The registries that every class of this package registers into.

They are MMDetection3D's where it is installed, so that configs of both
packages mix freely, and MMEngine's root registries elsewhere, so that the
core (operations, layers, teachers, backbones, autoencoders, distillers) also
runs with PyTorch and MMEngine alone.
"""

from __future__ import annotations

import importlib.util
from importlib import import_module
from typing import Any, overload

import torch
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, Registry
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

HAS_MMDET3D = importlib.util.find_spec('mmdet3d') is not None

_host = import_module(f'{"mmdet3d" if HAS_MMDET3D else "mmengine"}.registry')
DATA_SAMPLERS: Registry = _host.DATA_SAMPLERS
DATASETS: Registry = _host.DATASETS
HOOKS: Registry = _host.HOOKS
LOOPS: Registry = _host.LOOPS
METRICS: Registry = _host.METRICS
MODELS: Registry = _host.MODELS
OPTIM_WRAPPERS: Registry = _host.OPTIM_WRAPPERS
PARAM_SCHEDULERS: Registry = _host.PARAM_SCHEDULERS
TASK_UTILS: Registry = _host.TASK_UTILS
TRANSFORMS: Registry = _host.TRANSFORMS

# Which package of ours registers into which registries.
LOCATIONS: dict[str, tuple[Registry, ...]] = {
    'mmdet3d_act.models': (MODELS, TASK_UTILS)
}
if HAS_MMDET3D:
    LOCATIONS |= {
        'mmdet3d_act.datasets': (DATA_SAMPLERS, DATASETS, TRANSFORMS),
        'mmdet3d_act.engine': (
            HOOKS,
            LOOPS,
            OPTIM_WRAPPER_CONSTRUCTORS,
            OPTIM_WRAPPERS,
            PARAM_SCHEDULERS,
        ),
        'mmdet3d_act.evaluation': (METRICS,),
    }


def register_locations() -> None:
    """Have the registries import our packages when they are first asked.

    MMEngine's registries do so with the packages of their owner. One that has
    been asked already would not look again: ours are imported at once then.
    Importing the package calls it; calling it again changes nothing.
    """
    for location, registries in LOCATIONS.items():
        for one in registries:
            if location not in one._locations:
                one._locations = [*one._locations, location]
            if one._imported:
                import_module(location)


@overload
def build_module(module: None) -> None: ...
@overload
def build_module(module: dict | nn.Module) -> nn.Module: ...
def build_module(module: dict | nn.Module | None) -> nn.Module | None:
    """Build a module from its config; one that is built passes.

    Core classes take their parts either way, because building from a config
    through MMDetection3D's registry imports all of its models, which need
    MMCV's compiled operations; passing built modules does not.

    Args:
        module: A config with ``type``, a built module, or None.

    Returns:
        The built module, or None when None was given.

    Raises:
        TypeError: If ``module`` is none of these.
    """
    if module is None or isinstance(module, nn.Module):
        return module
    if isinstance(module, dict):
        return MODELS.build(module)
    raise TypeError(
        'expected a config dict with a "type", a built nn.Module or None, got '
        f'{type(module).__name__}; wrap the arguments in a dict with a "type"'
    )


def point_data(**fields: object) -> BaseDataElement:
    """Wrap per-point values as data samples hold them.

    Args:
        **fields: Values by name, for example ``pts_semantic_mask`` (N,).

    Returns:
        MMDetection3D's `PointData`, the only kind that its data samples take,
        and MMEngine's data element where it is not installed.
    """
    if HAS_MMDET3D:
        from mmdet3d.structures import PointData

        return PointData(**fields)
    return BaseDataElement(**fields)


def depth_boxes(boxes: Tensor, *, turned: bool = False) -> object:
    """Wrap boxes as data samples of MMDetection3D hold them.

    Args:
        boxes: (D, 6 or 7): middle, sizes, and perhaps yaw, counter-clockwise
            seen from above.
        turned: Whether boxes have a yaw; it is dropped where not.

    Raises:
        ImportError: If MMDetection3D is not installed.
    """
    if not HAS_MMDET3D:
        raise ImportError(
            'boxes need MMDetection3D; install the extra [mmdet3d]'
        )
    from mmdet3d.structures import DepthInstance3DBoxes

    width = 7 if turned else 6
    return DepthInstance3DBoxes(
        boxes[:, :width],
        box_dim=width,
        with_yaw=turned,
        origin=(0.5, 0.5, 0.5),
    )


def gravity_boxes(bboxes_3d: Any) -> Tensor:  # noqa: ANN401
    """Convert boxes of MMDetection3D to (D, 7): middle, sizes, yaw.

    Args:
        bboxes_3d: `DepthInstance3DBoxes`, on any device.
    """
    parts = (
        bboxes_3d.gravity_center,
        bboxes_3d.dims,
        bboxes_3d.yaw[:, None],
    )
    return torch.cat(parts, dim=-1)


def registered_classes(kind: str | type) -> list[type]:
    """Find the registered classes that a ``type`` may mean.

    It reads our classes and what else is registered already: the registries'
    own look-up would import all models of MMDetection3D first.

    Args:
        kind: The ``type`` of a config.
    """
    if isinstance(kind, type):
        return [kind]
    if not isinstance(kind, str):
        return []
    # A scope ('mmdet3d.PointTransformer') or a module path may precede it.
    name = kind.rpartition('.')[2]
    classes: list[type] = []
    for location in LOCATIONS:
        import_module(location)
    for one in _searched_registries():
        cls = one.module_dict.get(name)
        if isinstance(cls, type) and cls not in classes:
            classes.append(cls)
    return classes


def _searched_registries() -> list[Registry]:
    """List the registries of the host and, behind each, its parents."""
    found: list[Registry] = []
    for value in list(globals().values()):
        while isinstance(value, Registry):
            if value not in found:
                found.append(value)
            value = value.parent
    return found
