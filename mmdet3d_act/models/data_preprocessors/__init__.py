"""Data preprocessors."""

from mmdet3d_act.models.data_preprocessors.point_cloud_preprocessor import (
    PointCloudPreprocessor,
)
