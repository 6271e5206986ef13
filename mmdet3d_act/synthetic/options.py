"""Options of sets of shapes and of rooms; equal options give equal files."""

from __future__ import annotations

import dataclasses
import math

from .catalog import category_names, get_category


def _check(options: object, low: float, high: float, *names: str) -> None:
    """Raise a ValueError for the first option that is out of a range."""
    for name in names:
        value = getattr(options, name)
        if not low <= value <= high:
            raise ValueError(
                f'{name} must be in [{low:g}, {high:g}], got {value}'
            )


@dataclasses.dataclass(frozen=True)
class ScanOptions:
    """How an object becomes a cloud.

    Args:
        one_sided: Only what a depth camera sees from one random place; the
            object is turned at random about the up axis. False: the complete
            surface in its canonical pose.
        noise: Standard deviation of the measurement in object radii; it
            grows with the squared depth and acts mostly along the ray.
        tilt: Largest tilt of the up axis, in degrees.
        clutter: Mean share of points on the floor and on small things lying
            there; every cloud draws its own share, up to twice this.
    """

    one_sided: bool = True
    noise: float = 0.01
    tilt: float = 30.0
    clutter: float = 0.06

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self, 0, 1, 'noise')
        _check(self, 0, 180, 'tilt')
        _check(self, 0, 0.5, 'clutter')


@dataclasses.dataclass(frozen=True)
class ShapeSetOptions:
    """What a set of shapes holds.

    Args:
        num_pretrain: Unlabelled training clouds, over all categories.
        num_pretrain_test: Unlabelled test clouds, over all categories.
        num_train_per_class: Labelled training clouds per category.
        num_val_per_class: Labelled clouds per category for choosing settings.
        num_test_per_class: Labelled test clouds per category.
        num_points: Points per cloud.
        scan: Complete clouds or one-sided scans, noise, tilt, clutter.
        seed: Seed of every random stream, at least 0.
        categories: Names of the categories; empty means all.
        parts: Write the labelled clouds with part labels as well.
    """

    num_pretrain: int = 1200
    num_pretrain_test: int = 120
    num_train_per_class: int = 40
    num_val_per_class: int = 20
    num_test_per_class: int = 40
    num_points: int = 2048
    scan: ScanOptions = dataclasses.field(default_factory=ScanOptions)
    seed: int = 0
    categories: tuple[str, ...] = ()
    parts: bool = False

    def __post_init__(self) -> None:
        """Check the ranges and fill in the categories."""
        names = {field.name for field in dataclasses.fields(self)}
        counts = [name for name in names if name.startswith('num_')]
        _check(self, 0, math.inf, 'seed', *sorted(counts))
        _check(self, 16, math.inf, 'num_points')
        names = set(self.categories or category_names())
        for name in names:
            get_category(name)
        object.__setattr__(self, 'categories', tuple(sorted(names)))


@dataclasses.dataclass(frozen=True)
class RoomScanOptions:
    """How a room is scanned.

    Args:
        num_points: Points of the cloud, at most.
        num_views: RGB-D frames.
        width: Width of a frame, pixels.
        height: Height of a frame, pixels.
        noise: Strength of the noise of depth and colour; 1 is a first
            Kinect's, growing with the squared depth.
        min_points: Things with fewer points in the cloud have no box and
            their points no label.
        turned: Boxes follow the turn of a thing about the up axis, as in SUN
            RGB-D. False: they are parallel to the walls, as in ScanNet.
    """

    num_points: int = 50000
    num_views: int = 24
    width: int = 320
    height: int = 240
    noise: float = 0.4
    min_points: int = 30
    turned: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self, 100, math.inf, 'num_points')
        _check(self, 1, math.inf, 'num_views', 'min_points')
        _check(self, 24, math.inf, 'width', 'height')
        _check(self, 0, math.inf, 'noise')


VAL_START = 5000  # number of the first room for validation


@dataclasses.dataclass(frozen=True)
class RoomSetOptions:
    """What a set of rooms holds.

    Args:
        num_train: Rooms for training.
        num_val: Rooms for validation.
        scan: Points and frames of a room.
        frames: Write the RGB-D frames as well.
        seed: Seed of every random stream, at least 0.
    """

    num_train: int = 100
    num_val: int = 25
    scan: RoomScanOptions = dataclasses.field(default_factory=RoomScanOptions)
    frames: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self, 0, VAL_START, 'num_train', 'num_val')
        _check(self, 0, math.inf, 'seed')
