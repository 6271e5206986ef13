"""Every config in configs/: its name, its parts, that these can be built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from mmdet3d_act.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    METRICS,
    MODELS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
)
from tests.config_files import (
    CONFIGS,
    FULL_SIZE,
    LEAVES,
    NAME,
    data_sets,
    inheritance,
    load,
    loaders,
    step_of,
)

METHOD_FOLDERS = {'3detr', 'act', 'concept', 'point-mae', 'point-transformer'}
MAX_INHERITANCE = 3
METRIC_OF_STEP = {
    'dvae': 'ReconstructionMetric',
    'pretrain': 'LinearProbeMetric',
    'cls': 'ClassificationMetric',
    'fewshot': 'ClassificationMetric',
    'partseg': 'PartSegMetric',
    'semseg': 'SemanticSegMetric',
    'semseg_scannet': 'SegMetric',
    '3detr': 'PublishedIndoorMetric',
    '3detr-m': 'PublishedIndoorMetric',
}
# Where a distiller predicts more than features.
METRIC_OF_PREDICTION = {
    'targets': 'RetrievalMetric',
    'losses': 'DistillationLossMetric',
}
LOADING = {
    'LoadFrame',
    'LoadPointCloud',
    'LoadRoom',
    'LoadRoomBlock',
    'LoadScene',
}
# Where biases and norms are decayed too: at most so much.
DECAY_OF_ALL = {'dvae': 1e-3, 'semseg': 0.01, '3detr': 0.1, '3detr-m': 0.1}


_MODELS: dict[tuple[str, str], nn.Module] = {}


@pytest.fixture(params=LEAVES, scope='module')
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Config, nn.Module]:
    """A config and its model, which needs neither weights nor data.

    Its data are looked for in an empty folder. Large models take no memory:
    no test here looks at values. Configs with the same model share it.
    """
    root = tmp_path_factory.getbasetemp() / 'no_data'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ACT_DATA_ROOT', str(root))
        patch.setenv('ACT_CLOUDS', str(root / 'clouds'))
        cfg = load(request.param)
    device = 'meta' if request.param in FULL_SIZE else 'cpu'
    key = device, repr(cfg.model)
    if key not in _MODELS:
        scope = DefaultScope.overwrite_default_scope('mmdet3d')
        with scope, torch.device(device):
            _MODELS[key] = MODELS.build(cfg.model)
    return cfg, _MODELS[key]


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


@pytest.mark.parametrize('name', LEAVES)
def test_name_and_place(name: str) -> None:
    folder, _, file = name.partition('/')
    match = NAME.fullmatch(file.removesuffix('.py'))
    assert match, f'{file} is not {{method}}_{{step}}_{{data}}[_{{variant}}]'
    assert folder in METHOD_FOLDERS
    # The detectors have their method's name.
    alone = '3detr' if match['step'].startswith('3detr') else 'act'
    assert (match['method'] or alone) == folder


@pytest.mark.parametrize('name', LEAVES)
def test_inheritance_is_shallow(name: str) -> None:
    assert 1 <= inheritance(CONFIGS / name) <= MAX_INHERITANCE


def test_the_package_is_imported_in_one_place(
    built: tuple[Config, nn.Module],
) -> None:
    homes = [
        path.relative_to(CONFIGS).as_posix()
        for path in CONFIGS.rglob('*.py')
        if 'custom_imports' in path.read_text()
    ]
    assert homes == ['_base_/default_runtime.py']
    assert built[0].custom_imports.imports == ['mmdet3d_act']


def test_model_builds_and_trains_something(
    built: tuple[Config, nn.Module],
) -> None:
    cfg, model = built
    assert type(model).__name__ == cfg.model.type
    trainable = [p for p in model.parameters() if p.requires_grad]
    frozen = cfg.model.get('transfer', 'full') != 'full'
    least = 1e3 if frozen else 1e5
    assert sum(p.numel() for p in trainable) > least


def test_data_parts_build(built: tuple[Config, nn.Module]) -> None:
    cfg, _ = built
    sets = data_sets(cfg)
    assert sets
    for one in sets:
        assert DATASETS.get(one['type']) is not None, one['type']
        steps = [*one.get('static_pipeline', ()), *one['pipeline']]
        for step in steps:
            assert TRANSFORMS.build(step) is not None
        assert steps[0]['type'] in LOADING
        if steps[-1]['type'] == 'TestTimeAug':
            steps = steps[-1]['transforms'][-1]
        assert steps[-1]['type'] == 'PackPointInputs'
    for loader in loaders(cfg):
        if 'sampler' in loader:
            sampler = DATA_SAMPLERS.build(
                loader['sampler'], default_args=dict(dataset=range(6))
            )
            assert sorted(sampler) == list(range(6))
    assert cfg.train_dataloader.sampler.type == 'EpochSampler'


def test_missing_data_is_named(
    built: tuple[Config, nn.Module], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.getbasetemp() / 'no_data'
    for one in data_sets(built[0]):
        assert Path(one['data_root']).parent == root
        (problem,) = DATASETS.get(one['type']).check_requirements(one)
        assert one['data_root'] in problem


def test_hooks_and_metrics_build(built: tuple[Config, nn.Module]) -> None:
    cfg, model = built
    hooks = [*cfg.custom_hooks, *cfg.default_hooks.values()]
    names = {type(HOOKS.build(hook)).__name__ for hook in hooks}
    assert {'IterationSeedHook', 'DistSamplerSeedHook'} <= names
    for hook in cfg.custom_hooks:
        if hook.type == 'ScheduledValueHook':
            assert hasattr(model, hook.attribute), hook.attribute
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        if evaluator is None:
            # Nothing is known of a folder's classes.
            assert 'folder' in cfg.filename
            continue
        several = isinstance(evaluator, list)
        metrics = [
            METRICS.build(one)
            for one in (evaluator if several else [evaluator])
        ]
        step = step_of(cfg.filename)
        data = NAME.fullmatch(Path(cfg.filename).stem)['data']
        if predicts := cfg.model.get('predicts'):
            expected = METRIC_OF_PREDICTION[predicts[-1]]
        else:
            expected = METRIC_OF_STEP.get(
                f'{step}_{data}', METRIC_OF_STEP[step]
            )
        assert type(metrics[0]).__name__ == expected
    prepares = 'PrepareTargetsHook' in names
    assert prepares == getattr(model, 'needs_preparation', False)


def test_optimizer_and_schedules_build(
    built: tuple[Config, nn.Module],
) -> None:
    cfg, model = built
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    (lr,) = {group['lr'] for group in wrapper.optimizer.param_groups}
    assert lr == cfg.optim_wrapper.optimizer.lr
    for schedule in cfg.param_scheduler:
        schedule = dict(schedule)
        # Of what is inherited from MMDetection3D.
        schedule.pop('_scope_', None)
        smooth = schedule.pop('convert_to_iter_based', False)
        cls = PARAM_SCHEDULERS.get(schedule.pop('type'))
        make = cls.build_iter_from_epoch if smooth else cls
        length = dict(epoch_length=10) if smooth else {}
        made = make(wrapper.optimizer, **schedule, **length)
        assert made.end <= cfg.train_cfg.max_epochs * (10 if smooth else 1)


def test_decay_is_for_matrices_only(built: tuple[Config, nn.Module]) -> None:
    cfg, model = built
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    if 'paramwise_cfg' not in cfg.optim_wrapper:
        # The short stage I, and what is published so.
        (group,) = wrapper.optimizer.param_groups
        most = DECAY_OF_ALL[step_of(cfg.filename)]
        assert 0 < group['weight_decay'] <= most
        return
    decay = {
        id(param): group['weight_decay']
        for group in wrapper.optimizer.param_groups
        for param in group['params']
    }
    free, decayed = set(), set()
    for name, param in model.named_parameters():
        if param.requires_grad:
            (free if decay[id(param)] == 0 else decayed).add(name)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    assert set(decay.values()) == {
        0.0,
        cfg.optim_wrapper.optimizer.weight_decay,
    }
    assert all(len(shapes[name]) > 1 for name in decayed)
    assert not any('token' in name for name in decayed)
    # Nothing but vectors, tokens, which are (1, 1, C), and prompt tokens.
    assert all(
        len(shapes[name]) == 1
        or shapes[name][:-1] == (1, 1)
        or name.endswith(('prompts.tokens', 'concept_tokens'))
        for name in free
    )
    network = next(part for part in NETWORKS if part in cfg.model.type)
    names_free, names_decayed = NETWORKS[network]
    neck = f'objectives.{next(iter(cfg.model.get("objectives", "?")))}.neck'
    trained = free | decayed
    if network == 'Distiller':
        own = next(iter(model.objectives.values()))
        more = NECKS[type(own.neck).__name__]
        names_free, names_decayed = (
            names_free | more[0],
            names_decayed | more[1],
        )
    part_is_frozen = cfg.model.get('frozen_student')
    if part_is_frozen or cfg.model.get('transfer', 'full') != 'full':
        names_free, names_decayed = (
            {n.replace('NECK', neck) for n in names} & trained
            for names in (names_free, names_decayed)
        )
        assert names_free
        assert names_decayed
    assert {n.replace('NECK', neck) for n in names_free} <= free
    assert {n.replace('NECK', neck) for n in names_decayed} <= decayed
    tokens = {name for name in trained if name.endswith('cls_token')}
    assert tokens <= free


FINE_TUNED = (
    {
        'backbone.norm.weight',
        'backbone.blocks.0.norm1.weight',
        'backbone.blocks.0.attn.proj.bias',
    },
    {
        'backbone.blocks.0.attn.qkv.weight',
        'backbone.blocks.1.mlp.fc2.weight',
        'backbone.patch_embed.conv1.weight',
    },
)
# By the neck of a distiller's first objective, as the next.
NECKS = {
    'MaskDecoder': (
        {'NECK.mask_token', 'NECK.norm.bias'},
        {'NECK.blocks.0.attn.qkv.weight'},
    ),
    'ConceptExtractor': (
        {'NECK.concept_tokens', 'NECK.blocks.0.norm1.weight'},
        {'NECK.blocks.0.cross_attn.query.weight'},
    ),
    'PatchTokens': (set(), set()),
}
# By a part of the class name: parameters without and with decay.
NETWORKS = {
    'DiscreteVAE': (
        {
            'patch_embed.conv1.bias',
            'patch_embed.norm1.weight',
            'patch_embed.norm1.bias',
        },
        {'patch_embed.conv1.weight', 'codebook'},
    ),
    'Distiller': (
        {
            'student.norm.weight',
            'student.blocks.0.norm1.weight',
            'student.blocks.0.attn.proj.bias',
            'student.patch_embed.conv1.bias',
        },
        {
            'student.blocks.0.attn.qkv.weight',
            'student.blocks.1.mlp.fc2.weight',
            'student.patch_embed.conv1.weight',
        },
    ),
    'Classifier': (
        FINE_TUNED[0] | {'backbone.cls_token', 'head.layers.0.bias'},
        FINE_TUNED[1] | {'backbone.cls_pos', 'head.layers.0.weight'},
    ),
    'EncoderDecoder3D': (
        FINE_TUNED[0] | {'decode_head.norm1.weight', 'decode_head.fc3.bias'},
        FINE_TUNED[1] | {'decode_head.fc1.weight'},
    ),
    'Segmentor': (
        FINE_TUNED[0] | {'decode_head.norm1.weight', 'decode_head.fc1.bias'},
        FINE_TUNED[1] | {'decode_head.fc1.weight'},
    ),
}
