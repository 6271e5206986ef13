"""Sets of files made in several processes: resumed, grown, replaced."""

from __future__ import annotations

import dataclasses
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmdet3d_act.processes import ignore_interrupt


class SetPlan(NamedTuple):
    """What a set consists of.

    Attributes:
        options: A dataclass; tasks with equal options make equal files.
        manifest: Name of the file that holds the options.
        version: Number that rises when equal options give other files.
        folders: What must be empty before the set is begun.
        counts: Options that only say how many tasks there are.
        tasks: What is made, each in one go.
        files: Lists the files of a task, relative to the set's folder.
        make: Makes the files of a task below a folder.
        lists: The files that depend on all tasks.
        make_lists: Makes these files below a folder.
    """

    options: Any
    manifest: str
    version: int
    folders: tuple[str, ...]
    counts: tuple[str, ...]
    tasks: list
    files: Callable[[Any], list[str]]
    make: Callable[[Any, Path], None]
    lists: list[str]
    make_lists: Callable[[Path], None]


def write_set(
    out_dir: str | Path,
    options: object,
    plan_of: Callable[[Any], SetPlan],
    *,
    num_workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Write what is missing of a set.

    A complete set is left alone, an interrupted one is completed, and one
    with fewer tasks gets the others, since no task depends on their number.

    Args:
        out_dir: Folder of the set; made where it does not exist.
        options: What the set holds.
        plan_of: Plans a set from its options, or from the manifest's.
        num_workers: Number of processes, at least 1.
        overwrite: Replace a set that was written with other options.
        progress: Called with the number of tasks done and of all tasks,
            first before anything is made.

    Returns:
        Whether anything had to be written.

    Raises:
        ValueError: If the folder holds files of another origin, or a set
            with other options and `overwrite` is off.
    """
    if num_workers < 1:
        raise ValueError(f'num_workers must be at least 1, got {num_workers}')
    root, plan = Path(out_dir), plan_of(options)
    complete = _prepare(root, plan, plan_of, overwrite)
    missing = [
        task for task in plan.tasks if not _there(root, plan.files(task))
    ]
    if complete and not missing and _there(root, plan.lists):
        return False
    _write_manifest(root, plan, complete=False)
    done, total = len(plan.tasks) - len(missing), len(plan.tasks)
    report = progress or (lambda done, total: None)
    report(done, total)
    make = partial(plan.make, root=root)
    for step, _ in enumerate(work_off(make, missing, num_workers), start=1):
        report(done + step, total)
    plan.make_lists(root)
    _write_manifest(root, plan, complete=True)
    return True


def work_off(
    work: Callable[[Any], None], tasks: Sequence[Any], num_workers: int
) -> Iterator[None]:
    """Yield once per finished task.

    Args:
        work: What is called with each task.
        tasks: The tasks.
        num_workers: Number of processes.
    """
    if num_workers == 1 or len(tasks) < 2:
        yield from map(work, tasks)
        return
    with multiprocessing.Pool(num_workers, ignore_interrupt) as pool:
        chunk = min(8, 1 + len(tasks) // (8 * num_workers))
        yield from pool.imap_unordered(work, tasks, chunk)


def _prepare(
    root: Path,
    plan: SetPlan,
    plan_of: Callable[[Any], SetPlan],
    overwrite: bool,
) -> bool:
    """Tell whether this very set was completed; remove another one.

    It goes file by file, so that nothing but the tool's own files can go.
    """
    path = root / plan.manifest
    if not path.exists():
        for name in plan.folders:
            if (root / name).is_dir() and any((root / name).iterdir()):
                raise ValueError(
                    f'{root / name} holds files that this tool did not '
                    'write; choose another folder'
                )
        return False
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except ValueError:
        raise ValueError(
            f'{path} does not say how the set was made; remove it and the set'
        ) from None
    old, new = _flat(found), _flat(_state(plan))
    old.pop('complete')
    changed = sorted(
        name for name in {*old, *new} if old.get(name) != new.get(name)
    )
    if not changed:
        return found['complete']
    if {*changed} <= {*plan.counts} and all(
        old[name] <= new[name] for name in changed
    ):
        return False
    if not overwrite:
        listed = ', '.join(
            f'{name}: {old.get(name)} there, {new.get(name)} now'
            for name in changed
        )
        raise ValueError(
            f'{root} holds a set with other options: {listed}. A set can '
            'grow where all other options agree; choose another folder, or '
            'replace the set with --overwrite'
        )
    previous = plan_of(_restored(plan.options, found['options']))
    made = [name for task in previous.tasks for name in previous.files(task)]
    for name in [*made, *previous.lists, plan.manifest]:
        (root / name).unlink(missing_ok=True)
    return False


def _restored(like: object, values: dict[str, Any]) -> object:
    """Build options, of the kind of others, from what a manifest says."""
    nested = {
        name: type(value)(**values[name])
        for name, value in vars(like).items()
        if dataclasses.is_dataclass(value)
    }
    return type(like)(**{**values, **nested})


def _state(plan: SetPlan) -> dict[str, Any]:
    """Describe a set as its manifest does."""
    options = json.loads(json.dumps(dataclasses.asdict(plan.options)))
    return {'version': plan.version, 'options': options}


def _write_manifest(root: Path, plan: SetPlan, *, complete: bool) -> None:
    """Write down what is being made, or was."""
    write_json(root / plan.manifest, {**_state(plan), 'complete': complete})


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Flatten nested options."""
    out = {}
    for name, value in values.items():
        out.update(_flat(value) if isinstance(value, dict) else {name: value})
    return out


def _there(root: Path, names: list[str]) -> bool:
    """Tell whether all files of a list exist."""
    return all((root / name).exists() for name in names)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, and its folder, such that it is complete or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{os.getpid()}.part')
    part.write_bytes(content)
    part.replace(path)


def write_json(path: Path, content: object) -> None:
    """Write a JSON file such that it is complete or absent."""
    write_bytes(path, f'{json.dumps(content, indent=2)}\n'.encode())


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an `.npy` file such that it is complete or absent."""
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    write_bytes(path, content.getvalue())


def write_rows(path: Path, rows: np.ndarray, layout: str = '%.6f') -> None:
    """Write rows of numbers as text such that it is complete or absent."""
    content = io.BytesIO()
    np.savetxt(content, rows, layout)
    write_bytes(path, content.getvalue())
