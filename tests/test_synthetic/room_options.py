"""A small set of rooms, written once for all tests that read it."""

from __future__ import annotations

from mmdet3d_act.synthetic.options import RoomScanOptions, RoomSetOptions

# The first four rooms of a split hold all classes.
SMALL_SET = RoomSetOptions(
    num_train=4,
    num_val=1,
    scan=RoomScanOptions(
        num_points=9000, num_views=12, width=96, height=72, min_points=5
    ),
)
