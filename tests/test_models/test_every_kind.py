"""What every registered kind of model keeps: one table, five promises."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

import mmdet3d_act.models  # noqa: F401 (registers the kinds)
from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.registry import HAS_MMDET3D, MODELS
from tests.test_models import toys
from tests.test_models.test_detectors import scenes
from tests.test_models.test_segmentors import networks

Run = Callable[[nn.Module], list[Tensor]]


class Kind(NamedTuple):
    """A tiny config, what is computed of it, and the shapes of that."""

    config: dict
    run: Run
    shapes: list[tuple[int, ...]]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=toys.seeded(seed))


def encoded(num_patches: int) -> EncodedPatches:
    hidden = {i: normal(2, num_patches, 32, seed=i + 2) for i in (0, 1)}
    return EncodedPatches(
        normal(2, num_patches, 32), normal(2, 32, seed=1), hidden
    )


def feats() -> dict:
    student = toys.student(out_indices=(0, 1), norm_hidden_states=True)
    with torch.no_grad():
        return {
            **student.eval()(toys.points()),
            'shape_label': torch.tensor([2, 0]),
        }


def student_run(student: nn.Module) -> list[Tensor]:
    out = student.encode(student.group(toys.points()), toys.fixed_mask())
    return [out.features, out.cls_token]


def masked(num_patches: int) -> Run:
    """Return what runs a neck on a student's output, and a mask."""
    return lambda neck: list(
        neck(encoded(num_patches), toys.patches(), toys.fixed_mask())
    )


def masked_loss(target: Tensor) -> Run:
    """Return what runs a head of masked patches."""
    return lambda head: [
        head.loss([normal(2, 3, 32)], target, toys.fixed_mask())['loss']
    ]


def pair_loss(*shape: int) -> Run:
    return lambda loss: [loss(normal(*shape), normal(*shape, seed=1))]


def total(
    model: nn.Module, samples: list[BaseDataElement], **inputs: Tensor
) -> list[Tensor]:
    inputs = dict(points=toys.points(), **inputs)
    loss, _ = model.parse_losses(model(inputs, samples, mode='loss'))
    return [loss]


def boxes(outputs: dict) -> list[Tensor]:
    """Everything that a detection head predicts."""
    names = ('cls_logits', 'center_offset', 'size_logits')
    return [
        outputs[name] for name in (*names, 'angle_logits', 'angle_residual')
    ]


def labels() -> list[BaseDataElement]:
    return [BaseDataElement(gt_label=torch.tensor([i])) for i in (2, 0)]


def parts(classes: int) -> list[BaseDataElement]:
    shape = (2, toys.NUM_POINTS)
    return toys.labelled(
        torch.randint(classes, shape, generator=toys.seeded(3))
    )


ENCODER = dict(
    type='ThreeDETREncoder',
    embed_dims=32,
    num_layers=1,
    feedforward_dims=24,
    num_groups=8,
    group_size=4,
    radius=0.5,
    channels=(8,),
    dropout=0.0,
)
DECODER = dict(
    type='MaskDecoder',
    embed_dims=32,
    num_layers=1,
    num_heads=4,
    drop_path_rate=0.0,
)
NEAREST = dict(
    type='NearestCentersHead',
    num_classes=5,
    in_channels=64,
    channels=(16, 8),
    dropout_ratio=0.0,
)
CLASSIFIER = dict(
    type='PointClassifier',
    backbone=toys.STUDENT,
    head=dict(type='ClassificationHead', in_channels=64, num_classes=3),
)
POINT_MAE = dict(
    type='Distiller',
    student=toys.STUDENT,
    mask=dict(type='BlockPatchMask', ratio=0.5),
    objectives=dict(
        mae=dict(
            target_generator=dict(type='PatchCoordinates'),
            neck=DECODER,
            head=dict(type='CoordinateHead', embed_dims=32, group_size=4),
        )
    ),
)
# Queries that begin as their patches: those of zeros leave a norm idle.
BOX_HEAD = dict(type='ThreeDETRHead', query_features=True, **scenes.HEAD)
BOX_SHAPES = [(2, 2, 5, width) for width in (5, 3, 3, 1, 1)]
FEATURE_LOSSES = (
    'CosineFeatureLoss',
    'MSEFeatureLoss',
    'SmoothL1FeatureLoss',
    'NTXentFeatureLoss',
    'BarlowTwinsFeatureLoss',
)


def config(kind: str, **settings: object) -> dict:
    return dict(type=kind, **settings)


ROWS = [
    Kind(toys.STUDENT, student_run, [(2, 5, 32), (2, 32)]),
    Kind(ENCODER, lambda m: [m(toys.points())['features']], [(2, 32, 8)]),
    Kind(DECODER, masked(5), [(2, 3, 32)]),
    Kind(config('MaskedFeatures'), masked(8), [(2, 3, 32)]),
    Kind(
        config('PatchTokens', pooling=['mean', 'cls']),
        lambda neck: [neck(encoded(8))],
        [(2, 2, 32)],
    ),
    Kind(
        config(
            'ConceptExtractor',
            embed_dims=32,
            num_concepts=3,
            num_layers=2,
            num_heads=4,
            self_attention=True,
        ),
        lambda neck: [neck(encoded(8))],
        [(2, 3, 32)],
    ),
    Kind(
        config('PatchProjection', in_channels=32, out_channels=12),
        lambda neck: [neck(feats())['features']],
        [(2, 12, 8)],
    ),
    Kind(
        config('SideTuning', embed_dims=32, patch_channels=(8, 16, 16)),
        lambda neck: [neck(encoded(8), toys.patches()).features],
        [(2, 8, 32)],
    ),
    Kind(
        config('FeatureHead', embed_dims=32, target_channels=6),
        masked_loss(normal(2, 8, 6)),
        [()],
    ),
    Kind(
        config('CodeHead', embed_dims=32, num_codes=6),
        masked_loss(torch.arange(16).view(2, 8) % 6),
        [()],
    ),
    Kind(
        config('CoordinateHead', embed_dims=32, group_size=4),
        masked_loss(normal(2, 8, 4, 3)),
        [()],
    ),
    Kind(
        config(
            'AlignmentHead', embed_dims=32, num_tokens=3, target_shape=[2, 6]
        ),
        lambda head: [head(normal(2, 3, 32))],
        [(2, 2, 6)],
    ),
    Kind(
        config('ClassificationHead', in_channels=8, num_classes=3),
        lambda head: [head(normal(2, 8))],
        [(2, 3)],
    ),
    Kind(
        networks.SEMANTIC['decode_head'],
        lambda head: [head(feats())],
        [(2, 5, 40)],
    ),
    Kind(
        networks.PART['decode_head'],
        lambda head: [head(feats())],
        [(2, 6, 40)],
    ),
    Kind(NEAREST, lambda head: [head(feats())], [(2, 5, 40)]),
    Kind(BOX_HEAD, lambda head: boxes(head(feats())), BOX_SHAPES),
    *(
        Kind(config(name, loss_weight=2.0), pair_loss(2, 5, 4), [()])
        for name in FEATURE_LOSSES
    ),
    Kind(config('PatchChamferLoss'), pair_loss(2, 3, 4, 3), [()]),
    *(
        Kind(
            config(name, ratio=0.5),
            lambda mask: [mask(normal(2, 8, 3)).float()],
            [(2, 8)],
        )
        for name in ('RandomPatchMask', 'BlockPatchMask')
    ),
    Kind({**toys.VAE, 'kl_weight': 0.1}, lambda vae: total(vae, []), [()]),
    Kind(POINT_MAE, lambda model: total(model, toys.samples()), [()]),
    Kind(CLASSIFIER, lambda model: total(model, labels()), [()]),
    Kind(
        networks.PART,
        lambda model: total(model, parts(6), shape_label=torch.tensor([2, 0])),
        [()],
    ),
    Kind(
        config('ThreeDETR', backbone=ENCODER, bbox_head=BOX_HEAD),
        lambda model: boxes(model(dict(points=scenes.points()))),
        BOX_SHAPES,
    ),
    Kind(
        config('PatchCoordinates'),
        lambda target: [target({}, toys.patches())],
        [(2, 8, 4, 3)],
    ),
]
KINDS = {row.config['type']: row for row in ROWS}
# What needs a teacher, a file or another kind has tests of its own.
ELSEWHERE = {
    'Objective',
    'LocalAlignment',
    'DetectionSetLoss',
    'PointCloudPreprocessor',
    'AverageLogitsTTA',
    'AverageSegLogitsTTA',
    'FlippedBoxesTTA',
}
ELSEWHERE_FOLDERS = ('teachers', 'target_generators')


def built(name: str, seed: int = 0) -> nn.Module:
    """Return a kind's tiny module in evaluation mode, nothing in it zero."""
    if name == 'ThreeDETR' and not HAS_MMDET3D:
        pytest.skip('MMDetection3D is not installed')
    return toys.randomize(MODELS.build(KINDS[name].config), seed).eval()


def outputs(name: str, module: nn.Module) -> list[Tensor]:
    torch.manual_seed(0)
    return KINDS[name].run(module)


def test_every_kind_has_a_row() -> None:
    registered = {
        name
        for name, kind in MODELS.module_dict.items()
        if kind.__module__.startswith('mmdet3d_act.models.')
        and kind.__module__.split('.')[2] not in ELSEWHERE_FOLDERS
    }
    assert registered == (set(KINDS) | ELSEWHERE) - {'PatchCoordinates'}


@pytest.mark.parametrize('name', KINDS)
def test_shapes(name: str) -> None:
    module = built(name)
    assert type(module).__name__ == name
    found = outputs(name, module)
    assert [tuple(value.shape) for value in found] == KINDS[name].shapes
    for value, again in zip(found, outputs(name, module), strict=True):
        assert value.isfinite().all()
        assert torch.equal(value, again)


@pytest.mark.parametrize('name', KINDS)
def test_gradient_reaches_exactly_what_is_trained(name: str) -> None:
    module = built(name)
    trained = {n for n, p in module.named_parameters() if p.requires_grad}
    if not trained:
        pytest.skip(f'{name} has no parameters')
    sum(value.pow(3).sum() for value in outputs(name, module)).backward()
    silent = set(toys.without_gradient(module))
    assert silent == set(dict(module.named_parameters())) - trained


@pytest.mark.parametrize('name', KINDS)
def test_checkpoint(name: str, tmp_path: Path) -> None:
    """Saved and read with ``weights_only``, into other random weights."""
    module, other = built(name), built(name, seed=1)
    torch.save(module.state_dict(), tmp_path / 'a.pth')
    other.load_state_dict(torch.load(tmp_path / 'a.pth', weights_only=True))
    for value, same in zip(
        outputs(name, module), outputs(name, other), strict=True
    ):
        assert torch.equal(value, same)


@pytest.mark.parametrize('name', KINDS)
def test_config_as_text_and_pickled(name: str) -> None:
    cfg = Config(dict(model=KINDS[name].config))
    expected = built(name).state_dict()
    text = Config.fromstring(cfg.pretty_text, '.py')
    for again in (text, pickle.loads(pickle.dumps(cfg))):
        own = MODELS.build(again.model).state_dict()
        assert list(own) == list(expected)
        assert all(own[k].shape == expected[k].shape for k in own)


@pytest.mark.parametrize('name', [*FEATURE_LOSSES, 'PatchChamferLoss'])
def test_losses_are_computed_in_float32_under_autocast(name: str) -> None:
    loss = built(name)
    target = normal(2, 5, 4, 3)[..., 0] if 'Feature' in name else None
    target = normal(2, 3, 4, 3) if target is None else target
    pred = (target + 0.3 * torch.randn_like(target)).bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = loss(pred, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(pred.float(), target))
