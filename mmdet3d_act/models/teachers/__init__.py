"""Teachers: pretrained Transformers that point clouds learn from."""

from mmdet3d_act.models.teachers.base import (
    TeacherEncoder,
    TeacherStates,
    TokenTeacher,
)
from mmdet3d_act.models.teachers.image_teacher import (
    ImageTeacher,
    refuse_prompts,
)
from mmdet3d_act.models.teachers.language_teacher import LanguageTeacher
from mmdet3d_act.models.teachers.open_clip_teacher import OpenCLIPTeacher
from mmdet3d_act.models.teachers.timm_teacher import TimmTeacher

__all__ = [
    'ImageTeacher',
    'LanguageTeacher',
    'OpenCLIPTeacher',
    'TeacherEncoder',
    'TeacherStates',
    'TimmTeacher',
    'TokenTeacher',
    'refuse_prompts',
]
