"""Writes a set of made-up shapes to disk, in several processes."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .catalog import get_category, shape_rng
from .mesh import Cloud
from .plan import (
    GENERATOR_VERSION,
    PARTS_ROOT,
    PRETRAIN_ROOT,
    PROBE_ROOT,
    Job,
    SetOptions,
    index_files,
    part_offsets,
    plan_jobs,
)
from .scan import observe

MANIFEST = 'synthetic_manifest.json'

Progress = Callable[[int, int], None]


def make_cloud(job: Job, options: SetOptions) -> Cloud:
    """Return the cloud of a job; the same on every call.

    Args:
        job: Which cloud.
        options: The set that it belongs to.
    """
    rng = shape_rng(options.seed, job.split, job.name, job.index)
    shape = get_category(job.name).draw(rng)
    return observe(shape, options.num_points, options.scan, rng)


def write_set(
    out_dir: str | Path,
    options: SetOptions,
    *,
    num_workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> bool:
    """Write a set and return whether anything had to be written.

    A complete set with the same options is left alone; an interrupted one
    is completed.

    Args:
        out_dir: Folder of the set; made where it does not exist.
        options: What the set holds.
        num_workers: Number of processes, at least 1.
        overwrite: Replace a set that was written with other options.
        progress: Called with the number of clouds done and of all clouds.

    Raises:
        ValueError: If the folder holds a set with other options and
            `overwrite` is off, holds files of another origin, or
            `num_workers` is below 1.
    """
    if num_workers < 1:
        raise ValueError(
            f'num_workers must be at least 1, got {num_workers}; use 1 for '
            'no extra process'
        )
    root = Path(out_dir)
    jobs = plan_jobs(options)
    files = index_files(options)
    if _prepare(root, options, overwrite) and _all_there(root, jobs, files):
        return False
    _write_manifest(root, options, complete=False)
    missing = [job for job in jobs if not _is_done(root, job)]
    folders = {(root / path).parent for job in missing for path in _paths(job)}
    for folder in sorted(folders):
        folder.mkdir(parents=True, exist_ok=True)
    work = partial(_write_job, root=root, options=options)
    done = len(jobs) - len(missing)
    for step, _ in enumerate(_mapped(work, missing, num_workers), start=1):
        if progress is not None:
            progress(done + step, len(jobs))
    for path, content in files.items():
        text = content
        if not isinstance(content, str):
            text = json.dumps(content, indent=2) + '\n'
        _write_whole(root / path, text.encode('utf-8'))
    _write_manifest(root, options, complete=True)
    return True


def _mapped(
    work: Callable[[Job], None], jobs: list[Job], num_workers: int
) -> Iterator[None]:
    """Yield once per finished job, in one process or in several."""
    if num_workers == 1 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    with multiprocessing.Pool(num_workers) as pool:
        yield from pool.imap_unordered(work, jobs, chunksize=8)


def _prepare(root: Path, options: SetOptions, overwrite: bool) -> bool:
    """Return whether a complete set with these options was written.

    Removes a set with other options where that is allowed, file by file, so
    that nothing but this tool's own files can go.
    """
    state = {'version': GENERATOR_VERSION, 'options': options.to_dict()}
    path = root / MANIFEST
    if not path.exists():
        _refuse_foreign(root)
        return False
    found = json.loads(path.read_text(encoding='utf-8'))
    complete = found.pop('complete')
    if found == state:
        return complete
    if not overwrite:
        raise ValueError(
            f'{root} must be empty or hold a set with the same options, got '
            f'other ones ({_differences(found, state)}); choose another '
            'folder, or replace the set with --overwrite'
        )
    previous = SetOptions.from_dict(found['options'])
    old = [path for job in plan_jobs(previous) for path in _paths(job)]
    for name in [*old, *index_files(previous), MANIFEST]:
        (root / name).unlink(missing_ok=True)
    return False


def _refuse_foreign(root: Path) -> None:
    """Raise a ValueError where data of another origin would be mixed in."""
    for name in (PRETRAIN_ROOT, PROBE_ROOT, PARTS_ROOT):
        folder = root / name
        if folder.is_dir() and any(folder.iterdir()):
            raise ValueError(
                f'{folder} must be empty, got files that this tool did not '
                'write; choose another folder'
            )


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return which options differ, for an error text."""
    old, new = _flat(found), _flat(wanted)
    return ', '.join(
        f'{key}: {old.get(key)} there, {new.get(key)} now'
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    )


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Return nested options as one level."""
    out = {}
    for key, value in values.items():
        out.update(_flat(value) if isinstance(value, dict) else {key: value})
    return out


def _paths(job: Job) -> list[str]:
    """Return the files of a job."""
    return [path for path in (job.path, job.parts_path) if path]


def _is_done(root: Path, job: Job) -> bool:
    """Return whether the files of a job are there."""
    return all((root / path).exists() for path in _paths(job))


def _all_there(root: Path, jobs: list[Job], files: dict[str, Any]) -> bool:
    """Return whether no file of the set is missing."""
    return all(_is_done(root, job) for job in jobs) and all(
        (root / path).exists() for path in files
    )


def _write_manifest(
    root: Path, options: SetOptions, *, complete: bool
) -> None:
    """Write down what is being written, or was."""
    state = {
        'version': GENERATOR_VERSION,
        'options': options.to_dict(),
        'complete': complete,
    }
    text = json.dumps(state, indent=2) + '\n'
    _write_whole(root / MANIFEST, text.encode('utf-8'))


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file such that it is either complete or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{os.getpid()}.part')
    part.write_bytes(content)
    part.replace(path)


def _write_job(job: Job, *, root: Path, options: SetOptions) -> None:
    """Make one cloud and write its files."""
    cloud = make_cloud(job, options)
    if job.parts_path:
        _write_whole(root / job.parts_path, _part_rows(cloud, job, options))
    path = root / job.path
    part = path.with_name(f'{path.name}.{os.getpid()}.part')
    with part.open('wb') as file:
        np.save(file, cloud.points, allow_pickle=False)
    part.replace(path)


def _part_rows(cloud: Cloud, job: Job, options: SetOptions) -> bytes:
    """Return rows 'x y z nx ny nz label' of the object's own points."""
    own = cloud.labels >= 0
    labels = cloud.labels[own] + part_offsets(options)[job.name]
    rows = np.column_stack([cloud.points[own], cloud.normals[own], labels])
    text = io.BytesIO()
    layout = ['%.5f'] * 3 + ['%.4f'] * 3 + ['%.1f']
    np.savetxt(text, rows, layout)
    return text.getvalue()
