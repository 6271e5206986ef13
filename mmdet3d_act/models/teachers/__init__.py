"""Teachers: pretrained Transformers that point clouds learn from."""

from mmdet3d_act.models.teachers.base import (
    TeacherEncoder,
    TeacherSpec,
    TokenTeacher,
)
from mmdet3d_act.models.teachers.clipcap import ClipCapMapping
from mmdet3d_act.models.teachers.image_encoder import (
    FrozenTeacher,
    ImageEncoder,
)
from mmdet3d_act.models.teachers.language_teacher import LanguageTeacher
from mmdet3d_act.models.teachers.open_clip_teacher import (
    OpenCLIPImageEncoder,
    OpenCLIPTeacher,
)
from mmdet3d_act.models.teachers.timm_teacher import (
    TimmImageEncoder,
    TimmTeacher,
)
