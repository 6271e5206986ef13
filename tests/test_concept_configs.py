"""The configs of concept distillation: what they change, what they leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from mmdet3d_act.converters.extraction import extract_backbone
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.registry import MODELS
from tests.config_files import FULL_SIZE, LEAVES, load
from tests.test_tools.loading import load_tool

PRETRAIN = 'concept/concept_pretrain_scannet'
TRANSFERS = [
    'cls_modelnet40',
    'partseg_shapenetpart',
    'semseg_scannet',
    '3detr_scannet',
]
# What the paper's tables 5, 6 and 10 compare.
ABLATIONS = [
    'no-concepts',
    'no-captions',
    'local-alignment',
    'reconstruction',
    'both',
    '1024pts',
]


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


def test_all_are_there() -> None:
    wanted = {f'{PRETRAIN}_{name}.py' for name in ABLATIONS}
    wanted |= {f'{PRETRAIN}.py', f'{PRETRAIN}_tiny.py'}
    wanted |= {
        'concept/concept_probe-reconstruction_scannet.py',
        'concept/concept_pretrain_shapenet.py',
        'concept/concept_pretrain_shapenet_tiny.py',
        'point-mae/point-mae_pretrain_scannet-frames.py',
        'point-mae/point-mae_pretrain_scannet-frames_tiny.py',
    }
    for step in TRANSFERS:
        wanted |= {
            f'concept/concept_{step}.py',
            f'concept/concept_{step}_tiny.py',
            f'point-mae/point-mae_{step}_frames.py',
            f'point-mae/point-mae_{step}_frames-tiny.py',
        }
    assert wanted <= set(LEAVES), wanted - set(LEAVES)


def test_published_numbers() -> None:
    cfg = load(f'{PRETRAIN}.py')
    student = cfg.model.student
    assert (student.num_groups, student.group_size) == (64, 32)
    assert (student.num_layers, student.embed_dims) == (12, 384)
    assert student.num_heads == 6
    assert student.position == 'after'
    assert not student.with_cls_token
    objective = cfg.model.objectives.concept
    assert objective.neck.num_concepts == objective.head.num_tokens == 32
    assert objective.neck.num_heads == 6
    assert objective.head.loss == dict(type='MSEFeatureLoss')
    with torch.device('meta'):
        target = MODELS.build(objective.target_generator)
    assert type(target).__name__ == 'CaptionPrefixTarget'
    # ClipCap's MLP of Conceptual Captions, behind ViT-B/32.
    mapping = target.settings()['mapping']
    assert mapping['variant'] == 'mlp'
    assert target.target_shape == (10, 768)
    assert target.encoder.embed_dims == 512
    points = [
        step.num_points
        for step in cfg.train_dataloader.dataset.pipeline
        if step.type == 'SamplePoints'
    ]
    assert points == [4096]
    assert cfg.model.get('mask') is None
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=1e-3, weight_decay=0.05
    )
    assert cfg.train_cfg.max_epochs == 250
    assert cfg.train_dataloader.batch_size == 128
    assert [(s.type, s.end) for s in cfg.param_scheduler] == [
        ('LinearLR', 10),
        ('CosineAnnealingLR', 250),
    ]


def test_ablations_change_what_they_say() -> None:
    objectives = {
        name: load(f'{PRETRAIN}_{name}.py').model.objectives
        for name in ABLATIONS
    }
    base = load(f'{PRETRAIN}.py').model.objectives
    plain = objectives['no-concepts'].concept
    assert plain.neck == dict(type='PatchTokens')
    assert plain.target_generator == base.concept.target_generator
    image = objectives['no-captions'].concept
    assert image.target_generator.type == 'ImageEmbeddingTarget'
    assert image.neck == base.concept.neck
    assert set(objectives['local-alignment']) == {'local'}
    (alone,) = objectives['reconstruction'].values()
    assert (alone.mask.ratio, alone.neck.num_layers) == (0.6, 3)
    assert objectives['both'] == {**base, 'reconstruction': alone}
    assert objectives['1024pts'] == base


def test_fewer_points() -> None:
    def counts(name: str) -> set[int]:
        loader = load(name).train_dataloader
        steps = [
            *loader.dataset.get('static_pipeline', ()),
            *loader.dataset.pipeline,
        ]
        return {step.num_points for step in steps if 'num_points' in step}

    assert counts(f'{PRETRAIN}.py') == {4096}
    assert counts(f'{PRETRAIN}_1024pts.py') == {1024}


def test_the_control_sees_the_same_clouds() -> None:
    control = load('point-mae/point-mae_pretrain_scannet-frames.py')
    cfg = load(f'{PRETRAIN}.py')
    # It needs no images.
    images = [dict(step) for step in cfg.frame_images]
    theirs = cfg.train_dataloader.to_dict()
    pipeline = theirs['dataset']['pipeline']
    theirs['dataset']['pipeline'] = [
        step for step in pipeline if step not in images
    ]
    assert control.train_dataloader.to_dict() == theirs
    assert control.param_scheduler == cfg.param_scheduler
    assert control.optim_wrapper == cfg.optim_wrapper
    own, other = cfg.model.student, control.model.student
    for key in ('embed_dims', 'num_layers', 'num_heads', 'drop_path_rate'):
        assert own[key] == other[key]


@pytest.mark.parametrize('step', TRANSFERS)
@pytest.mark.parametrize('size', ['', 'tiny'])
def test_transfers_differ_in_their_student_only(step: str, size: str) -> None:
    end = f'_{size}' if size else ''
    other = f'frames-{size}' if size else 'frames'
    concept = load(f'concept/concept_{step}{end}.py')
    twin = load(f'point-mae/point-mae_{step}_{other}.py')
    first, second = concept.model.backbone, twin.model.backbone
    assert first.pop('position') == 'after'
    assert first.init_cfg.pretrain_config == f'configs/{PRETRAIN}{end}.py'
    assert second.init_cfg.pretrain_config == (
        f'configs/point-mae/point-mae_pretrain_scannet-frames{end}.py'
    )
    for backbone in (first, second):
        assert Path(backbone.init_cfg.pretrain_config).stem in (
            backbone.init_cfg.checkpoint
        )
        backbone.pop('init_cfg')
    assert concept.model == twin.model
    assert concept.train_dataloader == twin.train_dataloader
    assert concept.optim_wrapper == twin.optim_wrapper


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint of a distiller, as a training leaves it."""
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        cfg = load('concept/concept_pretrain_shapenet_tiny.py')
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.0, 0.1)
    path = tmp_path_factory.mktemp('concept') / 'epoch_1.pth'
    meta = dict(cfg=cfg.pretty_text, dataset_meta={})
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return str(path)


def build_backbone(step: str, checkpoint: str) -> PointTransformer:
    cfg = load(f'concept/concept_{step}_tiny.py').model.backbone
    cfg.init_cfg.checkpoint = checkpoint
    backbone = MODELS.build(cfg)
    backbone.init_weights()
    return backbone


@pytest.fixture(scope='module')
def extracted(checkpoint: str) -> str:
    """The student alone, as tools/model_converters/extract_backbone.py."""
    path = str(Path(checkpoint).with_name('student.pth'))
    tool = load_tool('model_converters.extract_backbone')
    assert tool.main([checkpoint, path]) == 0
    return path


@pytest.mark.parametrize('step', TRANSFERS)
@pytest.mark.parametrize('source', ['checkpoint', 'extracted'])
def test_the_student_loads_everywhere(
    step: str, source: str, checkpoint: str, request: pytest.FixtureRequest
) -> None:
    backbone = build_backbone(step, request.getfixturevalue(source))
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    own = backbone.state_dict()
    fresh = {name for name in own if f'student.{name}' not in state}
    assert fresh <= {'cls_token', 'cls_pos'}
    assert all(
        torch.equal(value, state[f'student.{name}'])
        for name, value in own.items()
        if name not in fresh
    )


@pytest.mark.parametrize('source', ['checkpoint', 'extracted'])
def test_the_other_position_is_refused(
    source: str, request: pytest.FixtureRequest
) -> None:
    cfg = load('act/act_cls_modelnet40_tiny.py').model.backbone
    cfg.init_cfg.checkpoint = request.getfixturevalue(source)
    backbone = MODELS.build(cfg)
    with pytest.raises(ValueError, match="trained with position='after'"):
        backbone.init_weights()


def test_extraction_keeps_the_position(checkpoint: str) -> None:
    taken = extract_backbone(checkpoint)
    assert taken.config['position'] == 'after'
    assert not any('concept' in name for name in taken.state)
    backbone = MODELS.build(taken.config)
    backbone.load_state_dict(taken.state)


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        name
        for name in FULL_SIZE
        if name.startswith('concept/concept_pretrain_')
        # These need a store and a first stage.
        and not name.endswith(('_stored.py', '_with-act.py'))
    ],
)
def test_full_size_runs_forward_and_backward(name: str) -> None:
    cfg = load(name)
    for part in iter_typed(cfg.model):
        if part['type'] in ('OpenCLIPImageEncoder', 'ClipCapMapping'):
            part['pretrained'] = False
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()
    torch.manual_seed(0)
    inputs = dict(
        points=torch.rand(2, 1024, 3) * 2 - 1,
        images=torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8),
        pixels=torch.rand(2, 1024, 2),
    )
    total, _ = model.parse_losses(model(inputs, None, mode='loss'))
    total.backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in trained)
    assert all(p.grad.isfinite().all() for p in trained)
