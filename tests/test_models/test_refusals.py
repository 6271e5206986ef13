"""What models refuse, and the offender that the message names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from mmengine.structures import BaseDataElement

from mmdet3d_act.models.backbones import ThreeDETREncoder
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
)
from mmdet3d_act.models.layers import (
    CrossAttention,
    FoldingDecoder,
    PatchDGCNN,
    QueryAttention,
    RandomPatchMask,
    SetAbstraction,
    SlidingWindows,
    TransformerEncoder,
    make_patches,
    select,
)
from mmdet3d_act.models.layers.prompts import Prompts
from mmdet3d_act.models.losses import (
    CosineFeatureLoss,
    DetectionSetLoss,
    NTXentFeatureLoss,
)
from mmdet3d_act.models.necks import (
    ConceptExtractor,
    MaskDecoder,
    MaskedFeatures,
    PatchProjection,
    PatchTokens,
)
from mmdet3d_act.models.target_generators import PatchCoordinates
from mmdet3d_act.models.task_modules import HungarianSetAssigner
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
    'CrossAttention heads': (lambda: CrossAttention(32, 5), '32 and 5'),
    'QueryAttention heads': (lambda: QueryAttention(10, 4), 'num_heads'),
    'DGCNN patches': (
        lambda: PatchDGCNN(32, 16, channels=(8, 16))(
            torch.randn(2, 3, 32), torch.randn(2, 3, 3)
        ),
        'num_neighbors=4',
    ),
    'folding': (lambda: FoldingDecoder(6, 30), '30'),
    'random ratio': (lambda: RandomPatchMask(0.0), '0.0'),
    'nothing masked': (
        lambda: RandomPatchMask(0.1)(torch.rand(2, 8, 3)),
        '0 of 8',
    ),
    'uneven rows': (
        lambda: select(torch.arange(6).view(2, 3), uneven()),
        r'\[1\]',
    ),
    'one index only': (
        lambda: make_patches(
            toys.points(), 8, 4, center_indices=torch.zeros(2, 8).long()
        ),
        'got only one',
    ),
    'prompt mode': (lambda: Prompts(4, 8, 2, mode='wide'), 'wide'),
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
    'position': (lambda: TransformerEncoder(32, 2, 4, position='x'), "'x'"),
    'window points': (lambda: SlidingWindows(num_points=0), 'num_points'),
    'window rate': (lambda: SlidingWindows(sample_rate=1.5), '1.5'),
    'window fusion': (lambda: SlidingWindows(fusion='sum'), 'sum'),
}
BACKBONES = {
    'more channels': (
        lambda: toys.student()(toys.points(channels=6)),
        'in_channels=3 .* 6',
    ),
    'out_indices': (lambda: toys.student(out_indices=(2,)), '2'),
    'frozen_stages': (lambda: toys.student(frozen_stages=3), '3'),
    'more patches than points': (
        lambda: toys.student(num_groups=64)(toys.points()),
        '64 > 40',
    ),
    'radii': (
        lambda: ThreeDETREncoder(num_layers=3, masking_radii=(0.4, 0.8)),
        '3 layers',
    ),
    'transfer of a classifier': (
        lambda: PointClassifier(
            toys.student(), ClassificationHead(64, 3), transfer='linaer'
        ),
        'linaer',
    ),
    'vae mode': (lambda: toys.vae()(points(), mode='train'), 'train'),
    'vae features': (
        lambda: toys.vae().group(toys.points(channels=6)),
        '2, 40, 6',
    ),
    'vae chunk': (lambda: toys.vae(chunk_size=0), '0'),
    'segmentor mode': (lambda: networks.semantic()(points(), mode='x'), 'x'),
    'test mode': (
        lambda: networks.semantic(test_cfg=dict(mode='sliding')),
        'sliding',
    ),
    'test option': (
        lambda: networks.semantic(test_cfg=dict(mode='whole', stride=0.5)),
        'stride',
    ),
}
NECKS = {
    'concepts': (
        lambda: ConceptExtractor(32, num_heads=4, num_concepts=0),
        'num_concepts',
    ),
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
    'another width': (
        lambda: PatchProjection(32, 12)(feats(embed_dims=16)),
        'in_channels=32 .* 16',
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
    'fewer tokens': (
        lambda: AlignmentHead(32, 3, target_shape=(6,))(torch.randn(4, 2, 32)),
        '3 tokens',
    ),
    'target of another shape': (
        lambda: AlignmentHead(32, 3, target_shape=(2, 6)).loss(
            torch.randn(4, 3, 32), torch.randn(4, 12)
        ),
        '4, 12',
    ),
    'label above': (lambda: classify(3, 5), '5'),
    'no labels': (
        lambda: ClassificationHead(8, 5).loss(
            torch.rand(2, 8), toys.samples()
        ),
        'gt_label',
    ),
    'one class': (lambda: ClassificationHead(8, 1), 'num_classes'),
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
    'other channels': (
        lambda: NearestCentersHead(5, in_channels=96)(feats()),
        'in_channels=96',
    ),
    'class weights': (
        lambda: SemanticSegHead(5, class_weight=[1.0, 2.0], **SIZES),
        '5',
    ),
    'semantic label': (
        lambda: SemanticSegHead(5, **SIZES).loss(
            feats(), toys.labelled(torch.full((2, 40), 5))
        ),
        r'\[5\]',
    ),
    'labels of fewer points': (
        lambda: SemanticSegHead(5, **SIZES).loss(
            feats(), toys.labelled(torch.zeros(2, 39).long())
        ),
        '2, 39',
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
    'temperature': (lambda: NTXentFeatureLoss(temperature=0.0), '0.0'),
    'box weight': (lambda: DetectionSetLoss(3, giou_weight=-1.0), '-1'),
    'no query': (lambda: HungarianSetAssigner(queries_per_box=0), '0'),
}
DISTILLERS = {
    'square images': (
        lambda: nearest_image_patches(torch.rand(3, 2), 50),
        '50',
    ),
    'no objective': (lambda: distiller(objectives={}), 'none'),
    'name': (
        lambda: distiller(objectives=dict(mae_loss=objective())),
        'mae_loss',
    ),
    'mask_tokens': (lambda: distiller(mask_tokens='student'), 'student'),
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
