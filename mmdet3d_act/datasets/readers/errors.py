"""The error that names a bad file, and what its content looks like."""

from __future__ import annotations

import os

_SIGNATURES = (
    (b'\xff\xd8\xff', 'a JPEG picture'),
    (b'\x89PNG', 'a PNG picture'),
    (b'GIF8', 'a GIF picture'),
    (b'%PDF', 'a PDF document'),
    (b'PK\x03\x04', 'an .npz (ZIP) archive'),
    (b'PK\x05\x06', 'an empty ZIP archive'),
    (b'\x1f\x8b', 'gzip-compressed data'),
    (b'BZh', 'bzip2-compressed data'),
    (b'\xfd7zXZ', 'xz-compressed data'),
    (b'\x89HDF', 'an HDF5 file'),
    (b'\x93NUMPY', 'a NumPy array'),
    (b'LASF', 'a LAS or LAZ file'),
    (b'glTF', 'a binary glTF file'),
    (b'ply\n', 'a PLY file'),
    (b'ply\r', 'a PLY file'),
    (b'# .PCD', 'a PCD file'),
    (b'VERSION .7', 'a PCD file'),
    (b'OFF', 'an OFF file'),
    (b'solid ', 'an STL file in text form'),
    (b'version https://git-lfs', 'a Git LFS pointer'),
    (b'<!DOCTYPE', 'a web page'),
    (b'<html', 'a web page'),
    (b'<?xml', 'an XML file'),
    (b'\x80\x02', 'a Python pickle'),
    (b'\x80\x03', 'a Python pickle'),
    (b'\x80\x04', 'a Python pickle'),
    (b'\x80\x05', 'a Python pickle'),
)
_REMEDIES = {
    'a Git LFS pointer': 'fetch the file itself with: git lfs pull',
    'a web page': 'the download failed, get the file again',
    'a Python pickle': 'convert it to .npy; pickles can run code',
}
# Control characters that text does not have.
_BINARY = frozenset(range(32)) - frozenset(b'\t\n\r\f\v\x1b')


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
        """Return the file and the fault."""
        return f'{self.path}: {self.fault}'


def looks_binary(head: bytes) -> bool:
    """Return whether the beginning of a file is no text.

    Args:
        head: The first bytes of the file.

    Returns:
        True where it has a zero byte, or several control characters.
    """
    if 0 in head:
        return True
    return sum(byte in _BINARY for byte in head) > len(head) // 100


def describe_content(head: bytes) -> str:
    """Return what a file looks like by its first bytes.

    Args:
        head: The first bytes of the file, 64 or more.

    Returns:
        Such as 'a JPEG picture', 'text' or 'binary data'.
    """
    if not head.strip(b'\x00'):
        return 'zero bytes'
    for signature, kind in _SIGNATURES:
        if head.lstrip().startswith(signature):
            return kind
    return 'binary data' if looks_binary(head) else 'text'


def describe_fault(path: str, expected: str, error: Exception) -> str:
    """Return the text about a file that its reader failed on.

    Args:
        path: The file.
        expected: What its suffix promises, such as 'a PLY file'.
        error: What the reader met.

    Returns:
        What was expected, what arrived, and what to do.
    """
    with open(path, 'rb') as file:
        arrived = describe_content(file.read(1024))
    reason = ' '.join(str(error).split())[:300] or type(error).__name__
    if arrived in (expected, 'text', 'binary data'):
        remedy = 'if it is damaged, copy or export it again'
    else:
        remedy = _REMEDIES.get(
            arrived, 'give it the suffix of what it is, or convert it'
        )
    seen = '' if arrived == expected else f', got {arrived}'
    return f'unreadable: expected {expected}{seen}: {reason}; {remedy}'
