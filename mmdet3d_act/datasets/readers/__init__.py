"""Readers of point files, and the error that names a bad one."""

from mmdet3d_act.datasets.readers.errors import BadSampleError
from mmdet3d_act.datasets.readers.points import (
    MESH_FILE_SUFFIXES,
    POINT_FILE_SUFFIXES,
    TEXT_FILE_SUFFIXES,
    PointCloud,
    check_cloud,
    check_header,
    check_labels,
    read_cloud,
    read_points,
)
from mmdet3d_act.datasets.readers.text import is_document
