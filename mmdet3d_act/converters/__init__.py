"""From published parameter names to ours."""

from mmdet3d_act.converters.keys import convert
from mmdet3d_act.converters.published_teacher import convert_teacher

__all__ = ['convert', 'convert_teacher']
