"""Files on disk: written whole, and told apart by what they hold."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

_CHUNK = 1 << 22


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file so that it is never seen half written.

    Args:
        path: The file; its folder is made.
        content: What it holds.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{os.getpid()}.part')
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: str | Path, value: object) -> None:
    """Write a JSON file so that it is never seen half written."""
    write_bytes(path, f'{json.dumps(value, indent=1)}\n'.encode())


def file_hash(path: str | Path) -> str:
    """Compute the sha256 of a file.

    Args:
        path: The file.
    """
    digest = hashlib.sha256()
    with Path(path).open('rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
