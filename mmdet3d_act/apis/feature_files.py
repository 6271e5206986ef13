"""Features of files, written file by file, and the search in them."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmdet3d_act.apis.embedding import (
    Embedder,
    in_batches,
    interpolate,
    principal_colors,
)
from mmdet3d_act.apis.scan_files import file_rows, name_outputs, write_scan
from mmdet3d_act.apis.words import text_center, text_vectors
from mmdet3d_act.datasets.orientation import guess_up_axis
from mmdet3d_act.datasets.readers import BadSampleError, read_cloud
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.evaluation.zero_shot_metric import text_likeness
from mmdet3d_act.text import warn
from mmdet3d_act.visualization import Panel, draw_sheet
from mmdet3d_act.visualization.arrays import height_colors, upright
from mmdet3d_act.visualization.scenes import thin_out

# All vectors of a folder in one file.
TABLE = 'embeddings.npz'
# Pictures side by side.
COLUMNS = 5
# How much larger or smaller than the shapes of a folder a query may be where
# lengths count, and from how many of them this is told.
_LIKELY_RATIO, _MEASURED = 8, 32
# Positions of a query: the features of a shape change as it turns.
TURNS = 8
# Beside the outputs: why a file has none.
_FAULT = '.error.txt'
# The tasks of a step, which srun starts: a script of sbatch is one process,
# however many tasks its job has.
_RANKS = (('RANK', 'WORLD_SIZE'), ('SLURM_PROCID', 'SLURM_STEP_NUM_TASKS'))


def embed_files(
    embedder: Embedder,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    points: bool = False,
    colors: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Write the features of each file; files that are done are skipped.

    ``NAME.npz`` gets ``embedding``, ``patches``, ``centers`` and ``path``,
    ``NAME.points.npy`` the features of points, ``NAME.colors.ply`` (of LAS
    files ``.laz``) principal components as colours. ``embeddings.npz`` has
    the vectors of all files and their ``paths``. The processes of torchrun or
    srun share the files; the last one to finish writes it.

    Args:
        embedder: With its student.
        inputs: Files and folders.
        out: Folder for the results, in which sub-folders are kept; outside
            of the inputs, as results are point files, too.
        points: Whether features of points are written.
        colors: Whether colours are written.
        report: Called with the number of files that are done and of all of
            this process, or of the tiles of a large one.

    Returns:
        What is wrong with files that cannot be used, a text each.

    Raises:
        UsageError: If `out` is in a folder of the inputs, two files would
            have the same output, or no file can be used.
    """
    for given in inputs:
        if Path(given).expanduser().is_dir() and _is_in(out, given):
            raise UsageError(
                f'{out} is in {given}, whose files would then be the results, '
                'too; choose another folder (--out)'
            )
    return _embed_named(
        embedder,
        name_outputs(inputs),
        Path(out),
        find_rank(),
        points=points,
        colors=colors,
        report=report,
    )


def _embed_named(
    embedder: Embedder,
    names: dict[str, str],
    out: Path,
    part: tuple[int, int],
    *,
    points: bool = False,
    colors: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Write the features of one part of some files."""
    axis = embedder.find_axis(list(names))
    settings = f'{embedder.fingerprint} {axis} {points} {colors}'
    stamps = {file: f'{settings} {_state_of(file)}' for file in names}
    rank, size = part
    own = list(names)[rank::size]
    todo = [f for f in own if _written_stamp(out / names[f]) != stamps[f]]
    report = report or (lambda done, total: None)
    done = len(own) - len(todo)
    report(done, len(own))
    for batch in in_batches(todo, embedder.batch_size):
        tiles = report if len(own) == 1 else None
        for file, result in _embed_each(
            embedder, batch, axis, points, out, names, tiles
        ):
            _write(result, file, out / names[file], stamps[file], colors)
            done += 1
            report(done, len(own))
    _write_table(names, stamps, out)
    faults = (_read_fault(out / names[file], stamps[file]) for file in own)
    return [fault for fault in faults if fault]


def _is_in(path: str | Path, folder: str | Path) -> bool:
    folder = Path(folder).expanduser().resolve()
    return Path(path).expanduser().resolve().is_relative_to(folder)


def find_rank() -> tuple[int, int]:
    """Tell the rank of this process and the number of processes."""
    for rank, size in _RANKS:
        if rank in os.environ and size in os.environ:
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1


def _embed_each(
    embedder: Embedder,
    batch: list[str],
    axis: str,
    points: bool,
    out: Path,
    names: dict[str, str],
    report: Callable[[int, int], None] | None,
) -> Iterator[tuple[str, dict | BadSampleError]]:
    """Yield the result, or the fault, of each file of a batch."""
    allocate = np.empty
    if points and len(batch) == 1:
        path = Path(f'{out / names[batch[0]]}.points.npy')
        path.parent.mkdir(parents=True, exist_ok=True)
        allocate = partial(_map_array, path)
    return embedder.embed_each(
        batch, axis, points=points, report=report, allocate=allocate
    )


def _map_array(path: Path, shape: tuple, dtype: type) -> np.ndarray:
    return np.lib.format.open_memmap(path, 'w+', dtype, shape)


def _write(
    result: dict | BadSampleError,
    file: str,
    target: Path,
    stamp: str,
    colors: bool,
) -> None:
    """Write what was found of a file; the ``.npz`` last, as a sign."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fault = Path(f'{target}{_FAULT}')
    if isinstance(result, BadSampleError):
        Path(f'{target}.npz').unlink(missing_ok=True)
        fault.write_text(f'{result}\n\n{stamp}\n', encoding='utf-8')
        return
    fault.unlink(missing_ok=True)
    values = result.pop('points', None)
    if isinstance(values, np.memmap):
        values.flush()
    elif values is not None:
        np.save(f'{target}.points.npy', values)
    if colors:
        rows, offset, _ = read_cloud(file)
        centers = result['centers']
        tints = interpolate(
            rows[:, :3],
            centers - offset,
            principal_colors(result['patches']),
        )
        write_scan(f'{target}.colors', file, colors=tints.astype(np.float64))
    part = Path(f'{target}.{os.getpid()}.part')
    with part.open('wb') as opened:
        np.savez(opened, stamp=stamp, **result)
    part.replace(f'{target}.npz')


def _state_of(file: str) -> str:
    if not os.path.isfile(file):
        return 'absent'
    found = os.stat(file)
    return f'{found.st_size} {found.st_mtime_ns}'


def _written_stamp(target: Path) -> str | None:
    """Read for which state of a file, and how, its results were written."""
    fault = Path(f'{target}{_FAULT}')
    if fault.is_file():
        return _read_error(fault)[1]
    path = Path(f'{target}.npz')
    if not path.is_file():
        return None
    with np.load(path) as found:
        return str(found['stamp'])


def _read_fault(target: Path, stamp: str) -> str | None:
    fault = Path(f'{target}{_FAULT}')
    if not fault.is_file():
        return None
    text, last = _read_error(fault)
    return text if last == stamp else None


def _read_error(path: Path) -> tuple[str, str]:
    """Read why a file has no output, and the stamp, its last line."""
    text, _, stamp = path.read_text(encoding='utf-8').strip().rpartition('\n')
    return text.strip(), stamp


def _write_table(
    names: dict[str, str], stamps: dict[str, str], out: Path
) -> None:
    """Write the vectors of all files, unless other processes have to do."""
    if any(_written_stamp(out / names[f]) != stamps[f] for f in names):
        return
    good = [f for f in names if Path(f'{out / names[f]}.npz').is_file()]
    if not good:
        # Of files that were good once.
        (out / TABLE).unlink(missing_ok=True)
        found = (_read_fault(out / names[f], stamps[f]) for f in names)
        faults = [fault for fault in found if fault]
        raise UsageError('\n'.join(['no file can be used:', *faults]))
    columns: dict[str, list] = {}
    for file in good:
        with np.load(f'{out / names[file]}.npz') as found:
            for key in {'embedding', 'vector'} & set(found.files):
                columns.setdefault(f'{key}s', []).append(found[key])
    part = out / f'{TABLE}.{os.getpid()}.part'
    with part.open('wb') as opened:
        np.savez(opened, paths=np.array(good), **columns)
    part.replace(out / TABLE)


class Neighbor(NamedTuple):
    """A shape that was found: file, cosine similarity, and its up axis."""

    path: str
    similarity: float
    axis: str


def search(
    embedder: Embedder,
    query: str | Path | None,
    folder: str | Path,
    index: str | Path,
    *,
    text: str | None = None,
    top: int = 8,
    query_axis: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> tuple[list[Neighbor], list[str]]:
    """Find the shapes of a folder that are most like another, or like a text.

    Features are standardised over the folder, then compared by their cosine:
    the largest of the query's in ``TURNS`` positions about its height.
    The index is kept; files that are new or changed are embedded again. A
    query that seems to stand otherwise than the folder, or to have another
    unit where lengths count, is warned of.

    Args:
        embedder: With its student; for a text one of :func:`load_concepts`.
        query: A file; where it is one of the folder it is left out. None with
            a text.
        folder: The folder.
        index: Where the features of the folder are kept; where it is in the
            folder it is not searched.
        text: What to look for in place of a file: ``'a swivel chair'``.
        top: Number of neighbours.
        query_axis: Up axis of the query; None: it stands as the folder does.
        report: See :func:`embed_files`.

    Returns:
        The neighbours, the nearest first, and what is wrong with files that
        were left out.

    Raises:
        BadSampleError: If the query cannot be used.
        UsageError: If no other file of the folder can, it is the index, or the
            text has no vector.
    """
    names = name_outputs([folder])
    if _is_in(index, folder):
        names = {f: name for f, name in names.items() if not _is_in(f, index)}
    if not names:
        raise UsageError(
            f'{folder} has no clouds beside the index {index}; choose another '
            'folder for it (--index)'
        )
    index = Path(index)
    axis = embedder.find_axis(list(names))
    if text is not None:
        wanted = text_vectors(embedder.concepts, [text])
        center = text_center(embedder.concepts)
        faults = _embed_named(embedder, names, index, (0, 1), report=report)
        with np.load(index / TABLE) as table:
            likeness = text_likeness(table['vectors'], wanted, center)[:, 0]
            found = _nearest(table['paths'], likeness, embedder, axis)
        return found[:top], faults
    asker = copy.copy(embedder)
    asker.up_axis = query_axis or embedder.up_axis
    views = asker.embed_turned(str(query), axis, TURNS)
    if query_axis is None:
        _doubt_axis(str(query), embedder.axis_of(str(query), axis))
    # Each process needs all of it.
    faults = _embed_named(embedder, names, index, (0, 1), report=report)
    with np.load(index / TABLE) as table:
        paths, vectors = table['paths'].tolist(), table['embeddings']
    if embedder.meta['normalization'] != 'unit_sphere':
        few = [index / names[file] for file in paths[:_MEASURED]]
        (own,) = asker.embed([str(query)], axis)
        _doubt_scale(str(query), own['centers'], few)
    likeness = cosines(views, vectors).max(axis=0)
    itself = os.path.realpath(query)
    nearest = [
        one
        for one in _nearest(paths, likeness, embedder, axis)
        if os.path.realpath(one.path) != itself
    ]
    if not nearest:
        raise UsageError('\n'.join([f'{folder} has no other cloud', *faults]))
    return nearest[:top], faults


def _nearest(
    paths: Sequence[str], likeness: np.ndarray, embedder: Embedder, axis: str
) -> list[Neighbor]:
    """Sort files by their likeness, the largest first."""
    axes = [embedder.axis_of(str(path), axis) for path in paths]
    order = np.argsort(-likeness, kind='stable')
    return [
        Neighbor(str(paths[i]), float(likeness[i]), axes[i]) for i in order
    ]


def cosines(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Compare features, standardised over all vectors, by their cosine.

    Args:
        queries: (Q, C).
        vectors: (V, C).

    Returns:
        (Q, V), from -1 to 1.
    """
    mean, spread = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    sides = [(queries - mean) / spread, (vectors - mean) / spread]
    for side in sides:
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12)
    return sides[0] @ sides[1].T


def _doubt_axis(query: str, axis: str) -> None:
    """Warn of a query that does not look upright along its axis."""
    seen = guess_up_axis([read_cloud(query).points]).value
    if seen != axis:
        warn(
            f'{query} is taken to have {axis} up, as the folder; alone it '
            f'looks upright along {seen}. If that is right: --query-axis '
            f'{seen}'
        )


def _doubt_scale(query: str, centers: np.ndarray, others: list[Path]) -> None:
    """Warn of a query that is far larger or smaller than the others."""
    sides = []
    for path in others:
        with np.load(f'{path}.npz') as found:
            sides.append(np.ptp(found['centers'], axis=0).max())
    own, usual = np.ptp(centers, axis=0).max(), np.median(sides)
    if not 1 / _LIKELY_RATIO < own / usual < _LIKELY_RATIO:
        warn(
            f"{query}: its longest side is {own:.3g}, that of the folder's "
            f'clouds about {usual:.3g}; bring both to the same unit'
        )


def draw_neighbors(
    embedder: Embedder,
    query: str | Path | None,
    neighbors: Sequence[Neighbor],
    path: str | Path,
    query_axis: str | None = None,
) -> Path:
    """Draw a shape and its neighbours on one sheet; return its path.

    Args:
        embedder: That they were found by.
        query: The file that was searched for; None where it was a text.
        neighbors: From :func:`search`.
        path: The picture, ending in .png.
        query_axis: As :func:`search` has it.
    """
    shown = [(one, f'{one.similarity:.2f}') for one in neighbors]
    if query is not None:
        axis = query_axis or embedder.axis_of(str(query), neighbors[0].axis)
        shown.insert(0, (Neighbor(str(query), 1.0, axis), 'query'))
    panels: list[Panel] = []
    for one, caption in shown:
        (points,) = thin_out(file_rows(one.path))
        points = upright(points, one.axis)
        points -= points.mean(axis=0)
        colors = height_colors(points, 'z')
        panels.append(Panel(Path(one.path).name, points, colors, caption))
    rows = [panels[i : i + COLUMNS] for i in range(0, len(panels), COLUMNS)]
    return draw_sheet(rows, path, up_axis='z')
