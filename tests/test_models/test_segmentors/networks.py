"""Tiny segmentors that the tests of this folder share."""

from __future__ import annotations

from mmdet3d_act.models.segmentors import PointSegmentor
from mmdet3d_act.registry import MODELS
from tests.test_models import toys

SIZES = dict(in_channels=64, propagation_channels=(24, 16), channels=(16, 8))
BACKBONE = {
    **toys.STUDENT,
    'with_cls_token': False,
    'out_indices': (0, 1),
    'norm_hidden_states': True,
}
PART = dict(
    type='PointSegmentor',
    backbone=BACKBONE,
    decode_head=dict(
        type='PartSegHead',
        num_classes=6,
        num_categories=3,
        category_channels=4,
        **SIZES,
    ),
)
SEMANTIC = dict(
    type='PointSegmentor',
    backbone=BACKBONE,
    decode_head=dict(type='SemanticSegHead', num_classes=5, **SIZES),
)


def part(**changes: object) -> PointSegmentor:
    return toys.randomize(MODELS.build({**PART, **changes}))


def semantic(**changes: object) -> PointSegmentor:
    return toys.randomize(MODELS.build({**SEMANTIC, **changes}))
