"""Writes a set of made-up shapes to disk, in several processes."""

from __future__ import annotations

import io
import json
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
from .writing import Manifest, Progress, work_off, write_array, write_whole

MANIFEST = 'synthetic_manifest.json'


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
        progress: Called with the number of clouds done and of all clouds,
            first before anything is made.

    Raises:
        ValueError: If the folder holds a set with other options and
            `overwrite` is off, holds files of another origin, or
            `num_workers` is below 1.
    """
    root = Path(out_dir)
    jobs = plan_jobs(options)
    files = index_files(options)
    manifest = Manifest(root / MANIFEST, GENERATOR_VERSION, options.to_dict())
    if _prepare(root, manifest, overwrite) and _all_there(root, jobs, files):
        return False
    missing = [job for job in jobs if not _is_done(root, job)]
    work = partial(_write_job, root=root, options=options)
    done = len(jobs) - len(missing)
    steps = work_off(work, missing, num_workers, chunk=8)
    manifest.write(complete=False)
    report = progress or (lambda done, total: None)
    report(done, len(jobs))
    for step, _ in enumerate(steps, start=1):
        report(done + step, len(jobs))
    for path, content in files.items():
        text = content
        if not isinstance(content, str):
            text = json.dumps(content, indent=2) + '\n'
        write_whole(root / path, text.encode('utf-8'))
    manifest.write(complete=True)
    return True


def _prepare(root: Path, manifest: Manifest, overwrite: bool) -> bool:
    """Return whether a complete set with these options was written.

    Removes a set with other options where that is allowed, file by file, so
    that nothing but this tool's own files can go.
    """
    found = manifest.found()
    if found is None:
        _refuse_foreign(root)
        return False
    if manifest.matches(found):
        return found['complete']
    if not overwrite:
        manifest.refuse(found)
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


def _write_job(job: Job, *, root: Path, options: SetOptions) -> None:
    """Make one cloud and write its files."""
    cloud = make_cloud(job, options)
    if job.parts_path:
        write_whole(root / job.parts_path, _part_rows(cloud, job, options))
    write_array(root / job.path, cloud.points)


def _part_rows(cloud: Cloud, job: Job, options: SetOptions) -> bytes:
    """Return rows 'x y z nx ny nz label' of the object's own points."""
    own = cloud.labels >= 0
    labels = cloud.labels[own] + part_offsets(options)[job.name]
    rows = np.column_stack([cloud.points[own], cloud.normals[own], labels])
    text = io.BytesIO()
    layout = ['%.5f'] * 3 + ['%.4f'] * 3 + ['%.1f']
    np.savetxt(text, rows, layout)
    return text.getvalue()
