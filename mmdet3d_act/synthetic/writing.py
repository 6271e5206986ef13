"""Sets of files that are written whole, in several processes, and resumed."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mmdet3d_act.workers import ignore_interrupt

Task = TypeVar('Task')
Progress = Callable[[int, int], None]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file such that it is either complete or absent.

    Args:
        path: The file; its folder is made.
        content: What it holds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{os.getpid()}.part')
    part.write_bytes(content)
    part.replace(path)


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an array as `.npy` such that it is either complete or absent.

    Args:
        path: The file; its folder is made.
        values: The array.
    """
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    write_whole(path, content.getvalue())


def work_off(
    work: Callable[[Task], None],
    tasks: Sequence[Task],
    num_workers: int,
    *,
    chunk: int = 1,
) -> Iterator[None]:
    """Return an iterator that steps once per finished task.

    The tasks are worked off in one process or in several.

    Args:
        work: What is called with each task.
        tasks: The tasks.
        num_workers: Number of processes.
        chunk: Tasks handed to a process at a time.

    Raises:
        ValueError: If `num_workers` is below 1.
    """
    if num_workers < 1:
        raise ValueError(
            f'num_workers must be at least 1, got {num_workers}; use 1 for '
            'no extra process'
        )
    return _steps(work, tasks, num_workers, chunk)


def _steps(
    work: Callable[[Task], None],
    tasks: Sequence[Task],
    num_workers: int,
    chunk: int,
) -> Iterator[None]:
    """Yield once per finished task."""
    if num_workers == 1 or len(tasks) < 2:
        yield from map(work, tasks)
        return
    with multiprocessing.Pool(num_workers, ignore_interrupt) as pool:
        yield from pool.imap_unordered(work, tasks, chunksize=chunk)


class Manifest:
    """The file that says with which options a set was written.

    Args:
        path: The file.
        version: Number that rises when equal options give other files.
        options: The options, as JSON keeps them.
    """

    def __init__(
        self, path: Path, version: int, options: dict[str, Any]
    ) -> None:
        self.path = path
        self.state = {'version': version, 'options': options}

    def found(self) -> dict[str, Any] | None:
        """Return what was written down before, None if nothing was.

        Raises:
            ValueError: If the file is not what :meth:`write` writes.
        """
        if not self.path.exists():
            return None
        try:
            found = json.loads(self.path.read_text(encoding='utf-8'))
        except ValueError:
            found = None
        if not isinstance(found, dict) or {*found} != {
            *self.state,
            'complete',
        }:
            raise ValueError(
                f'{self.path} must say how the set was made, got something '
                'else; remove this file and the set, and make it again'
            )
        return found

    def matches(self, found: dict[str, Any]) -> bool:
        """Return whether a set has this version and these options.

        Args:
            found: What :meth:`found` returned.
        """
        return all(found.get(key) == self.state[key] for key in self.state)

    def refuse(self, found: dict[str, Any], remedy: str = '') -> None:
        """Raise the error that says which options differ.

        Args:
            found: What :meth:`found` returned.
            remedy: What to do, beside what is always said; ends in '; '.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f'{self.path.parent} holds a set with other options: '
            f'{_differences(found, self.state)}. A folder must be empty or '
            f'hold a set with the same options; {remedy}choose another '
            'folder, or replace the set with --overwrite'
        )

    def write(self, *, complete: bool) -> None:
        """Write down what is being written, or was.

        Args:
            complete: Whether all files are there.
        """
        text = json.dumps({**self.state, 'complete': complete}, indent=2)
        write_whole(self.path, f'{text}\n'.encode())


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return which options differ, for an error text."""
    old, new = _flat(found), _flat(wanted)
    return ', '.join(
        f'{key}: {old.get(key)} there, {new.get(key)} now'
        for key in sorted({*old, *new} - {'complete'})
        if old.get(key) != new.get(key)
    )


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Return nested options as one level."""
    out = {}
    for key, value in values.items():
        out.update(_flat(value) if isinstance(value, dict) else {key: value})
    return out
