"""Between the student and a head."""

from mmdet3d_act.models.necks.concept_extractor import ConceptExtractor
from mmdet3d_act.models.necks.mask_decoder import MaskDecoder
from mmdet3d_act.models.necks.masked_features import MaskedFeatures
from mmdet3d_act.models.necks.patch_projection import PatchProjection
from mmdet3d_act.models.necks.patch_tokens import PatchTokens
from mmdet3d_act.models.necks.side_tuning import SideTuning

__all__ = [
    'ConceptExtractor',
    'MaskDecoder',
    'MaskedFeatures',
    'PatchProjection',
    'PatchTokens',
    'SideTuning',
]
