"""What is needed because of versions and habits of other packages.

Trouble with a version of PyTorch, MMEngine or the C library is dealt with
here and nowhere else. Nothing of MMCV or MMDetection3D is imported.
"""

from __future__ import annotations

import codecs
import ctypes
import pickle
import platform
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.hub import hub
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

__all__ = [
    'allow_mmengine_checkpoints',
    'config_root',
    'find_config',
    'load_safely',
    'register_config_scope',
    'safe_globals',
    'tune_allocator',
]

PACKAGE = 'mmdet3d_act'
SCOPE_PREFIX = f'{PACKAGE}::'

# The version from which torch.load defaults to weights_only=True, and from
# which an allowed global may carry another name than its own.
SAFE_LOAD_VERSION = '2.6.0'

# The number types that log histories and metric values are made of.
NUMPY_DTYPES = (
    'bool',
    'int8',
    'int16',
    'int32',
    'int64',
    'uint8',
    'float16',
    'float32',
    'float64',
)

# Names of mallopt's parameters in glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3

# Bytes by which the heap grows ahead of demand.
TOP_PAD_LIMIT = 64 << 20

# The largest M_MMAP_THRESHOLD that older glibc takes: half a heap.
OLD_GLIBC_LIMIT = 32 << 20


def _statistics_method(owner: type, name: str) -> Callable:
    """Return a statistics method of HistoryBuffer, and nothing else.

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


def safe_globals() -> list[Any]:
    """Types that an MMEngine checkpoint holds beyond tensors.

    A checkpoint of MMEngine's Runner stores its log as ``HistoryBuffer``
    objects, which hold numpy arrays, and metric values as numpy scalars. The
    functions that rebuild those are named ``numpy.core...`` in files written
    with numpy 1 and ``numpy._core...`` in files written with numpy 2; both
    are listed, so that a file moves between the two.

    Returns:
        Entries for ``torch.serialization.add_safe_globals``: classes, and
        pairs of a function and the name that it has in the file.
    """
    # ndarray.__reduce__ names numpy's own function for rebuilding arrays in
    # every version, without an import of a private module.
    rebuild_array = np.empty(0).__reduce__()[0]
    rebuild_scalar = np.float64(0).__reduce__()[0]
    HistoryBuffer()  # fills the table of statistics methods
    allowed: list[object] = [
        HistoryBuffer,
        # Label maps of MMDetection3D's segmentation data sets.
        ConfigDict,
        np.ndarray,
        np.dtype,
        (_statistics_method, 'builtins.getattr'),
        (_statistics_method, '__builtin__.getattr'),
    ]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        allowed.append((rebuild_array, f'{module}._reconstruct'))
        allowed.append((rebuild_scalar, f'{module}.scalar'))
    allowed.extend(type(np.dtype(name)) for name in NUMPY_DTYPES)
    return allowed


def allow_mmengine_checkpoints() -> bool:
    """Let PyTorch read MMEngine's checkpoints without executing code.

    MMEngine (up to 0.10.7) calls ``torch.load`` without ``weights_only``, so
    from PyTorch 2.6 on the safe reading is in force, and refuses MMEngine's
    own log objects: resuming and testing fail. This adds exactly what a
    Runner stores (:func:`safe_globals`) to PyTorch's allow-list; any other
    class is refused as before. Calling it again changes nothing.

    Does nothing with PyTorch before 2.6. What this package and MMEngine load
    goes through :mod:`mmdet3d_act.checkpoint`, which is safe there too.

    Returns:
        Whether the allow-list was extended (PyTorch 2.6 or later).
    """
    if digit_version(torch.__version__) < digit_version(SAFE_LOAD_VERSION):
        return False
    torch.serialization.add_safe_globals(safe_globals())
    return True


def _allowed_names() -> dict[str, object]:
    """Names that a checkpoint of MMEngine may use before PyTorch 2.6."""
    names: dict[str, object] = {
        '_codecs.encode': codecs.encode,
        'collections.OrderedDict': OrderedDict,
        'torch._utils._rebuild_tensor_v2': torch._utils._rebuild_tensor_v2,
        'torch._utils._rebuild_parameter': torch._utils._rebuild_parameter,
        'torch.Size': torch.Size,
        'torch.device': torch.device,
    }
    for entry in safe_globals():
        if isinstance(entry, tuple):
            names[entry[1]] = entry[0]
        else:
            names[f'{entry.__module__}.{entry.__qualname__}'] = entry
    return names


class _ListedUnpickler(pickle.Unpickler):
    """Reads the classes and functions of the allow-list, and no others."""

    allowed: Sequence[type] = ()

    def find_class(self, module: str, name: str) -> object:
        """Look up a listed name."""
        further = {f'{c.__module__}.{c.__qualname__}': c for c in self.allowed}
        listed = {**_allowed_names(), **further}.get(f'{module}.{name}')
        if listed is None:
            raise UnpicklingError(
                f'expected tensors and the log of a training, got {module}.'
                f'{name}; do not load the file unless you trust its source'
            )
        return listed


def load_safely(
    path: str | Path,
    map_location: str | torch.device | None = 'cpu',
    allowed: Sequence[type] = (),
) -> object:
    """Load a file of ``torch.save`` without executing code of it.

    It is read with ``weights_only=True``, on PyTorch before 2.6 by an
    unpickler that knows the same names only.

    Args:
        path: The file.
        map_location: Where the tensors are loaded to.
        allowed: Further classes that the file may hold; harmless to build
            from whatever the file says.

    Raises:
        pickle.UnpicklingError: If the file holds anything else than tensors,
            the log of a training and what is allowed besides.
    """
    if allow_mmengine_checkpoints():
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location, weights_only=True)
    unpickler = type('Unpickler', (_ListedUnpickler,), {'allowed': allowed})
    listed = SimpleNamespace(
        __name__=__name__,
        Unpickler=unpickler,
        load=lambda file, **options: unpickler(file, **options).load(),
    )
    # No code of the file runs: before 2.6 True refuses MMEngine's log, and
    # takes no unpickler of ours; with False ours decides what may be named.
    return torch.load(
        path, map_location, pickle_module=listed, weights_only=False
    )


def config_root() -> Path:
    """Return the folder with the package's configs.

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
    """Return the path of one of the package's configs.

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
    get_cfg_path, get_metainfo = Config._get_cfg_path, hub._get_cfg_metainfo

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
    hub._get_cfg_metainfo = metainfo


def cpu_computes_bfloat16() -> bool:
    """Return whether this CPU has what makes bfloat16 worth while.

    oneDNN computes it with AVX-512 and on Arm. Elsewhere, AVX2 for example,
    a product of matrices takes 80 times as long as in float32. A PyTorch that
    does not tell is taken to have it.
    """
    known = getattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', None)
    return known is None or bool(known())


def tune_allocator(threshold: int = 1 << 30) -> bool:
    """Keep freed memory in the process instead of returning it to the kernel.

    On CPU every training step allocates and frees the same large tensors;
    glibc maps each from the kernel anew and pays for zeroed pages. With high
    thresholds the memory is reused (2.15 instead of 2.64 s a step in stage I
    on two cores), at the price of a larger resident size. Does nothing where
    the C library is not glibc.

    Args:
        threshold: Bytes up to which blocks come from the reused heap, and
            bytes of free memory kept at its top.

    Returns:
        Whether all settings were accepted.

    Raises:
        ValueError: If ``threshold`` is not positive or above 2 ** 31 - 1,
            the largest number that glibc takes.
    """
    if not 0 < threshold < 2**31:
        raise ValueError(
            f'threshold must be in 1 ... 2 ** 31 - 1 bytes, got {threshold}; '
            'leave it out for 1 GiB'
        )
    if platform.libc_ver()[0] != 'glibc':
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    settings = (
        (M_MMAP_THRESHOLD, threshold),
        (M_TRIM_THRESHOLD, threshold),
        (M_TOP_PAD, min(threshold, TOP_PAD_LIMIT)),
    )
    accepted = [mallopt(name, value) == 1 for name, value in settings]
    if not accepted[0]:
        accepted[0] = mallopt(M_MMAP_THRESHOLD, OLD_GLIBC_LIMIT) == 1
    return all(accepted)
