"""The error that names a bad file, and what its content looks like."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

_OTHER = 'give it the suffix of what it is, or convert it'
# What a file begins with, what that is, and what helps.
_SIGNATURES = (
    (b'version https://git-lfs', 'a Git LFS pointer', 'run: git lfs pull'),
    (b'<!DOCTYPE', 'a web page', 'the download failed, get the file again'),
    (b'<!doctype', 'a web page', 'the download failed, get the file again'),
    (b'<html', 'a web page', 'the download failed, get the file again'),
    (b'\x80', 'a Python pickle', 'convert it to .npy; pickles can run code'),
    (b'PK', 'a ZIP archive', 'PyTorch: np.save(path, points.numpy())'),
    (b'\xff\xd8\xff', 'a picture', _OTHER),
    (b'\x89PNG', 'a picture', _OTHER),
    (b'\x89HDF', 'an HDF5 file', _OTHER),
    (b'\x93NUMPY', 'a NumPy array', _OTHER),
    (b'glTF', 'a binary glTF file', _OTHER),
    (b'ply', 'a PLY file', _OTHER),
    (b'# .PCD', 'a PCD file', _OTHER),
)
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

    def with_remedy(self) -> BadSampleError:
        """Make the error that also says how to go on without the sample."""
        remedy = "in a config, on_error='skip' goes on without it"
        fault = f'{self.fault}; mend or remove it; {remedy}'
        return BadSampleError(self.path, fault)


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


class BoundedReader(io.BufferedReader):
    """A file that is never asked for more bytes than it has left.

    Python allocates whatever ``read`` is asked for, which a damaged header
    takes for thousands of millions.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path))

    def read(self, size: int | None = -1) -> bytes:
        """Read at most so many bytes; all that is left without a number."""
        left = max(0, os.fstat(self.fileno()).st_size - self.tell())
        return super().read(left if size is None else min(size, left))


def _describe_fault(path: str, expected: str, error: Exception) -> str:
    """Say what was expected, what arrived, and what to do."""
    if isinstance(error, PermissionError):
        return f'unreadable: {error.strerror}'
    reason = ' '.join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, KeyError):
        reason = f'it has no {reason}'
    head = b''
    if os.path.isfile(path):
        with open(path, 'rb') as file:
            head = file.read(64).lstrip()
    seen, remedy = '', 'if it is damaged, copy or export it again'
    for signature, kind, advice in _SIGNATURES:
        if head.startswith(signature) and kind not in expected:
            seen, remedy = f', got {kind}', advice
    return f'unreadable: expected {expected}{seen}: {reason}; {remedy}'
