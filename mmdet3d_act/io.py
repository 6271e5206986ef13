"""Files on disk: written whole, and told apart by what they hold."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

_CHUNK = 1 << 22


def write_json(path: str | Path, value: object) -> None:
    """Write a JSON file so that it is never seen half written.

    Args:
        path: The file; its folder is made.
        value: What JSON can hold.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{os.getpid()}.part')
    text = json.dumps(value, indent=1)
    try:
        part.write_text(f'{text}\n', encoding='utf-8')
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def file_hash(path: str | Path) -> str:
    """Return the sha256 of a file.

    Args:
        path: The file.
    """
    digest = hashlib.sha256()
    with Path(path).open('rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
