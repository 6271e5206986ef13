"""Whole jobs as functions, for tools and notebooks."""

from mmdet3d_act.apis.runs import RunProgress, prepare_config, train, validate

__all__ = ['RunProgress', 'prepare_config', 'train', 'validate']
