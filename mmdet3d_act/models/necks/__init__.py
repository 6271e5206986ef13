"""Between the student and a head."""

from mmdet3d_act.models.necks.concept_extractor import ConceptExtractor
from mmdet3d_act.models.necks.mask_decoder import MaskDecoder
from mmdet3d_act.models.necks.patch_projection import PatchProjection
from mmdet3d_act.models.necks.side_tuning import SideTuning
from mmdet3d_act.models.necks.student_features import (
    MaskedFeatures,
    PatchTokens,
)
