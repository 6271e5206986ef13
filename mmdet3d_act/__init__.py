"""Cross-modal point-cloud pretraining for MMEngine and MMDetection3D.

Importing the package registers every class of it, which is what
``custom_imports = dict(imports=['mmdet3d_act'])`` in a config does.
"""

from typing import Any

from mmdet3d_act import checkpoint, compat, mmcv_lite, models
from mmdet3d_act.registry import HAS_MMDET3D
from mmdet3d_act.version import __version__

if HAS_MMDET3D:
    from mmdet3d_act import datasets, engine, evaluation

compat.allow_mmengine_checkpoints()
compat.register_config_scope()
checkpoint.register_loader()

__all__ = ['__version__', 'checkpoint', 'compat', 'mmcv_lite', 'models']
if HAS_MMDET3D:
    __all__ += ['datasets', 'engine', 'evaluation']

_APIS = ('Embedder', 'from_pretrained', 'push_to_hub', 'save_pretrained')
__all__ += _APIS


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what stands for whole jobs when it is asked for."""
    if name not in _APIS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from mmdet3d_act import apis

    return getattr(apis, name)
