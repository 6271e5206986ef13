"""Operations on batches of points: plain functions on tensors, any device.

Every function takes ``(B, N, 3)`` coordinates, computes in float32 (float64
stays) whatever autocast says, returns int64 indices, and answers input that
it cannot work on with a ValueError that names the argument and the offender.
"""

from mmdet3d_act.ops._checks import check_positive, is_plain, require
from mmdet3d_act.ops.boxes3d import (
    box_corners,
    box_hulls,
    count_points_in_boxes,
    points_in_boxes,
)
from mmdet3d_act.ops.chamfer import (
    NearestDistances,
    chamfer_distance,
    f_score,
    nearest_distances,
)
from mmdet3d_act.ops.grouping import PointGroups, gather_points, group_points
from mmdet3d_act.ops.interpolation import three_interpolate, three_nn
from mmdet3d_act.ops.iou3d import giou3d, iou3d
from mmdet3d_act.ops.neighbors import ball_query, knn
from mmdet3d_act.ops.sampling import farthest_point_sample
