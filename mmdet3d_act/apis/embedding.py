"""Features of clouds of any size: per cloud, per patch, per point.

A cloud of up to ``WHOLE`` points is one window; a larger one is cut into
tiles that overlap, each of which is a window. A window becomes as many
farthest-point samples as the student was trained with.

Letters: N points, P patches, C channels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from mmdet3d_act.apis.scan_files import check_scale, list_files
from mmdet3d_act.apis.students import ConceptStudent, from_pretrained
from mmdet3d_act.datasets.base import ON_ERROR, UP_AXES
from mmdet3d_act.datasets.orientation import (
    KNOWN_AXES,
    guess_up_axis,
)
from mmdet3d_act.datasets.readers import BadSampleError, read_cloud
from mmdet3d_act.datasets.readers.columns import (
    FEATURES,
    gather_features,
    turn_rows,
    width_of,
)
from mmdet3d_act.datasets.transforms.augment import rotate
from mmdet3d_act.models.backbones.pretrained import backbone_settings
from mmdet3d_act.ops import farthest_point_sample
from mmdet3d_act.progress import ProgressDisplay
from mmdet3d_act.text import check_choice, inform, warn
from mmdet3d_act.visualization.arrays import turned

DEFAULT_STUDENT = 'act-mini'
# A cloud of more points is cut into tiles of about so many.
WHOLE = 200_000
TILE_POINTS = 20_000
# By what part of its side a tile grows on each side, into its neighbours: on
# even ground it then holds up to 1.5 * 1.5 = 2.25 times `TILE_POINTS`.
OVERLAP = 0.25
# Of a window, before the farthest points are searched.
_THINNED = 16_384
_CHUNK = 65_536
# Bytes of a cloud that is opened alone.
_LARGE = 2**23
# Clouds whose up axis is guessed together.
_GUESSED = 32
# A file or an array.
Cloud = TypeVar('Cloud', bound=str | np.ndarray)


class Window(NamedTuple):
    """What the student sees at once.

    Attributes:
        points: (num_points, 3 + F), float32, placed as in the student's data.
        middle: (3,), float64: where the cloud has what is 0 here.
        radius: What 1 is here, in the cloud.
        weight: How many points of the cloud it stands for.
    """

    points: Tensor
    middle: np.ndarray
    radius: float
    weight: int


class Embedder:
    """Computes features of clouds, called as MMEngine's inferencers are.

    Args:
        model: A student, what :func:`from_pretrained` takes, or a student of
            :func:`load_concepts`, which predicts its teacher's vector, too.
        device: Where it runs; a GPU where there is one by default.
        up_axis: Of the clouds: 'x', 'y', 'z', or 'auto': z of laser scans, y
            of glTF, that of the student for arrays, and a guess from all of
            a call for other files.
        scale: What coordinates are multiplied with, above 0, for students
            of scenes in metres.
        tile: Side of the tiles of a large cloud, in its unit after scaling;
            0 never cuts, None chooses.
        batch_size: Windows at once.

    Raises:
        ValueError: If scale, tile or the up axis are out of their range.

    Example:
        >>> embed = Embedder('act-mini')
        >>> first, _ = embed(np.random.rand(2, 2048, 3))['predictions']
        >>> first['embedding'].shape, first['patches'].shape
        ((384,), (32, 128))
    """

    def __init__(
        self,
        model: nn.Module | ConceptStudent | str | Path = DEFAULT_STUDENT,
        device: str | None = None,
        *,
        up_axis: str = 'auto',
        scale: float = 1.0,
        tile: float | None = None,
        batch_size: int = 16,
    ) -> None:
        check_scale(scale)
        check_choice('up_axis', up_axis, ('auto', *UP_AXES))
        if tile is not None and not 0 <= tile < np.inf:
            raise ValueError(f'tile must be >= 0 and finite, got {tile}')
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.concepts = model if isinstance(model, ConceptStudent) else None
        if isinstance(model, ConceptStudent):
            model.model.to(device)
            model = model.model.student
        if not isinstance(model, nn.Module):
            model = from_pretrained(model)
        self.student = model.to(device).eval()
        self.device = device
        self.meta = model.pretrained_meta
        self.up_axis = up_axis
        self.scale = scale
        self.tile = tile
        self.batch_size = batch_size
        self._told = ''
        if model.in_channels > 3 and not self.meta.get('features'):
            warn(
                f'the student sees {model.in_channels - 3} features of each '
                'point and does not say which: they are 0; state features= of '
                'save_pretrained'
            )

    def __call__(
        self,
        inputs: Any,  # noqa: ANN401
        batch_size: int | None = None,
        *,
        points: bool = False,
        show_progress: bool = False,
        on_error: str = 'skip',
    ) -> dict:
        """Compute features.

        Args:
            inputs: A file, a folder, an array (N, 3 + F) or (B, N, 3 + F), or
                a sequence of these. An array of as many columns as the
                student sees has its features, in its order; of others the
                coordinates are taken.
            batch_size: Windows at once, instead of the constructor's.
            points: Whether features of points are computed too.
            show_progress: Whether to show a progress bar.
            on_error: For files that cannot be used: ``'skip'`` names them
                and does the others, ``'raise'`` stops.

        Returns:
            ``predictions``: a dict per cloud with ``embedding`` (3C,), the
            class token, maximum and mean of the patches (2C without a token),
            ``patches`` (P, C), ``centers`` (P, 3), float64, in the cloud's
            coordinates, ``path`` of a file, ``points`` (N, C), float16,
            where asked for, and ``vector`` (D,), predicted of the teacher,
            where the student can. ``faults``: what is wrong with files that
            were left out, a text each.

        Raises:
            BadSampleError: If an array, or with ``'raise'`` a file, cannot
                be used.
        """
        check_choice('on_error', on_error, ON_ERROR)
        clouds = list_clouds(inputs)
        axis = self.find_axis([c for c in clouds if isinstance(c, str)])
        predictions: list[dict] = []
        faults: list[str] = []
        with ProgressDisplay('clouds') as display:
            for some in in_batches(clouds, batch_size or self.batch_size):
                if show_progress:
                    display(len(predictions) + len(faults), len(clouds))
                for cloud, found in self.embed_each(
                    some, axis, points=points, batch_size=batch_size
                ):
                    if isinstance(found, dict):
                        predictions.append(found)
                    elif on_error == 'raise' or not isinstance(cloud, str):
                        raise found
                    else:
                        inform(f'left out: {found}')
                        faults.append(str(found))
            if show_progress:
                display(len(clouds), len(clouds))
        return dict(predictions=predictions, visualization=[], faults=faults)

    def embed_each(
        self,
        clouds: Sequence[Cloud],
        axis: str,
        **options: Any,
    ) -> Iterator[tuple[Cloud, dict | BadSampleError]]:
        """Yield the features of some clouds, or why they cannot be used.

        Args:
            clouds: Files and arrays, computed together where all are good.
            axis: The up axis of files that do not say it themselves.
            **options: Further arguments of :meth:`embed`.
        """
        try:
            yield from zip(
                clouds, self.embed(clouds, axis, **options), strict=True
            )
        except BadSampleError as error:
            if len(clouds) == 1:
                yield clouds[0], error
            else:
                for cloud in clouds:
                    yield from self.embed_each([cloud], axis, **options)

    def find_axis(self, files: Sequence[str]) -> str:
        """Find the up axis of clouds that have not said it themselves.

        Args:
            files: Their files; without any it is that of the student.
        """
        unknown = [file for file in files if _suffix(file) not in KNOWN_AXES]
        if self.up_axis != 'auto':
            return self.up_axis
        if not unknown:
            return self.meta['up_axis']
        clouds = []
        spread = np.linspace(0, len(unknown) - 1, _GUESSED).astype(int)
        for index in np.unique(spread):
            try:
                clouds.append(read_cloud(unknown[index]).points)
            except BadSampleError:
                continue  # it is reported where it is embedded
        if not clouds:
            return self.meta['up_axis']
        guess = guess_up_axis(clouds)
        text = f'up axis {guess.value}, guessed: {guess.told}'
        if guess.is_unsure:
            text = f'{text}; state it (--up-axis, up_axis=)'
        # Once for the same clouds.
        if text != self._told:
            self._told = text
            inform(text)
        return guess.value

    def axis_of(self, file: str, axis: str) -> str:
        """Tell the up axis of a file.

        Args:
            file: The file.
            axis: Of files that do not say it, from :meth:`find_axis`.
        """
        known = KNOWN_AXES.get(_suffix(file), axis)
        return known if self.up_axis == 'auto' else self.up_axis

    def embed(
        self,
        clouds: Sequence[str | np.ndarray],
        axis: str,
        points: bool = False,
        batch_size: int | None = None,
        report: Callable[[int, int], None] | None = None,
        allocate: Callable[..., np.ndarray] = np.empty,
    ) -> list[dict]:
        """Compute the features of some clouds together, see `__call__`.

        Args:
            clouds: Files and arrays.
            axis: The up axis of files that do not say it themselves.
            points: Whether features of points are computed too.
            batch_size: Windows at once.
            report: Called with the share of a single large cloud that is
                done, as two numbers.
            allocate: Makes the array of the points' features from shape and
                dtype.
        """
        opened = [self._open(cloud, axis) for cloud in clouds]
        # Chunks of points that get features once all tiles have theirs.
        later = -(-max(len(c) for c, _, _ in opened) // _CHUNK) * points
        if report is not None:
            report = partial(_report_some, report, later)
        windows = (
            (index, window)
            for index, (coords, _, order) in enumerate(opened)
            for window in self._windows(
                coords[:, order + list(range(3, coords.shape[1]))],
                clouds[index],
                report,
            )
        )
        found: list[list] = [[] for _ in clouds]
        size = batch_size or self.batch_size
        while batch := list(islice(windows, size)):
            for (index, window), result in zip(
                batch, self._encode([w for _, w in batch]), strict=True
            ):
                found[index].append((window, *result))
        results = []
        for cloud, (coords, offset, order), parts in zip(
            clouds, opened, found, strict=True
        ):
            back = np.argsort(order)
            centers = np.concatenate(
                [(w.middle + w.radius * c)[:, back] for w, c, _, _ in parts]
            )
            patches = np.concatenate([features for _, _, features, _ in parts])
            pooled = [pooled for *_, pooled in parts]
            weights = [w.weight for w, *_ in parts]
            result = dict(
                embedding=_merged(pooled, weights),
                patches=patches,
                centers=centers / self.scale + offset,
            )
            if self.concepts is not None:
                vectors = [one['vector'] for one in pooled]
                result['vector'] = np.average(vectors, 0, weights)
            if isinstance(cloud, str):
                result['path'] = cloud
            if points:
                tick = report and partial(report, len(parts), len(parts))
                result['points'] = interpolate(
                    coords[:, :3], centers, patches, allocate, tick
                )
            results.append(result)
        return results

    def embed_turned(self, file: str, axis: str, number: int) -> np.ndarray:
        """Compute the vectors of a cloud turned about its height.

        Args:
            file: The file.
            axis: The up axis where it does not say it itself.
            number: Of turns, in equal steps; the first is the cloud as it is.

        Returns:
            (number, 3C), or 2C without a class token.
        """
        coords, _, order = self._open(file, axis)
        columns = order + list(range(3, coords.shape[1]))
        windows = list(self._windows(coords[:, columns], file, None))
        kinds = list(self.meta.get('features') or ())
        normals: list[int] = []
        if 'normals' in kinds:
            first = 3 + width_of(kinds[: kinds.index('normals')])
            normals = [first, first + 1, first + 2]
        up = np.eye(3)['xyz'.index(self.meta['up_axis'])]
        vectors = []
        for angle in np.arange(number) * 2 * np.pi / number:
            turned = (
                w._replace(points=rotate(w.points, up, angle, normals))
                for w in windows
            )
            pooled: list[dict] = []
            while batch := list(islice(turned, self.batch_size)):
                pooled += [found for _, _, found in self._encode(batch)]
            vectors.append(_merged(pooled, [w.weight for w in windows]))
        return np.stack(vectors)

    def _open(
        self, cloud: str | np.ndarray, axis: str
    ) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Return scaled points, offset, and the axes in our order.

        Features of the student follow the coordinates; those that the cloud
        does not have are 0, as in training.
        """
        names: Sequence[str] = ()
        kinds = self.meta.get('features') or ()
        if isinstance(cloud, str):
            rows, offset, names = read_cloud(cloud)
            axis = self.axis_of(cloud, axis)
        else:
            rows, offset = np.asarray(cloud, np.float64), np.zeros(3)
            axis = self.find_axis([])
            if rows.ndim != 2 or rows.shape[1] < 3 or not len(rows):
                raise BadSampleError(
                    'an array', f'expected (N, 3 + F), got {rows.shape}'
                )
            wrong = ~np.isfinite(rows[:, :3]).all(axis=1)
            if wrong.any():
                raise BadSampleError(
                    'an array',
                    f'{wrong.sum()} of {len(rows)} points have NaN or '
                    f'infinite values, the first is point {wrong.argmax()}',
                )
            if rows.shape[1] == self.student.in_channels:
                rows = rows.copy()
                names = [name for kind in kinds for name in FEATURES[kind]]
        order = turned(axis, self.meta['up_axis'])
        coords = rows[:, :3] * np.float64(self.scale)
        if self.student.in_channels > 3:
            turn_rows(rows, names, order, normals_only=True)
            missing = self.student.in_channels - 3 - width_of(kinds)
            found = gather_features(rows, names, kinds)
            coords = np.hstack([coords, np.pad(found, [(0, 0), (0, missing)])])
        return coords, offset, order

    def _windows(
        self,
        coords: np.ndarray,
        cloud: str | np.ndarray,
        report: Callable[[int, int], None] | None,
    ) -> Iterator[Window]:
        """Cut a cloud (N, 3 + F), turned as the student's, into windows."""
        if np.ptp(coords[:, :3], axis=0).max() <= 0:
            name = cloud if isinstance(cloud, str) else 'an array'
            raise BadSampleError(name, 'all its points are at one place')
        up = 'xyz'.index(self.meta['up_axis'])
        tile, ground = self.tile, np.delete(coords[:, :3], up, axis=1)
        if tile is None and len(coords) > WHOLE:
            tile = tile_side(ground)
        if not tile:
            yield self._window(coords, up)
            return
        parts = cut_tiles(ground, tile)
        for done, (total, rows) in enumerate(parts):
            if report is not None:
                report(done, total)
            yield self._window(coords[rows], up)
        if report is not None:
            report(total, total)

    def _window(self, points: np.ndarray, up: int) -> Window:
        """Place and sample what the student sees at once."""
        coords = points[:, :3]
        if self.meta['normalization'] == 'unit_sphere':
            middle = coords.mean(axis=0)
            radius = np.linalg.norm(coords - middle, axis=1).max()
        else:
            # As scenes: the middle of the floor is 0.
            middle = (coords.min(axis=0) + coords.max(axis=0)) / 2
            middle[up] = np.percentile(coords[:, up], 1)
            radius = 1.0
        weight = len(coords)
        if len(coords) > _THINNED:
            rng = np.random.default_rng(0)
            points = points[rng.choice(len(coords), _THINNED, replace=False)]
        radius = float(max(radius, 1e-9))
        placed = points.astype(np.float32)
        placed[:, :3] = (points[:, :3] - middle) / radius
        found = torch.from_numpy(placed)
        number = self.meta['num_points']
        if len(found) > number:
            chosen = farthest_point_sample(found[None, :, :3], number)[0]
        else:
            chosen = torch.arange(number) % len(found)
        return Window(found[chosen], middle, radius, weight)

    @torch.no_grad()
    def _encode(
        self, windows: Sequence[Window]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, dict]]:
        """Yield centres (G, 3), features (G, C) and pooled ones of each."""
        points = torch.stack([w.points for w in windows]).to(self.device)
        patches = self.student.group(points)
        encoded = self.student.encode(patches)
        pooled = {k: v.float().cpu() for k, v in encoded.pooled().items()}
        if self.concepts is not None:
            concept = self.concepts.model.objectives['concept']
            vectors = concept.predict_vectors(patches.geometry, encoded)
            pooled['vector'] = vectors.float().cpu()
        centers = patches.centers.double().cpu().numpy()
        features = encoded.features.float().cpu().numpy()
        for index in range(len(windows)):
            own = {
                name: value[index].numpy() for name, value in pooled.items()
            }
            yield centers[index], features[index], own

    @property
    def fingerprint(self) -> str:
        """Tell this student with these settings from others."""
        digest = hashlib.sha256()
        model = self.student if self.concepts is None else self.concepts.model
        for name, value in sorted(model.state_dict().items()):
            digest.update(name.encode() + value.cpu().numpy().tobytes())
        settings = (
            self.up_axis,
            self.scale,
            self.tile,
            sorted(self.meta.items()),
            sorted(backbone_settings(self.student).items()),
        )
        digest.update(repr(settings).encode())
        return digest.hexdigest()[:16]


def list_clouds(inputs: Any) -> list[str | np.ndarray]:  # noqa: ANN401
    """List the files and arrays of an input.

    Args:
        inputs: See :class:`Embedder`.
    """
    if isinstance(inputs, torch.Tensor):
        inputs = inputs.detach().cpu().numpy()
    if isinstance(inputs, np.ndarray):
        return list(inputs) if inputs.ndim == 3 else [inputs]
    if isinstance(inputs, str | Path):
        return [*list_files(inputs)]
    return [cloud for one in inputs for cloud in list_clouds(one)]


def in_batches(clouds: Sequence[Cloud], size: int) -> Iterator[list[Cloud]]:
    """Yield clouds in batches; a large one is alone, to save memory.

    Args:
        clouds: Files and arrays.
        size: Of a batch, at most.
    """
    batch: list[Cloud] = []
    for cloud in clouds:
        if isinstance(cloud, str):
            file = Path(cloud)
            is_large = file.is_file() and file.stat().st_size > _LARGE
        else:
            is_large = np.asarray(cloud).nbytes > _LARGE
        if batch and (is_large or len(batch) == size):
            yield batch
            batch = []
        batch.append(cloud)
        if is_large:
            yield batch
            batch = []
    if batch:
        yield batch


def tile_side(ground: np.ndarray) -> float:
    """Choose the side of tiles with about ``TILE_POINTS`` points each.

    What their margins hold comes on top.

    Args:
        ground: (N, 2), without heights.
    """
    low, extent = ground.min(axis=0), np.ptp(ground, axis=0).max()
    cells = np.floor((ground - low) / extent * 63.999).astype(np.int64)
    occupied = len(np.unique(cells[:, 0] * 64 + cells[:, 1]))
    area = occupied * (extent / 64) ** 2
    return float(np.sqrt(area * TILE_POINTS / len(ground)))


def cut_tiles(
    ground: np.ndarray, side: float
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of tiles and the rows of each, with its margin.

    Every point is in at least one tile, which grows by ``OVERLAP`` of its
    side on each side.

    Args:
        ground: (N, 2), without heights.
        side: Of the tiles.
    """
    low = ground.min(axis=0)
    cells = np.floor((ground - low) / side).astype(np.int64)
    # Room for the neighbours beyond the last column.
    width = cells[:, 1].max() + 3
    keys = cells[:, 0] * width + cells[:, 1]
    order = np.argsort(keys, kind='stable')
    present, starts = np.unique(keys[order], return_index=True)
    ends = np.append(starts[1:], len(keys))
    places = {key: place for place, key in enumerate(present.tolist())}
    steps = [i * width + j for i in (-1, 0, 1) for j in (-1, 0, 1)]
    for key in present.tolist():
        near = [places[key + step] for step in steps if key + step in places]
        rows = np.concatenate([order[starts[i] : ends[i]] for i in near])
        corner = low + side * np.array(divmod(key, int(width)))
        away = np.abs(ground[rows] - corner - side / 2).max(axis=1)
        yield len(present), rows[away <= side * (0.5 + OVERLAP)]


def interpolate(
    coords: np.ndarray,
    centers: np.ndarray,
    values: np.ndarray,
    allocate: Callable[..., np.ndarray] = np.empty,
    report: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Give each point the mean of its three nearest patches, (N, C), float16.

    Patches weigh by the inverse of their squared distance.

    Args:
        coords: (N, 3).
        centers: (P, 3).
        values: (P, C).
        allocate: Makes the result from shape and dtype.
        report: Called with the number of chunks of points that are done.
    """
    tree = cKDTree(centers)
    number = min(3, len(centers))
    result = allocate((len(coords), values.shape[1]), np.float16)
    for start in range(0, len(coords), _CHUNK):
        some = coords[start : start + _CHUNK]
        distance, rows = tree.query(some, k=number)
        distance, rows = distance.reshape(-1, number), rows.reshape(-1, number)
        weights = 1 / (distance**2 + 1e-12)
        weights /= weights.sum(axis=1, keepdims=True)
        mean = np.einsum('nk,nkc->nc', weights.astype('f4'), values[rows])
        result[start : start + _CHUNK] = mean
        if report is not None:
            report(start // _CHUNK + 1)
    return result


def principal_colors(patches: np.ndarray) -> np.ndarray:
    """Choose a colour for each patch by its first principal components.

    Args:
        patches: (P, C).

    Returns:
        (P, 3), float32, in [0, 1]; like features, like colours.
    """
    centered = patches - patches.mean(axis=0)
    _, _, axes = np.linalg.svd(centered, full_matrices=False)
    # The sign of an axis is arbitrary; it is fixed for equal colours.
    axes = axes[:3] * np.sign(axes[:3].sum(axis=1, keepdims=True))
    found = np.zeros((len(patches), 3))
    found[:, : len(axes)] = centered @ axes.T
    low, high = np.percentile(found, [2, 98], axis=0)
    shares = (found - low) / np.maximum(high - low, 1e-9)
    return np.clip(shares, 0, 1).astype(np.float32)


def _report_some(
    report: Callable[[int, int], None],
    later: int,
    done: int,
    total: int,
    chunks: int = 0,
) -> None:
    report(done + chunks, total + later)


def _merged(pooled: Sequence[dict], weights: Sequence[int]) -> np.ndarray:
    """Put the pooled features of windows together, (3C,) or (2C,).

    Windows count in the means by their points.
    """
    names = [name for name in ('cls', 'max', 'mean') if name in pooled[0]]
    kinds = {name: np.stack([one[name] for one in pooled]) for name in names}
    return np.concatenate(
        [
            kind.max(axis=0)
            if name == 'max'
            else np.average(kind, axis=0, weights=weights).astype(kind.dtype)
            for name, kind in kinds.items()
        ]
    )


def _suffix(file: str) -> str:
    return Path(file).suffix.lower()
