"""The error that names a bad file, and what its content looks like."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_SIGNATURES = (
    (b'\xff\xd8\xff', 'a picture'),
    (b'\x89PNG', 'a picture'),
    (b'%PDF', 'a PDF document'),
    (b'PK\x03\x04', 'a ZIP archive (.npz)'),
    (b'PK\x05\x06', 'an empty ZIP archive'),
    (b'\x1f\x8b', 'gzip-compressed data'),
    (b'\x89HDF', 'an HDF5 file'),
    (b'\x93NUMPY', 'a NumPy array'),
    (b'LASF', 'a LAS or LAZ file'),
    (b'glTF', 'a binary glTF file'),
    (b'ply\n', 'a PLY file'),
    (b'ply\r', 'a PLY file'),
    (b'# .PCD', 'a PCD file'),
    (b'OFF', 'an OFF file'),
    (b'version https://git-lfs', 'a Git LFS pointer'),
    (b'<!DOCTYPE', 'a web page'),
    (b'<!doctype', 'a web page'),
    (b'<html', 'a web page'),
    (b'\x80', 'a Python pickle'),
)
_REMEDIES = {
    'a Git LFS pointer': 'fetch the file itself with: git lfs pull',
    'a web page': 'the download failed, get the file again',
    'a Python pickle': 'convert it to .npy; pickles can run code',
    'a PyTorch file': 'save its points as .npy: np.save(path, points.numpy())',
}
# Suffixes of files that should be pickles.
_PICKLES = ('.pkl', '.dat')
# Control characters that text does not have.
_BINARY = frozenset(range(32)) - frozenset(b'\t\n\r\f\v\x1b')
# What a small file may unpack to, and how many times its size a large one.
_FREE_BYTES = 2**26
_MAX_RATIO = 256


class BadSampleError(ValueError):
    """A sample that cannot be used; the text names its file and the fault.

    Args:
        path: File that the sample comes from. Without a fault: the traceback
            of such an error, of which a `DataLoader` makes it anew when its
            worker has raised it.
        fault: What is wrong with it.
    """

    def __init__(
        self, path: str | os.PathLike, fault: str | None = None
    ) -> None:
        if fault is None:
            told = str(path).rpartition(f'{type(self).__name__}: ')[2]
            path, _, fault = told.strip().partition(': ')
        super().__init__(str(path), fault)
        self.path = str(path)
        self.fault = fault

    def __str__(self) -> str:
        """Give the file and the fault."""
        return f'{self.path}: {self.fault}'


@contextlib.contextmanager
def reading(path: str, expected: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into `BadSampleError`.

    Args:
        path: The file, or the name of what is read.
        expected: What it should be, such as 'a PLY file'.

    Raises:
        BadSampleError: With what was expected, what came and what to do. A
            `ValueError` of the block is the reason that is given.
    """
    try:
        yield
    except (BadSampleError, ImportError):
        raise
    except FileNotFoundError as error:
        raise BadSampleError(path, 'the file does not exist') from error
    # Whatever a parser stumbles over, the file is what is wrong.
    except Exception as error:
        fault = _describe_fault(path, expected, error)
        raise BadSampleError(path, fault) from error


def looks_binary(head: bytes) -> bool:
    """Tell whether the first bytes of a file are no text."""
    if 0 in head:
        return True
    return sum(byte in _BINARY for byte in head) > len(head) // 100


def describe_content(head: bytes) -> str:
    """Say what a file is by its first bytes: 'a picture', 'text'."""
    if not head.strip(b'\x00'):
        return 'zero bytes' if head else 'an empty file'
    if head.startswith(b'PK') and b'data.pkl' in head[:128]:
        return 'a PyTorch file'
    for signature, kind in _SIGNATURES:
        if head.lstrip().startswith(signature):
            return kind
    return 'binary data' if looks_binary(head) else 'text'


def check_expansion(unpacked: int, packed: int) -> None:
    """Refuse content that says it is far larger than its file.

    Args:
        unpacked: Bytes that are to be allocated: up to 64 MB, or 256 times
            the file.
        packed: Bytes of the file.
    """
    if unpacked > max(_FREE_BYTES, _MAX_RATIO * packed):
        raise ValueError(
            f'it promises {unpacked} bytes and has {packed}: damaged, or '
            'made to fill the memory'
        )


def _describe_fault(path: str, expected: str, error: Exception) -> str:
    """Say what was expected, what arrived, and what to do."""
    if isinstance(error, PermissionError):
        return f'unreadable: {error.strerror}'
    arrived = expected
    if os.path.isfile(path):
        with open(path, 'rb') as file:
            arrived = describe_content(file.read(1024))
    if arrived == 'a Python pickle' and path.endswith(_PICKLES):
        arrived = expected
    reason = ' '.join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, KeyError):
        reason = f'it has no {reason}'
    if arrived in (expected, 'text', 'binary data', 'an empty file'):
        remedy = 'if it is damaged, copy or export it again'
    else:
        remedy = _REMEDIES.get(
            arrived, 'give it the suffix of what it is, or convert it'
        )
    seen = '' if arrived == expected else f', got {arrived}'
    return f'unreadable: expected {expected}{seen}: {reason}; {remedy}'
