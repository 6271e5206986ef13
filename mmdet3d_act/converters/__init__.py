"""From published parameter names to ours."""

from mmdet3d_act.converters.conversion import (
    Conversion,
    config_text,
    plan_conversion,
    write_checkpoint,
)
from mmdet3d_act.converters.keys import convert, convert_teacher
from mmdet3d_act.converters.reading import PublishedFile, read_published
