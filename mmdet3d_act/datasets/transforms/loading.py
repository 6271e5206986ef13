"""Reading a sample's points: clouds, scenes and rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.readers import (
    BadSampleError,
    PointCloud,
    check_cloud,
    check_labels,
    read_cloud,
)
from mmdet3d_act.datasets.readers.columns import (
    FEATURES,
    gather_features,
    take_labels,
    width_of,
)
from mmdet3d_act.datasets.readers.rooms import Room, open_room
from mmdet3d_act.datasets.readers.scenes import (
    place_scan,
    read_scene_mask,
    read_scene_points,
)
from mmdet3d_act.registry import TRANSFORMS, depth_boxes
from mmdet3d_act.text import check_choice, check_least, log_once
from mmdet3d_act.visualization.arrays import turned

if TYPE_CHECKING:
    from mmdet3d.structures.points import BasePoints

# Coordinates, colours, and in rooms the place from 0 to 1.
SCENE_DIMS = (3, 6)
ROOM_DIMS = (3, 6, 9)
ON_EMPTY = ('error', 'origin')
# Draws of a centre before a room counts as one without a block.
_MAX_DRAWS = 200


def file_of(results: dict) -> str:
    """Find a sample's file, also where MMDetection3D's functions put it.

    Args:
        results: Gets ``lidar_path``, where there is one.

    Returns:
        Its path, or for points without a file 'the points'.
    """
    given = results.get('lidar_points', {})
    if 'lidar_path' in given:
        results.setdefault('lidar_path', given['lidar_path'])
    elif 'points' in results:
        return results.get('lidar_path', 'the points')
    return results['lidar_path']


def _rows_of(points: object) -> np.ndarray:
    """Return an array of points, or those of MMDetection3D's `BasePoints`."""
    return np.asarray(getattr(points, 'tensor', points))


def _to_points(rows: np.ndarray) -> BasePoints:
    """Make points of rows (N, 3 + F); those of 6 columns have colours."""
    from mmdet3d.structures.points import DepthPoints

    width = rows.shape[1]
    return DepthPoints(
        torch.from_numpy(rows),
        points_dim=width,
        attribute_dims=dict(color=[3, 4, 5]) if width >= 6 else None,
    )


@TRANSFORMS.register_module()
class LoadPointCloud(BaseTransform):
    """Reads ``lidar_path``, a file of any suffix of `read_points`.

    Unlike MMDetection3D's `LoadPointsFromFile` it reads the header of a
    ``.npy`` file as a header. A data set that holds its arrays, in memory or
    in a pack, puts one into ``raw_points``, which is then taken instead of
    the file.

    Args:
        use_dim: Number of leading columns to keep: the 3 coordinates, and
            more for features.
        npz_key: Name of the array in an ``.npz`` file; None takes the only
            one, or ``points``.
        mesh_points: Number of points drawn on the surface of a mesh.
        ply_faces: Whether ``.ply`` files are meshes. False takes their
            vertices.
        label_column: Column with a label per point: its number, counted
            from 0, its name in the file, or ``'auto'``, see
            :func:`~mmdet3d_act.datasets.readers.columns.find_label_column`.
            None reads no labels. What labels may be is up to the data set,
            which lists them in ``allowed_labels`` of a sample.
        features: Some of ``'color'``, ``'intensity'`` and ``'normals'``,
            which follow the coordinates in this order, from -1 to 1, and
            are 0 where a file does not have them, see
            :func:`~mmdet3d_act.datasets.readers.columns.gather_features`.
        columns: Names of the columns behind the coordinates, for files that
            do not tell them.

    Example:
        >>> load = LoadPointCloud()
        >>> load(dict(lidar_path='cloud.npy'))['points'].shape
        torch.Size([8192, 3])
    """

    def __init__(
        self,
        use_dim: int = 3,
        *,
        npz_key: str | None = None,
        mesh_points: int = 8192,
        ply_faces: bool = False,
        label_column: int | str | None = None,
        features: Sequence[str] = (),
        columns: Sequence[str] = (),
    ) -> None:
        check_least('use_dim', use_dim, 3)
        check_least('mesh_points', mesh_points, 1)
        if isinstance(label_column, int):
            # Labels are no input.
            check_least('label_column', label_column, use_dim)
        for kind in features:
            check_choice('each of features', kind, tuple(FEATURES))
        if features and use_dim > 3:
            raise ValueError(
                'give features by name or by use_dim, not both, got '
                f'{tuple(features)} and {use_dim}'
            )
        self.use_dim = use_dim
        self.label_column = label_column
        self.features = tuple(features)
        self.columns = tuple(columns)
        # What decides, besides the file, which points are read.
        self.read_options: dict[str, Any] = dict(
            npz_key=npz_key, mesh_points=mesh_points, ply_faces=ply_faces
        )

    @property
    def needs_names(self) -> bool:
        """Whether columns are looked for by what they are called."""
        return bool(self.features) or isinstance(self.label_column, str)

    def read(self, results: dict) -> PointCloud:
        """Read all columns of a sample's cloud.

        It is in ``lidar_path``, ``raw_points`` or ``points``, see `transform`.
        """
        path = file_of(results)
        if 'raw_points' in results:
            return check_cloud(results['raw_points'], path, self.use_dim)
        if 'lidar_path' not in results:
            given = _rows_of(results['points'])
            return check_cloud(given, path, self.use_dim)
        return read_cloud(path, use_dim=self.use_dim, **self.read_options)

    def transform(self, results: dict) -> dict:
        """Add the points to a sample.

        Args:
            results: With ``lidar_path``, or ``raw_points`` (N, 3 + F); or as
                MMDetection3D's functions have it: with ``lidar_points``, a
                dict of ``lidar_path``, or with ``points`` (N, 3 + F) alone.

        Returns:
            The sample with ``points``, `BasePoints` of shape (N, use_dim) or
            (N, 3 + F), and with a ``label_column`` ``pts_semantic_mask``
            (N,), int64.
            Where the coordinates are too large for float32, ``offset`` (3,),
            float64, is what gives those of the file when it is added.
        """
        from mmdet3d.structures.points import DepthPoints

        points, offset, names = self.read(results)
        names = results.pop('column_names', names) or self.columns
        results.pop('raw_points', None)
        if offset.any():
            results['offset'] = offset
        path = file_of(results)
        if points.shape[1] < self.use_dim:
            raise BadSampleError(
                path,
                f'expected at least {self.use_dim} columns (use_dim), got '
                f'{points.shape[1]}',
            )
        if self.label_column is not None:
            labels = take_labels(points, names, self.label_column, path)
            allowed = results.get('allowed_labels')
            results['pts_semantic_mask'] = check_labels(labels, path, allowed)
        taken, dims = points[:, : self.use_dim], None
        if self.features:
            found = gather_features(points, names, self.features)
            taken = np.concatenate([taken, found], axis=1)
        if 'normals' in self.features:
            before = self.features[: self.features.index('normals')]
            # What turns points turns these, too.
            first = 3 + width_of(before)
            dims = dict(normals=[first, first + 1, first + 2])
        results['points'] = DepthPoints(
            torch.from_numpy(taken.copy()),
            points_dim=taken.shape[1],
            attribute_dims=dims,
        )
        return results


@TRANSFORMS.register_module()
class LoadFolderScene(LoadPointCloud):
    """Reads a scan of `SceneFolder`, with labels of points or with boxes.

    It is brought to where ``mmdet3d-act predict`` brings scans: metres, z up,
    the middle of the floor at the origin.

    Args:
        ignore_index: Of points whose label is none of the classes'.

    Example:
        >>> LoadFolderScene(ignore_index=20).ignore_index
        20
    """

    def __init__(self, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Add the points to a sample, and their labels or boxes.

        Args:
            results: A sample's information of `SceneFolder`.

        Returns:
            The sample with ``points`` (N, 3), metres, and with
            ``pts_semantic_mask`` (N,), int64, or ``gt_bboxes_3d`` (M, 6 or
            7) and ``gt_labels_3d`` (M,), int64.
        """
        rows, offset, names = self.read(results)
        if results.get('label_values') is not None:
            self._add_labels(results, rows, names)
        order = turned(results['scan_axis'], 'z')
        scale = results['scale']
        coords = rows[:, :3].copy()
        origin = place_scan(coords, (), order, scale=scale, up_axis='z')
        if 'boxes' in results:
            boxes = np.array(results['boxes'], np.float64).reshape(-1, 7)
            boxes[:, :3] = (boxes[:, :3] - offset)[:, order] * scale - origin
            boxes[:, 3:6] = boxes[:, 3:6][:, order] * scale
            results['gt_bboxes_3d'] = depth_boxes(
                torch.from_numpy(boxes.astype(np.float32)),
                turned=results['turned_boxes'],
            )
            results['gt_labels_3d'] = np.array(results['box_labels'], np.int64)
        results['points'] = _to_points(coords)
        return results

    def _add_labels(
        self, results: dict, rows: np.ndarray, names: Sequence[str]
    ) -> None:
        """Number labels by the classes of the data set."""
        names = names or results['columns']
        wanted = results['label_column']
        labels = take_labels(rows, names, wanted, file_of(results))
        values = np.array(results['label_values'])
        places = np.searchsorted(values, labels).clip(max=len(values) - 1)
        results['pts_semantic_mask'] = np.where(
            values[places] == labels, places, self.ignore_index
        ).astype(np.int64)


@TRANSFORMS.register_module()
class LoadScene(BaseTransform):
    """Reads the points of the scene ``lidar_path``, its boxes and masks.

    It takes the place of MMDetection3D's `LoadPointsFromFile` and
    `LoadAnnotations3D`, which trust their files, and load masks that a scene
    with boxes only does not have. The results are theirs, so their
    transforms go on from here. Points that are there already, as those of
    `LoadPointsFromFile`, which MMDetection3D's inference looks for in a test
    pipeline, are checked instead of read.

    Args:
        use_dim: 3: coordinates. 6: also red, green and blue from 0 to 255.
        with_boxes: Whether boxes and their labels are taken over. In testing
            there are none but those for the metric.
        with_semantic_mask: Whether the class of every point is read, in the
            numbers of the file (NYU40), which MMDetection3D's
            `PointSegClassMapping` turns into labels.
        with_instance_mask: Whether the object of every point is read.
        on_empty: For a scene without points: ``'error'``, or ``'origin'``:
            it gets a single one at the origin, with a warning, so that it
            can be stacked with others; it has no masks then.

    Example:
        >>> torch.rand(500, 6).numpy().tofile('scene.bin')
        >>> LoadScene()(dict(lidar_path='scene.bin'))['points'].shape
        torch.Size([500, 3])
    """

    def __init__(
        self,
        use_dim: int = 3,
        *,
        with_boxes: bool = False,
        with_semantic_mask: bool = False,
        with_instance_mask: bool = False,
        on_empty: str = 'error',
    ) -> None:
        check_choice('use_dim', use_dim, SCENE_DIMS)
        check_choice('on_empty', on_empty, ON_EMPTY)
        if on_empty == 'origin' and (with_semantic_mask or with_instance_mask):
            raise ValueError(
                "on_empty='origin' makes a point that no mask has a label "
                "for; leave it at 'error' where masks are read"
            )
        self.use_dim = use_dim
        self.on_empty = on_empty
        self.with_boxes = with_boxes
        self.masks = dict(
            pts_semantic_mask=with_semantic_mask,
            pts_instance_mask=with_instance_mask,
        )

    def transform(self, results: dict) -> dict:
        """Add the points to a sample, and what is asked for.

        Args:
            results: A scene's information as `ScanNetScenes` gives it, or
                as MMDetection3D's functions do for a file or an array:
                ``lidar_points`` or ``points``. These have no masks.

        Returns:
            The sample with ``points`` (N, use_dim), metres; with
            ``gt_bboxes_3d`` (M, 6) and ``gt_labels_3d`` (M,), int64, if it
            is for training; with ``pts_semantic_mask`` and
            ``pts_instance_mask`` (N,), int64, which go into
            ``eval_ann_info`` too, where there is one.
        """
        path = file_of(results)
        rows = self._rows(results, path)
        if not len(rows):
            log_once(
                f'{path}: empty, the scene gets a single point at the origin'
            )
            rows = np.zeros((1, rows.shape[1]), np.float32)
        results['points'] = _to_points(rows[:, : self.use_dim].copy())
        if self.with_boxes and 'ann_info' in results:
            for key in ('gt_bboxes_3d', 'gt_labels_3d'):
                results[key] = results['ann_info'][key]
        for key, wanted in self.masks.items():
            if wanted and f'{key}_path' in results:
                self._load_mask(results, key, len(rows))
        return results

    def _rows(self, results: dict, path: str) -> np.ndarray:
        may_be_empty = self.on_empty == 'origin'
        if 'points' not in results:
            return read_scene_points(
                path,
                results.get('num_pts_feats', 6),
                use_dim=self.use_dim,
                may_be_empty=may_be_empty,
            )
        rows = _rows_of(results['points'])
        if may_be_empty and not len(rows):
            return rows
        return check_cloud(rows, path, self.use_dim).points

    @staticmethod
    def _load_mask(results: dict, key: str, num_points: int) -> None:
        count = None
        if key == 'pts_semantic_mask':
            count = len(results['seg_label_mapping'])
        mask = read_scene_mask(results[f'{key}_path'], num_points, count)
        results[key] = mask
        if 'eval_ann_info' in results:
            results['eval_ann_info'][key] = mask


@TRANSFORMS.register_module()
class LoadRoom(BaseTransform):
    """Reads all points of the room ``lidar_path``.

    Args:
        use_dim: 3: coordinates. 6: also red, green and blue from 0 to 1. 9:
            also the coordinates from 0 to 1 over the room.
        num_classes: Number of labels.

    Example:
        >>> rows = np.random.random((4096, 7)) * [3, 3, 2, 255, 255, 255, 0]
        >>> np.save('room.npy', rows)
        >>> LoadRoom()(dict(lidar_path='room.npy'))['points'].shape
        torch.Size([4096, 3])
    """

    def __init__(self, use_dim: int = 3, *, num_classes: int = 13) -> None:
        check_choice('use_dim', use_dim, ROOM_DIMS)
        self.use_dim = use_dim
        self.num_classes = num_classes

    def transform(self, results: dict) -> dict:
        """Add the points to a sample, and their labels.

        Args:
            results: With ``lidar_path``, or as MMDetection3D's functions give
                it, ``lidar_points``.

        Returns:
            The sample with ``points`` (N, use_dim), metres, the room's
            smallest coordinates are 0, and ``pts_semantic_mask`` (N,), int64.
        """
        room = open_room(file_of(results), self.num_classes)
        self._take(results, room, room.rows, np.zeros(3))
        return results

    def _take(
        self, results: dict, room: Room, rows: np.ndarray, origin: np.ndarray
    ) -> None:
        """Put rows of a room into a sample, relative to a place in it."""
        coords = rows[:, :3] - room.low
        columns = [coords - origin]
        if self.use_dim >= 6:
            columns.append(rows[:, 3:6] / 255)
        if self.use_dim == 9:
            extent = room.high - room.low
            columns.append(coords / np.where(extent > 0, extent, 1))
        points = np.concatenate(columns, axis=1, dtype=np.float32)
        results['points'] = _to_points(points)
        results['pts_semantic_mask'] = rows[:, 6].astype(np.int64)


@TRANSFORMS.register_module()
class LoadRoomBlock(LoadRoom):
    """Reads points of a random block of the room ``lidar_path``.

    A point of the room, drawn at random, is the centre of a square column of
    the room's height; it is drawn again where the column holds too little.
    Of its points ``num_points`` are drawn, without replacement where there
    are enough. x and y become relative to the centre, z is the height above
    the room's lowest point.

    Args:
        num_points: Number of points.
        block_size: Side of the square, metres.
        min_points: A block has more than so many points.
        use_dim: As `LoadRoom` takes it.
        num_classes: Number of labels.

    Example:
        >>> rows = np.random.random((9000, 7)) * [2, 2, 2, 255, 255, 255, 0]
        >>> np.save('room.npy', rows)
        >>> LoadRoomBlock(512)(dict(lidar_path='room.npy'))['points'].shape
        torch.Size([512, 3])

    Source: ``S3DISDataset`` of the published code
    (``semantic_segmentation/dataset.py``).
    """

    def __init__(
        self,
        num_points: int,
        *,
        block_size: float = 1.0,
        min_points: int = 1024,
        use_dim: int = 3,
        num_classes: int = 13,
    ) -> None:
        super().__init__(use_dim, num_classes=num_classes)
        check_least('num_points', num_points, 1)
        check_least('min_points', min_points, 0)
        check_least('block_size', block_size, 1e-6)
        self.num_points = num_points
        self.block_size = block_size
        self.min_points = min_points

    def transform(self, results: dict) -> dict:
        """Add the points of a block to a sample, and their labels.

        Returns:
            The sample with ``points`` (num_points, use_dim), metres, and
            ``pts_semantic_mask`` (num_points,), int64.
        """
        path = results['lidar_path']
        room = open_room(path, self.num_classes)
        center, inside = self._draw_block(room, path)
        few = len(inside) < self.num_points
        chosen = np.random.choice(inside, self.num_points, replace=few)
        origin = np.array([*(center - room.low[:2]), 0.0])
        self._take(results, room, room.rows[chosen], origin)
        return results

    def _draw_block(
        self, room: Room, path: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw the centre (2,) and the points of a block, as indices."""
        x, y = room.rows[:, 0], room.rows[:, 1]
        half = self.block_size / 2
        for _ in range(_MAX_DRAWS):
            row = np.random.randint(len(room.rows))
            center = room.rows[row, :2].astype(np.float64)
            low, high = center - half, center + half
            inside = np.flatnonzero((x >= low[0]) & (x <= high[0]))
            beside = y[inside]
            inside = inside[(beside >= low[1]) & (beside <= high[1])]
            if len(inside) > self.min_points:
                return center, inside
        raise BadSampleError(
            path,
            f'{_MAX_DRAWS} draws gave no block of {self.block_size} m with '
            f'more than {self.min_points} points (min_points); lower '
            'min_points, or leave out the room',
        )
