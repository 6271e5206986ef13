"""Teachers: pretrained Transformers that point clouds learn from."""

from mmdet3d_act.models.teachers.base import (
    TeacherEncoder,
    TeacherStates,
    TokenTeacher,
)
from mmdet3d_act.models.teachers.clipcap import ClipCapMapping
from mmdet3d_act.models.teachers.frozen_teacher import FrozenTeacher
from mmdet3d_act.models.teachers.image_encoder import ImageEncoder
from mmdet3d_act.models.teachers.image_teacher import (
    ImageTeacher,
    refuse_prompts,
)
from mmdet3d_act.models.teachers.language_teacher import LanguageTeacher
from mmdet3d_act.models.teachers.open_clip_image_encoder import (
    OpenCLIPImageEncoder,
)
from mmdet3d_act.models.teachers.open_clip_teacher import OpenCLIPTeacher
from mmdet3d_act.models.teachers.timm_image_encoder import TimmImageEncoder
from mmdet3d_act.models.teachers.timm_teacher import TimmTeacher

__all__ = [
    'ClipCapMapping',
    'FrozenTeacher',
    'ImageEncoder',
    'ImageTeacher',
    'LanguageTeacher',
    'OpenCLIPImageEncoder',
    'OpenCLIPTeacher',
    'TeacherEncoder',
    'TeacherStates',
    'TimmImageEncoder',
    'TimmTeacher',
    'TokenTeacher',
    'refuse_prompts',
]
