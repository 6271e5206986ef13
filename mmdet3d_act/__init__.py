"""Cross-modal point-cloud pretraining for MMEngine and MMDetection3D.

Importing the package tells the registries where its classes are, which is
what ``custom_imports = dict(imports=['mmdet3d_act'])`` in a config does. The
modules themselves are imported when a registry is first asked for a class, or
when one is used: by themselves they take twice as long as PyTorch.
"""

from importlib import import_module
from typing import Any

from mmdet3d_act import compat, mmcv_lite, registry
from mmdet3d_act.version import __version__

compat.allow_mmengine_checkpoints()
compat.register_config_scope()
registry.register_locations()

_APIS = ('Embedder', 'from_pretrained', 'push_to_hub', 'save_pretrained')
_MODULES: tuple[str, ...] = ('checkpoint', 'models')
if registry.HAS_MMDET3D:
    _MODULES += ('datasets', 'engine', 'evaluation')

__all__ = ['__version__', 'compat', 'mmcv_lite', 'registry']
__all__ += [*_MODULES, *_APIS]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import modules, and what stands for whole jobs, when asked for."""
    if name in _MODULES:
        return import_module(f'{__name__}.{name}')
    if name in _APIS:
        return getattr(import_module(f'{__name__}.apis'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
