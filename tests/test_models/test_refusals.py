"""What models refuse, and the offender that the message names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from mmengine.structures import BaseDataElement

from mmdet3d_act.models.backbones import ThreeDETREncoder
from mmdet3d_act.models.classifiers import PointClassifier
from mmdet3d_act.models.classifiers.transfer import keeps_backbone
from mmdet3d_act.models.distillers import Distiller, Objective
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
    Attention,
    BlockPatchMask,
    CrossAttention,
    DropPath,
    FeaturePropagation,
    FoldingDecoder,
    FourierPosition,
    PatchDGCNN,
    QueryAttention,
    RandomPatchMask,
    SetAbstraction,
    SlidingWindows,
    ThreeDETRDecoder,
    TransformerEncoder,
    make_patches,
    select,
)
from mmdet3d_act.models.layers.prompts import Prompts
from mmdet3d_act.models.losses import (
    CosineFeatureLoss,
    DetectionSetLoss,
    NTXentFeatureLoss,
    PatchChamferLoss,
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
    'Attention heads': (lambda: Attention(32, 5), '5'),
    'QueryAttention heads': (lambda: QueryAttention(10, 4), 'num_heads'),
    'DGCNN patches': (
        lambda: PatchDGCNN(32, 16, channels=(8, 16))(
            torch.randn(2, 3, 32), torch.randn(2, 3, 3)
        ),
        'num_neighbors=4',
    ),
    'folding': (lambda: FoldingDecoder(6, 30), '30'),
    'odd width': (lambda: FourierPosition(7), '7'),
    'random ratio': (lambda: RandomPatchMask(0.0), '0.0'),
    'block ratio': (lambda: BlockPatchMask(1.0), '1.0'),
    'negative ratio': (lambda: RandomPatchMask(-0.2), '-0.2'),
    'nothing masked': (
        lambda: RandomPatchMask(0.1)(torch.rand(2, 8, 3)),
        '0 of 8',
    ),
    'uneven rows': (
        lambda: select(torch.arange(6).view(2, 3), uneven()),
        r'\[3, 1\]',
    ),
    'one index only': (
        lambda: make_patches(
            toys.points(), 8, 4, center_indices=torch.zeros(2, 8).long()
        ),
        'got only one',
    ),
    'indices of other sizes': (
        lambda: make_patches(
            toys.points(),
            8,
            4,
            center_indices=torch.zeros(2, 8).long(),
            neighbor_indices=torch.zeros(2, 8, 6).long(),
        ),
        '8, 6',
    ),
    'prompt mode': (lambda: Prompts(4, 8, 2, mode='wide'), 'wide'),
    'no prompts': (lambda: Prompts(0, 8, 2), 'none'),
    'prompts of a later block': (
        lambda: Prompts(4, 8, 2, mode='shallow')(1, 2),
        'block 1',
    ),
    'no propagation layer': (lambda: FeaturePropagation(12, ()), 'none'),
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
    'no decoder layer': (lambda: ThreeDETRDecoder(16, 0, 4, 24), 'num_layers'),
    'drop path': (lambda: DropPath(1.0), '1.0'),
    'position': (lambda: TransformerEncoder(32, 2, 4, position='x'), "'x'"),
    'no block': (lambda: TransformerEncoder(32, 0, 4), '0'),
    'window points': (lambda: SlidingWindows(num_points=0), 'num_points'),
    'window batch': (lambda: SlidingWindows(batch_size=0), 'batch_size'),
    'window votes': (lambda: SlidingWindows(num_votes=0), 'num_votes'),
    'window size': (lambda: SlidingWindows(block_size=0), 'block_size'),
    'window rate': (lambda: SlidingWindows(sample_rate=1.5), '1.5'),
    'window fusion': (lambda: SlidingWindows(fusion='sum'), 'sum'),
}
BACKBONES = {
    'more channels': (
        lambda: toys.student()(toys.points(channels=6)),
        'in_channels=3 .* 6',
    ),
    'fewer channels': (
        lambda: toys.student(in_channels=6)(toys.points()),
        'in_channels=6 .* 3',
    ),
    'out_indices': (lambda: toys.student(out_indices=(2,)), '2'),
    'negative out_indices': (lambda: toys.student(out_indices=(-1,)), '-1'),
    'frozen_stages': (lambda: toys.student(frozen_stages=3), '3'),
    'negative frozen_stages': (lambda: toys.student(frozen_stages=-2), '-2'),
    'more patches than points': (
        lambda: toys.student(num_groups=64)(toys.points()),
        '64 > 40',
    ),
    'radii': (
        lambda: ThreeDETREncoder(num_layers=3, masking_radii=(0.4, 0.8)),
        '3 layers',
    ),
    'transfer': (lambda: keeps_backbone('linaer'), 'linaer'),
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
    'vae group_size': (lambda: toys.vae(group_size=6), '6'),
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
    'blocks of concepts': (
        lambda: ConceptExtractor(32, num_heads=4, num_layers=0),
        'num_layers',
    ),
    'states of other blocks': (
        lambda: ConceptExtractor(32, 3, num_layers=2, num_heads=4)(
            toys.student(out_indices=(1,)).encode(toys.patches())
        ),
        r'\[1\]',
    ),
    'place of mask tokens': (lambda: MaskDecoder(mask_tokens='out'), 'out'),
    'shallow branch of all patches': (
        lambda: MaskDecoder(mask_tokens='input', shallow_index=0),
        'shallow_index',
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
    'pooling': (lambda: PatchTokens(('max', 'sum')), 'sum'),
}
HEADS = {
    'no target shape': (
        lambda: AlignmentHead(32, 3)(torch.randn(4, 3, 32)),
        'target_shape',
    ),
    'target of three sizes': (
        lambda: AlignmentHead(32, 3).set_target_shape((2, 3, 4)),
        '2, 3, 4',
    ),
    'target of nothing': (
        lambda: AlignmentHead(32, 3).set_target_shape((0,)),
        '0',
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
    'label below 0': (lambda: classify(3, -1), '-1'),
    'label above': (lambda: classify(3, 5), '5'),
    'no labels': (
        lambda: ClassificationHead(8, 5).loss(
            torch.rand(2, 8), toys.samples()
        ),
        'gt_label',
    ),
    'one class': (lambda: ClassificationHead(8, 1), 'num_classes'),
    'smoothing': (lambda: ClassificationHead(8, 5, label_smoothing=1.0), '1'),
    'features for codes': (lambda: codes(torch.randn(2, 8, 6)), 'Codes'),
    'codes of another type': (
        lambda: codes(torch.zeros(2, 8, dtype=torch.int32)),
        'Codes',
    ),
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
    'one width': (lambda: NearestCentersHead(5, channels=(8,)), '8'),
    'other channels': (
        lambda: NearestCentersHead(5, in_channels=96)(feats()),
        'in_channels=96',
    ),
    'semantic channels': (
        lambda: SemanticSegHead(5, **{**SIZES, 'in_channels': 96})(feats()),
        'in_channels=96',
    ),
    'class weights': (
        lambda: SemanticSegHead(5, class_weight=[1.0, 2.0], **SIZES),
        '5',
    ),
    'weight below 0': (
        lambda: SemanticSegHead(5, **SIZES).set_class_weight([1, 1, 1, 1, -1]),
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
    'fewer categories': (
        lambda: part_head(shape_label=torch.tensor([1])),
        '1',
    ),
    'category': (
        lambda: part_head(shape_label=torch.tensor([2, 3])),
        r'\[2, 3\]',
    ),
}
LOSSES = {
    'norm': (lambda: PatchChamferLoss('l3'), 'l3'),
    'shapes': (
        lambda: CosineFeatureLoss()(torch.rand(2, 5, 4), torch.rand(2, 5, 3)),
        '2, 5, 3',
    ),
    'scope': (lambda: NTXentFeatureLoss(scope='room'), 'room'),
    'temperature': (lambda: NTXentFeatureLoss(temperature=0.0), '0.0'),
    'box weight': (lambda: DetectionSetLoss(3, giou_weight=-1.0), '-1'),
    'no query': (lambda: HungarianSetAssigner(queries_per_box=0), '0'),
}
DISTILLERS = {
    'no objective': (lambda: distiller(objectives={}), 'none'),
    'name': (
        lambda: distiller(objectives=dict(mae_loss=objective())),
        'mae_loss',
    ),
    'mode': (lambda: distiller()(points(), mode='train'), 'train'),
    'mask_tokens': (lambda: distiller(mask_tokens='student'), 'student'),
    'mask_tokens of the decoder': (
        lambda: distiller(mask_tokens='input').loss(points()),
        'mask_tokens',
    ),
    'no mask': (lambda: distiller(mask=None).loss(points()), 'RandomPatch'),
    'predictions': (lambda: distiller(predicts=('images',)), 'images'),
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
