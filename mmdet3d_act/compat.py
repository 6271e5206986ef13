"""What is needed because of versions and habits of other packages.

Trouble with a version of PyTorch, MMEngine or the C library is dealt with
here and nowhere else. Nothing of MMCV or MMDetection3D is imported.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.config import utils as config_utils
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.logging import HistoryBuffer

PACKAGE = 'mmdet3d_act'
SCOPE_PREFIX = f'{PACKAGE}::'
# The number types that log histories and metric values are made of.
NUMPY_DTYPES = 'bool int8 int16 int32 int64 uint8 float16 float32 float64'
# How a pickle names them.
PLAIN_NAMES = {np.dtype(name).str[1:] for name in NUMPY_DTYPES.split()}
# Names of mallopt's parameters in glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
# Bytes by which the heap grows ahead of demand, and up to which blocks come
# from it; older glibc takes half a heap.
TOP_PAD, THRESHOLD, OLD_THRESHOLD = 64 << 20, 1 << 30, 32 << 20


def _statistics_method(owner: type, name: str) -> Callable:
    """Give a statistics method of HistoryBuffer, and nothing else.

    Pickle stores ``HistoryBuffer.mean`` as ``getattr(HistoryBuffer, 'mean')``.
    This stands in for ``getattr`` while a checkpoint is read: allowing the
    real one would open every attribute of every allowed class.
    """
    methods = HistoryBuffer._statistics_methods
    if owner is HistoryBuffer and name in methods:
        return methods[name]
    raise UnpicklingError(
        'expected a statistics method of HistoryBuffer, got attribute '
        f'{name!r} of {owner!r}; this is no checkpoint of MMEngine, do not '
        'load it unless you trust its source'
    )


def _plain_dtype(name: object, *_: object) -> np.dtype:
    """Stand in for ``numpy.dtype`` while a checkpoint is read.

    The real one would also take a type that hides an object in its fields;
    an array of it follows an address of the file's choice.
    """
    if not isinstance(name, str) or name not in PLAIN_NAMES:
        raise UnpicklingError(
            f'expected a type of numbers, got {name!r}; this is no checkpoint '
            'of MMEngine, do not load it unless you trust its source'
        )
    return np.dtype(name)


def allow_mmengine_checkpoints() -> None:
    """Let PyTorch read MMEngine's checkpoints without executing code.

    MMEngine (up to 0.10.7) calls ``torch.load`` without ``weights_only``, so
    the safe reading is in force, and refuses MMEngine's own log objects:
    resuming and testing fail. This adds exactly what a Runner stores beyond
    tensors to PyTorch's allow-list; any other class is refused as before.
    Calling it again changes nothing.

    A Runner stores its log as ``HistoryBuffer`` objects, which hold numpy
    arrays, and metric values as numpy scalars. The functions that rebuild
    those are named ``numpy.core...`` in files written with numpy 1 and
    ``numpy._core...`` in files written with numpy 2; both are listed, so that
    a file moves between the two.
    """
    # ndarray.__reduce__ names numpy's own function for rebuilding arrays in
    # every version, without an import of a private module.
    rebuild_array = np.empty(0).__reduce__()[0]
    rebuild_scalar = np.float64(0).__reduce__()[0]
    HistoryBuffer()  # fills the table of statistics methods
    allowed: list[Any] = [
        HistoryBuffer,
        # Label maps of MMDetection3D's segmentation data sets.
        ConfigDict,
        np.ndarray,
        (_plain_dtype, 'numpy.dtype'),
        (_statistics_method, 'builtins.getattr'),
        (_statistics_method, '__builtin__.getattr'),
    ]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        allowed.append((rebuild_array, f'{module}._reconstruct'))
        allowed.append((rebuild_scalar, f'{module}.scalar'))
    allowed.extend(type(np.dtype(name)) for name in NUMPY_DTYPES.split())
    torch.serialization.add_safe_globals(allowed)


def load_safely(
    path: str | Path,
    map_location: str | torch.device | None = 'cpu',
    allowed: Sequence[type] = (),
) -> Any:  # noqa: ANN401
    """Load a file of ``torch.save`` without executing code of it.

    Args:
        path: The file.
        map_location: Where the tensors are loaded to.
        allowed: Further classes that the file may hold; harmless to build
            from whatever the file says.

    Raises:
        pickle.UnpicklingError: If the file holds anything else than tensors,
            the log of a training and what is allowed besides.
    """
    # Its end takes what it was given off the list again.
    allow_mmengine_checkpoints()
    with torch.serialization.safe_globals(list(allowed)):
        return torch.load(path, map_location, weights_only=True)


def config_root() -> Path:
    """Find the folder with the package's configs.

    In an installed package it is ``mmdet3d_act/.mim/configs``, where MM
    packages keep them, in a checkout ``configs/`` beside the package.

    Raises:
        FileNotFoundError: If neither is there.
    """
    package = Path(__file__).resolve().parent
    candidates = (package / '.mim' / 'configs', package.parent / 'configs')
    for folder in candidates:
        if (folder / '_base_').is_dir():
            return folder
    raise FileNotFoundError(
        'expected the configs of mmdet3d_act in '
        f'{" or ".join(map(str, candidates))}, found none; reinstall the '
        'package, or run from a complete checkout'
    )


def find_config(name: str) -> Path:
    """Find the path of one of the package's configs.

    Args:
        name: Path below ``configs/``, with or without ``mmdet3d_act::`` in
            front, for example ``'mmdet3d_act::act/act_dvae_shapenet.py'``.

    Raises:
        FileNotFoundError: If there is no such config.
    """
    root = config_root()
    path = root / name.removeprefix(SCOPE_PREFIX)
    if path.is_file():
        return path
    near = sorted(
        str(other.relative_to(root)) for other in path.parent.glob('*.py')
    )
    known = ', '.join(near) if near else f'no config in {path.parent}'
    raise FileNotFoundError(
        f'expected the name of a config below {root}, got {name!r}; '
        f'beside it: {known}'
    )


def register_config_scope() -> None:
    """Make ``mmdet3d_act::act/...`` a name of a config in this process.

    As a ``_base_`` and for ``mmengine.hub.get_config``. MMEngine knows a
    fixed list of packages; ours is added to it, and its configs are found in
    a checkout too, where MMEngine looks for them in site-packages. Unlike for
    other packages no ``_scope_`` is put into the dicts of a base: ours names
    classes in MMDetection3D's scope, which its configs choose themselves.

    Importing the package calls it; calling it again changes nothing.
    """
    if MODULE2PACKAGE.get(PACKAGE) == PACKAGE:
        return
    MODULE2PACKAGE[PACKAGE] = PACKAGE
    get_cfg_path = Config._get_cfg_path
    get_metainfo = config_utils._get_cfg_metainfo

    def base_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(SCOPE_PREFIX):
            return str(find_config(cfg_path)), None
        return get_cfg_path(cfg_path, filename)

    def metainfo(package_path: str, cfg_path: str) -> dict:
        if Path(package_path).name == PACKAGE:
            # Absolute, so that it stays what it is when MMEngine joins it.
            return dict(Config=str(find_config(cfg_path)))
        return get_metainfo(package_path, cfg_path)

    Config._get_cfg_path = staticmethod(base_path)
    config_utils._get_cfg_metainfo = metainfo
    # It has its own name for it, from when it is imported.
    hub = sys.modules.get('mmengine.hub.hub')
    if hub is not None:
        vars(hub)['_get_cfg_metainfo'] = metainfo


def cpu_computes_bfloat16() -> bool:
    """Tell whether this CPU has what makes bfloat16 worth while.

    oneDNN computes it with AVX-512 and on Arm. Elsewhere, AVX2 for example,
    a product of matrices takes 80 times as long as in float32. A PyTorch that
    does not tell is taken to have it.
    """
    known = getattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', None)
    return known is None or bool(known())


def tune_allocator() -> bool:
    """Keep freed memory in the process instead of returning it to the kernel.

    On CPU every training step allocates and frees the same large tensors;
    glibc maps each from the kernel anew and pays for zeroed pages. With high
    thresholds the memory is reused (2.15 instead of 2.64 s a step in stage I
    on two cores), at the price of a larger resident size. Does nothing where
    the C library is not glibc.

    Returns:
        Whether all settings were accepted.
    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mapped = mallopt(M_MMAP_THRESHOLD, THRESHOLD) == 1 or (
        mallopt(M_MMAP_THRESHOLD, OLD_THRESHOLD) == 1
    )
    trimmed = mallopt(M_TRIM_THRESHOLD, THRESHOLD) == 1
    padded = mallopt(M_TOP_PAD, TOP_PAD) == 1
    return mapped and trimmed and padded
