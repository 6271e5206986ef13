"""Every config in configs/: its name, its parts, a step of it; numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn

from mmdet3d_act.engine.hooks.save_best_hook import require_results
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.registry import (
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
    peek,
    step_of,
)
from tests.official_data import write_everything
from tests.small_data import ROOT
from tests.tiny import shrink

METHOD_FOLDERS = {'3detr', 'act', 'concept', 'point-mae'}
MAX_INHERITANCE = 3
# Where biases and norms are decayed too: at most so much.
DECAY_OF_ALL = {'dvae': 1e-3, 'semseg': 0.01, '3detr': 0.1, '3detr-m': 0.1}
FREE_TOKENS = ('token', 'tokens')
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
def test_name_place_and_depth(name: str) -> None:
    folder, _, file = name.partition('/')
    match = NAME.fullmatch(file.removesuffix('.py'))
    assert match, f'{file} is not {{method}}_{{step}}_{{data}}[_{{variant}}]'
    assert folder in METHOD_FOLDERS
    # The detectors have their method's name.
    alone = '3detr' if match['step'].startswith('3detr') else 'act'
    assert (match['method'] or alone) == folder
    assert 1 <= inheritance(CONFIGS / name) <= MAX_INHERITANCE
    assert peek(name).custom_imports.imports == ['mmdet3d_act']


def test_data_parts_build(built: tuple[Config, nn.Module]) -> None:
    cfg, _ = built
    sets = data_sets(cfg)
    assert sets
    for one in sets:
        steps = [*one.get('static_pipeline', ()), *one['pipeline']]
        for step in steps:
            assert TRANSFORMS.build(step) is not None
        assert steps[0]['type'].startswith('Load')
        if steps[-1]['type'] == 'TestTimeAug':
            steps = steps[-1]['transforms'][-1]
        assert steps[-1]['type'] == 'PackPointInputs'
        # Missing data are named.
        (problem,) = DATASETS.get(one['type']).check_requirements(one)
        assert one['data_root'] in problem
        assert Path(one['data_root']).parent.name == 'no_data'
    assert cfg.train_dataloader.sampler == dict(
        type='EpochSampler', shuffle=True
    )


def test_hooks_and_metrics_build(built: tuple[Config, nn.Module]) -> None:
    cfg, model = built
    Visualizer.get_instance('of the run')
    hooks = [*cfg.custom_hooks, *cfg.default_hooks.values()]
    names = {type(HOOKS.build(hook)).__name__ for hook in hooks}
    assert {'IterationSeedHook', 'DistSamplerSeedHook'} <= names
    for hook in cfg.custom_hooks:
        if hook.type == 'ScheduledValueHook':
            assert hasattr(model, hook.attribute), hook.attribute
    prepares = 'PrepareTargetsHook' in names
    assert prepares == getattr(model, 'needs_preparation', False)
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
        if evaluator == cfg.val_evaluator:
            best = cfg.default_hooks.checkpoint.get('save_best', 'auto')
            require_results([best], metrics)


def test_optimizer_decays_matrices_only(
    built: tuple[Config, nn.Module],
) -> None:
    cfg, model = built
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    groups = wrapper.optimizer.param_groups
    assert {group['lr'] for group in groups} == {
        cfg.optim_wrapper.optimizer.lr
    }
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
    if 'paramwise_cfg' not in cfg.optim_wrapper:
        # The short stage I, and what is published so.
        (group,) = groups
        most = DECAY_OF_ALL[step_of(cfg.filename)]
        assert 0 < group['weight_decay'] <= most
        return
    decay = {
        id(param): group['weight_decay']
        for group in groups
        for param in group['params']
    }
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    for name, param in trained.items():
        last = name.rpartition('.')[2]
        token = last.endswith(FREE_TOKENS)
        matrix = param.ndim > 1 and not token
        assert (decay[id(param)] > 0) == matrix, name
    assert {0.0, cfg.optim_wrapper.optimizer.weight_decay} == {*decay.values()}


@pytest.fixture(scope='module')
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('everything')
    write_everything(root)
    return root


# Stored targets have a test of their own; schedules alone change no step.
OTHER_STEPS = {
    repr((peek(name).model, peek(name).train_dataloader)): name
    for name in FULL_SIZE
    if not name.endswith('_stored.py')
}


@pytest.mark.parametrize('name', OTHER_STEPS.values())
def test_a_step_of_the_shrunken_config(
    name: str, everything: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(everything))
    step = step_of(name)
    folder = 'scans' if step in ('semseg', '3detr') else 'clouds'
    monkeypatch.setenv('ACT_CLOUDS', str(everything / folder))
    cfg = shrink(load(name))
    for part in iter_typed(cfg.model):
        if 'autoencoder' in part:
            # As if it had been trained.
            part['checkpoint'] = None
            part['autoencoder'] = MODELS.build(part.pop('autoencoder'))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    batch = model.data_preprocessor(next(iter(loader)), training=True)
    total, _ = model.parse_losses(model(**batch, mode='loss'))
    total.backward()
    assert total.isfinite()
    trained = [p for p in model.parameters() if p.requires_grad]
    reached = [p.grad for p in trained if p.grad is not None]
    assert len(reached) > 0.9 * len(trained)
    assert all(grad.isfinite().all() for grad in reached)


@pytest.mark.parametrize(
    'name', [name for name in LEAVES if 'act_pretrain_' in name]
)
@pytest.mark.parametrize('teacher', [None, 'deit-b', 'clip-b', 'bert-b'])
def test_stage_2_describes_the_autoencoder_of_stage_1(
    name: str, teacher: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('ACT_AUTOENCODER', raising=False)
    if teacher:
        monkeypatch.setenv('ACT_TEACHER', teacher)
    (target,) = (
        part for part in iter_typed(load(name).model) if 'autoencoder' in part
    )
    stage1 = ROOT / target['stage1_config']
    chosen = name in FULL_SIZE and target['autoencoder'].get('teacher')
    ending = f'_{teacher}' if teacher and chosen else ''
    assert target['checkpoint'] == f'work_dirs/{stage1.stem}{ending}'
    assert target['autoencoder'] == Config.fromfile(stage1).model
    own = CONFIGS / name.replace('_pretrain_', '_dvae_')
    assert stage1 == own or not own.exists()


@pytest.mark.parametrize('length', ['300e', '150e'])
@pytest.mark.parametrize(
    'protocol', ['linear', 'mlp3', 'bitfit', 'side', 'lora']
)
def test_a_protocol_is_one_switch_and_its_rate(
    length: str, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = {
        '300e': 'point-mae/point-mae_cls_scanobjectnn-objbg.py',
        '150e': 'act/act_fewshot_modelnet40.py',
    }[length]
    full = load(name)
    monkeypatch.setenv('ACT_TRANSFER', protocol)
    cfg = load(name)
    assert cfg.model.transfer == protocol
    for one, rate in ((full, 5e-4), (cfg, 1e-3)):
        assert one.optim_wrapper.optimizer.lr == rate
        warmup, cosine = one.param_scheduler
        assert warmup.start_factor * rate == pytest.approx(1e-6)
        assert (warmup.end, cosine.eta_min) == (10, 1e-7)
        assert cosine.end == one.train_cfg.max_epochs == int(length[:-1])
    cfg.model.transfer = 'full'
    cfg.optim_wrapper.optimizer.lr = 5e-4
    cfg.param_scheduler = full.param_scheduler
    cfg.base_lr = full.base_lr
    assert cfg.to_dict() == full.to_dict()


@pytest.mark.parametrize(
    'name',
    [
        name
        for name in LEAVES
        if peek(name).model.get('backbone', {}).get('init_cfg')
    ],
)
def test_the_backbone_is_the_student_of_its_pretraining(name: str) -> None:
    backbone = peek(name).model.backbone.to_dict()
    init = backbone.pop('init_cfg')
    source = Path(init['pretrain_config'])
    assert init['type'] == 'Pretrained'
    assert source.stem.split('_')[0] == Path(name).parent.name
    assert init['checkpoint'] == f'work_dirs/{source.stem}'
    pretraining = peek(source.relative_to('configs').as_posix())
    student = pretraining.model.student.to_dict()
    # What a transfer may choose: neither shapes nor what a feature means.
    for free in (
        'num_groups',
        'group_size',
        'with_cls_token',
        'embed_masked',
        'drop_path_rate',
        'out_indices',
        'norm_hidden_states',
    ):
        backbone.pop(free, None)
        student.pop(free, None)
    assert backbone == student
