"""Between the student and a head."""

from mmdet3d_act.models.necks.mask_decoder import MaskDecoder

__all__ = ['MaskDecoder']
