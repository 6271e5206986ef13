"""Between the student and a head."""

from mmdet3d_act.models.necks.mask_decoder import MaskDecoder
from mmdet3d_act.models.necks.masked_features import MaskedFeatures

__all__ = ['MaskDecoder', 'MaskedFeatures']
