"""The version of mmdet3d_act: the only place that states it."""

__version__ = '0.1.0'
