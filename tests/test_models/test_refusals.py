"""What models refuse, and the offender that the message names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from mmengine.structures import BaseDataElement

from mmdet3d_act.models.classifiers import PointClassifier
from mmdet3d_act.models.distillers import (
    Distiller,
    Objective,
    nearest_image_patches,
)
from mmdet3d_act.models.heads import (
    AlignmentHead,
    ClassificationHead,
    CodeHead,
    CoordinateHead,
    FeatureHead,
    NearestCentersHead,
    PartSegHead,
    SemanticSegHead,
    ThreeDETRHead,
)
from mmdet3d_act.models.layers import (
    PatchDGCNN,
    RandomPatchMask,
    SetAbstraction,
    select,
)
from mmdet3d_act.models.losses import (
    CosineFeatureLoss,
    DetectionSetLoss,
)
from mmdet3d_act.models.necks import (
    ConceptExtractor,
    MaskDecoder,
    MaskedFeatures,
    PatchTokens,
)
from mmdet3d_act.models.target_generators import PatchCoordinates
from mmdet3d_act.models.task_modules import ThreeDETRBoxCoder
from tests.test_models import toys
from tests.test_models.test_distillers import paired
from tests.test_models.test_segmentors import networks

SIZES = dict(in_channels=64, propagation_channels=(24, 16), channels=(16, 8))


def feats(**changes: object) -> dict:
    options = dict(with_cls_token=False, out_indices=(0, 1), **changes)
    return toys.student(**options).eval()(toys.points())


def objective() -> Objective:
    return Objective(
        PatchCoordinates(),
        MaskDecoder(32, num_layers=1, num_heads=4),
        CoordinateHead(32, 4),
    )


def distiller(**changes: object) -> Distiller:
    settings = dict(
        student=toys.student(),
        objectives=dict(mae=objective()),
        mask=RandomPatchMask(0.5),
    )
    return Distiller(**{**settings, **changes})


def classify(*labels: int) -> dict:
    samples = [BaseDataElement(gt_label=torch.tensor([x])) for x in labels]
    return ClassificationHead(8, 5).loss(torch.rand(2, 8), samples)


def codes(target: torch.Tensor) -> dict:
    return CodeHead(32, 6).loss(
        [torch.randn(2, 3, 32)], target, toys.fixed_mask()
    )


def part_head(**changes: object) -> torch.Tensor:
    head = PartSegHead(6, 3, category_channels=4, **SIZES)
    return head({**feats(), **changes})


def points() -> dict:
    return dict(points=toys.points())


def uneven() -> torch.Tensor:
    """A mask of four patches in all: two a row would fit."""
    return torch.tensor([[1, 1, 1], [1, 0, 0]], dtype=torch.bool)


LAYERS = {
    'DGCNN patches': (
        lambda: PatchDGCNN(32, 16, channels=(8, 16))(
            torch.randn(2, 3, 32), torch.randn(2, 3, 3)
        ),
        'num_neighbors=4',
    ),
    'nothing masked': (
        lambda: RandomPatchMask(0.1)(torch.rand(2, 8, 3)),
        '0 of 8',
    ),
    'uneven rows': (
        lambda: select(torch.arange(6).view(2, 3), uneven()),
        r'\[1\]',
    ),
    'no features to abstract': (
        lambda: SetAbstraction(
            num_groups=6,
            radius=0.5,
            group_size=5,
            channels=(8,),
            in_channels=2,
        )(torch.rand(1, 40, 3)),
        'in_channels=2',
    ),
}
BACKBONES = {
    'more patches than points': (
        lambda: toys.student(num_groups=64)(toys.points()),
        '64 > 40',
    ),
    'transfer of a classifier': (
        lambda: PointClassifier(
            toys.student(), ClassificationHead(64, 3), transfer='linaer'
        ),
        'linaer',
    ),
    'vae features': (
        lambda: toys.vae().group(toys.points(channels=6)),
        '2, 40, 6',
    ),
    'test mode': (
        lambda: networks.semantic(test_cfg=dict(mode='sliding')),
        'sliding',
    ),
}
NECKS = {
    'states of other blocks': (
        lambda: ConceptExtractor(32, 3, num_layers=2, num_heads=4)(
            toys.student(out_indices=(1,)).encode(toys.patches())
        ),
        r'\[1\]',
    ),
    'shallow branch without its block': (
        lambda: MaskDecoder(32, num_heads=4, shallow_index=0)(
            toys.student().encode(toys.patches(), toys.fixed_mask()),
            toys.patches(),
            toys.fixed_mask(),
        ),
        'block 0',
    ),
    'features that were not encoded': (
        lambda: MaskDecoder(32, num_heads=4, mask_tokens='encoded')(
            toys.student().encode(toys.patches(), toys.fixed_mask()),
            toys.patches(),
            toys.fixed_mask(),
        ),
        '5 of 8',
    ),
    'no mask tokens at the input': (
        lambda: MaskedFeatures()(
            toys.student().encode(toys.patches(), toys.fixed_mask()),
            toys.patches(),
            toys.fixed_mask(),
        ),
        'mask_tokens',
    ),
    'no class token': (
        lambda: PatchTokens(('cls',))(
            toys.student(with_cls_token=False).encode(toys.patches())
        ),
        'with_cls_token',
    ),
}
HEADS = {
    'no target shape': (
        lambda: AlignmentHead(32, 3)(torch.randn(4, 3, 32)),
        'target_shape',
    ),
    'label above': (lambda: classify(3, 5), '5'),
    'no labels': (
        lambda: ClassificationHead(8, 5).loss(
            torch.rand(2, 8), toys.samples()
        ),
        'gt_label',
    ),
    'classes of the loss': (
        lambda: ThreeDETRHead(5, loss=DetectionSetLoss(6)),
        'num_classes is 5 .* 6',
    ),
    'directions of the box coder': (
        lambda: ThreeDETRHead(
            5, num_angle_bins=12, box_coder=ThreeDETRBoxCoder()
        ),
        'num_angle_bins is 12 .* 1',
    ),
    'features for codes': (lambda: codes(torch.randn(2, 8, 6)), 'Codes'),
    'unknown code': (lambda: codes(torch.full((2, 8), 6)), '6'),
    'target width': (
        lambda: FeatureHead(32, 7).loss(
            [torch.randn(2, 3, 32)], torch.randn(2, 8, 6), toys.fixed_mask()
        ),
        'target_channels',
    ),
    'too few centres': (
        lambda: NearestCentersHead(5, in_channels=32)(
            toys.student(num_groups=2).eval()(toys.points())
        ),
        '2',
    ),
    'semantic label': (
        lambda: SemanticSegHead(5, **SIZES).loss(
            feats(), toys.labelled(torch.full((2, 40), 5))
        ),
        r'\[5\]',
    ),
    'no category': (lambda: part_head(), 'category'),
    'category': (
        lambda: part_head(shape_label=torch.tensor([2, 3])),
        r'\[3\]',
    ),
}
LOSSES = {
    'shapes': (
        lambda: CosineFeatureLoss()(torch.rand(2, 5, 4), torch.rand(2, 5, 3)),
        '2, 5, 3',
    ),
    'box weight': (lambda: DetectionSetLoss(3, giou_weight=-1.0), '-1'),
}
DISTILLERS = {
    'square images': (
        lambda: nearest_image_patches(torch.rand(3, 2), 50),
        '50',
    ),
    'name': (
        lambda: distiller(objectives=dict(mae_loss=objective())),
        'mae_loss',
    ),
    'mask_tokens of the decoder': (
        lambda: distiller(mask_tokens='input').loss(points()),
        'mask_tokens',
    ),
    'no mask': (lambda: distiller(mask=None).loss(points()), 'RandomPatch'),
    'shape of the targets': (
        lambda: Objective(
            paired.VectorTeacher(),
            PatchTokens(),
            AlignmentHead(32, 8, target_shape=(7,)),
        ),
        '7',
    ),
}
TABLES = dict(
    layers=LAYERS,
    backbones=BACKBONES,
    necks=NECKS,
    heads=HEADS,
    losses=LOSSES,
    distillers=DISTILLERS,
)
ROWS = [
    pytest.param(call, offender, id=f'{package}: {name}')
    for package, table in TABLES.items()
    for name, (call, offender) in table.items()
]


@pytest.mark.parametrize(('call', 'offender'), ROWS)
def test_refused(call: Callable[[], object], offender: str) -> None:
    with pytest.raises(ValueError, match=offender):
        call()
