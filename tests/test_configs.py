"""Every config in configs/: its name, its parts, and a small run of it."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.models.distillers import Distiller
from mmdet3d_act.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    METRICS,
    MODELS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
)
from tests.small_data import ROOT, needs_minilm

CONFIGS = ROOT / 'configs'
LEAVES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
SMALL = ('tiny', 'demo')
FULL_SIZE = [name for name in LEAVES if not Path(name).stem.endswith(SMALL)]
METHOD_FOLDERS = {'act', 'concept', 'point-mae'}
STEPS = 'dvae|pretrain|cls|fewshot|partseg|semseg|3detr'
WORD = r'[a-z0-9]+(?:-[a-z0-9]+)*'
# Point-BERT's tokenizer is a step without a method's name; it is ACT's first.
NAME = re.compile(
    rf'(?:(?P<method>{WORD})_)?(?P<step>{STEPS})_(?P<data>{WORD})'
    rf'(?:_(?P<variant>{WORD}))?'
)
MAX_INHERITANCE = 3
TEACHERS = {'TimmTeacher', 'OpenCLIPTeacher', 'LanguageTeacher'}
RUN = {
    'train_cfg.max_epochs': 1,
    'train_cfg.val_interval': 1,
    'default_hooks.logger.interval': 1,
    # Processes would take longer to start than to work.
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
}
GENERATOR = 'model.objectives.act.target_generator.generator'


def bases(path: Path) -> list[Path]:
    """Return the files that a config names as its bases."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            value = ast.literal_eval(node.value)
            names = [value] if isinstance(value, str) else value
            return [(path.parent / name).resolve() for name in names]
    return []


def inheritance(path: Path) -> int:
    return max((1 + inheritance(base) for base in bases(path)), default=0)


def load(name: str) -> Config:
    return Config.fromfile(CONFIGS / name)


def loaders(cfg: Config) -> list[dict]:
    own = [v for k, v in cfg.items() if k.endswith('_dataloader') and v]
    hooks = [hook.get('dataloader') for hook in cfg.custom_hooks]
    return own + [loader for loader in hooks if loader]


def data_sets(cfg: Config) -> list[dict]:
    tops = [loader['dataset'] for loader in loaders(cfg)]
    return [part for top in tops for part in top.get('datasets', [top])]


@pytest.fixture(params=LEAVES, scope='module')
def built(request: pytest.FixtureRequest) -> tuple[Config, nn.Module]:
    """A config and its model, which needs neither weights nor data.

    Large ones take no memory: no test here looks at values.
    """
    cfg = load(request.param)
    device = 'meta' if request.param in FULL_SIZE else 'cpu'
    scope = DefaultScope.overwrite_default_scope('mmdet3d')
    with scope, torch.device(device):
        return cfg, MODELS.build(cfg.model)


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


def test_all_of_the_issue_are_there() -> None:
    assert {
        'act/act_dvae_shapenet.py',
        'act/act_pretrain_shapenet.py',
        'act/act_dvae_shapenet_tiny.py',
        'act/act_pretrain_shapenet_tiny.py',
        'act/dvae_shapenet.py',
        'point-mae/point-mae_pretrain_shapenet.py',
        'point-mae/point-mae_pretrain_shapenet_tiny.py',
    } <= set(LEAVES)


@pytest.mark.parametrize('name', LEAVES)
def test_name_and_place(name: str) -> None:
    folder, _, file = name.partition('/')
    match = NAME.fullmatch(file.removesuffix('.py'))
    assert match, f'{file} is not {{method}}_{{step}}_{{data}}[_{{variant}}]'
    assert folder in METHOD_FOLDERS
    assert (match['method'] or 'act') == folder


@pytest.mark.parametrize('name', LEAVES)
def test_inheritance_is_shallow(name: str) -> None:
    assert 1 <= inheritance(CONFIGS / name) <= MAX_INHERITANCE


def test_the_package_is_imported_in_one_place() -> None:
    homes = [
        path.relative_to(CONFIGS).as_posix()
        for path in CONFIGS.rglob('*.py')
        if 'custom_imports' in path.read_text()
    ]
    assert homes == ['_base_/default_runtime.py']
    for name in LEAVES:
        assert load(name).custom_imports.imports == ['mmdet3d_act']


def test_model_builds_and_trains_something(
    built: tuple[Config, nn.Module],
) -> None:
    cfg, model = built
    assert type(model).__name__ == cfg.model.type
    trainable = [p for p in model.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trainable) > 1e5


def test_data_parts_build(built: tuple[Config, nn.Module]) -> None:
    cfg, _ = built
    sets = data_sets(cfg)
    assert sets
    for one in sets:
        assert DATASETS.get(one['type']) is not None, one['type']
        steps = [*one.get('static_pipeline', ()), *one['pipeline']]
        transforms = [TRANSFORMS.build(step) for step in steps]
        assert type(transforms[0]).__name__ == 'LoadPointCloud'
        assert type(transforms[-1]).__name__ == 'PackPointInputs'
    for loader in loaders(cfg):
        if 'sampler' in loader:
            sampler = DATA_SAMPLERS.build(
                loader['sampler'], default_args=dict(dataset=range(6))
            )
            assert sorted(sampler) == list(range(6))
    assert cfg.train_dataloader.sampler.type == 'EpochSampler'


def test_missing_data_is_named(
    built: tuple[Config, nn.Module], monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.setenv('ACT_CLOUDS', str(tmp_path / 'clouds'))
    for one in data_sets(Config.fromfile(built[0].filename)):
        assert Path(one['data_root']).parent == tmp_path
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
    expected = 'LinearProbe' if 'pretrain' in cfg.filename else 'Reconstruct'
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        if evaluator is None:
            # Nothing is known of a folder's classes.
            assert 'folder' in cfg.filename
            continue
        metric = METRICS.build(evaluator)
        assert type(metric).__name__.startswith(expected)
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
        # The short stage I: a small decay of everything.
        assert cfg.model.type == 'DiscreteVAE'
        (group,) = wrapper.optimizer.param_groups
        assert 0 < group['weight_decay'] < 1e-3
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
        or name.endswith('prompts.tokens')
        for name in free
    )
    known = {'DiscreteVAE': DVAE_NAMES, 'Distiller': DISTILLER_NAMES}
    names_free, names_decayed = known[cfg.model.type]
    neck = f'objectives.{next(iter(cfg.model.get("objectives", "?")))}.neck'
    assert {n.replace('NECK', neck) for n in names_free} <= free
    token = 'student.cls_token'
    assert (token in free) == (token in shapes)
    assert {n.replace('NECK', neck) for n in names_decayed} <= decayed


DVAE_NAMES = (
    {
        'patch_embed.conv1.bias',
        'patch_embed.norm1.weight',
        'patch_embed.norm1.bias',
    },
    {'patch_embed.conv1.weight', 'codebook'},
)
DISTILLER_NAMES = (
    {
        'student.norm.weight',
        'student.blocks.0.norm1.weight',
        'student.blocks.0.attn.proj.bias',
        'student.patch_embed.conv1.bias',
        'NECK.mask_token',
        'NECK.norm.bias',
    },
    {
        'student.blocks.0.attn.qkv.weight',
        'student.blocks.1.mlp.fc2.weight',
        'student.patch_embed.conv1.weight',
        'NECK.blocks.0.attn.qkv.weight',
    },
)


def run(name: str, options: dict | None = None, folder: str = '') -> Path:
    """Train two steps and validate; return the checkpoint."""
    work_dir = Path('work_dirs') / (folder or Path(name).stem)
    # 8 clouds are for stage I, 4 more for stage II.
    size = {'train_dataloader.batch_size': 6 if 'pretrain' in name else 4}
    cfg = prepare_config(
        str(CONFIGS / name),
        str(work_dir),
        options={**RUN, **size, **(options or {})},
    )
    path = Path(train(cfg))
    state = torch.load(path, weights_only=True)
    assert state['meta']['iter'] == 2
    assert all(v.isfinite().all() for v in state['state_dict'].values())
    (log,) = work_dir.rglob('scalars.json')
    (metrics,) = (
        record
        for record in map(json.loads, log.read_text().splitlines())
        if {'svm_accuracy', 'chamfer_l1'} & set(record)
    )
    assert all(0 <= value < 1e4 for value in metrics.values())
    return path


@pytest.mark.usefixtures('data_root')
@pytest.mark.parametrize('variant', SMALL)
def test_stage_1_then_stage_2(variant: str) -> None:
    """The two commands in a row, each in its default work directory."""
    if variant == 'demo':
        needs_minilm()
    stage1 = f'act/act_dvae_shapenet_{variant}.py'
    stage2 = f'act/act_pretrain_shapenet_{variant}.py'
    options = {}
    if variant == 'demo':
        options = {
            'val_evaluator.knn': 2,
            'val_evaluator.labels_per_class': 3,
        }
    with pytest.raises(UsageError, match=rf'tools/train.py configs/{stage1}'):
        prepare_config(str(CONFIGS / stage2), 'work_dirs/x')
    run(stage1)
    path = run(stage2, options)
    state = torch.load(path, weights_only=True)['state_dict']
    assert bool(state['objectives.act.target_norm.fitted'])
    assert not any('codebook' in name for name in state)
    if variant == 'tiny':
        # The codes of the same autoencoder, with mask tokens at the input.
        options = {
            'model.mask_tokens': 'input',
            'model.objectives.act.neck.mask_tokens': 'input',
        }
        path = run('act/act_pretrain_shapenet_codes-tiny.py', options)
        state = torch.load(path, weights_only=True)['state_dict']
        assert state['objectives.act.head.proj.weight'].shape == (64, 128)
        assert 'mask_token' in state


@pytest.mark.slow
@pytest.mark.usefixtures('data_root')
def test_other_losses_of_stage_2() -> None:
    run('act/act_dvae_shapenet_tiny.py')
    stage2 = 'act/act_pretrain_shapenet_tiny.py'
    for name in ('nt-xent', 'barlow', 'mse', 'smooth-l1'):
        published = load(f'act/act_pretrain_shapenet_{name}.py')
        loss = published.model.objectives.act.head.loss
        run(stage2, {'model.objectives.act.head.loss': loss}, name)


def test_own_folder(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    """Both stages on fewer clouds than a batch, one of them damaged."""
    clouds = data_root / 'mine'
    shutil.copytree(data_root / 'ShapeNet55-34' / 'shapenet_pc', clouds)
    (clouds / 'damaged.npy').write_bytes(b'no array')
    monkeypatch.setenv('ACT_CLOUDS', str(clouds))
    for step in ('dvae', 'pretrain'):
        name = f'act_{step}_folder_tiny'
        cfg = prepare_config(
            str(CONFIGS / 'act' / f'{name}.py'),
            f'work_dirs/{name}',
            options={k: v for k, v in RUN.items() if 'val' not in k},
        )
        state = torch.load(train(cfg), weights_only=True)
        assert state['meta']['iter'] == 1
        assert all(v.isfinite().all() for v in state['state_dict'].values())


@pytest.mark.usefixtures('data_root')
def test_small_point_mae_runs() -> None:
    run('point-mae/point-mae_pretrain_shapenet_tiny.py')


@pytest.mark.usefixtures('data_root')
def test_plain_autoencoder_runs_when_shrunken() -> None:
    sizes = dict(
        num_groups=8,
        group_size=8,
        embed_dims=32,
        num_codes=16,
        code_dims=32,
        decoder_dims=32,
    )
    options = {f'model.{name}': size for name, size in sizes.items()}
    run('act/dvae_shapenet.py', options)


@pytest.mark.parametrize('variant', ['tiny', 'demo', None])
def test_stage_2_finds_stage_1(
    variant: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default work directory, an environment variable, an option."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('ACT_AUTOENCODER', raising=False)
    stem = 'act_dvae_shapenet' + (f'_{variant}' if variant else '')
    name = stem.replace('dvae', 'pretrain')
    path = CONFIGS / 'act' / f'{name}.py'
    (absent,) = stage_1_problems(Config.fromfile(path))
    assert f'tools/train.py configs/act/{stem}.py' in absent
    for folder in ('work_dirs/' + stem, 'other', 'third'):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / 'epoch_1.pth').touch()
    (tmp_path / 'work_dirs' / stem / 'last_checkpoint').write_text(
        f'work_dirs/{stem}/epoch_1.pth'
    )
    assert stage_1_problems(Config.fromfile(path)) == []
    monkeypatch.setenv('ACT_AUTOENCODER', 'nowhere')
    (absent,) = stage_1_problems(Config.fromfile(path))
    assert "no checkpoint at 'nowhere'" in absent
    monkeypatch.setenv('ACT_AUTOENCODER', 'other/epoch_1.pth')
    cfg = Config.fromfile(path)
    assert stage_1_problems(cfg) == []
    key = GENERATOR if variant else GENERATOR.removesuffix('.generator')
    cfg.merge_from_dict({f'{key}.checkpoint': 'gone/epoch_1.pth'})
    (absent,) = stage_1_problems(cfg)
    assert "no checkpoint at 'gone/epoch_1.pth'" in absent
    cfg.merge_from_dict({f'{key}.checkpoint': 'third/epoch_1.pth'})
    assert stage_1_problems(cfg) == []


@pytest.mark.parametrize(
    'name', [name for name in LEAVES if 'act_pretrain_' in name]
)
def test_stage_2_describes_the_autoencoder_of_stage_1(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('ACT_AUTOENCODER', raising=False)
    (target,) = (
        part for part in iter_typed(load(name).model) if 'autoencoder' in part
    )
    stage1 = ROOT / target['stage1_config']
    assert target['checkpoint'] == f'work_dirs/{stage1.stem}'
    assert target['autoencoder'] == Config.fromfile(stage1).model
    variant = re.sub('act_dvae_[a-z]+', '', stage1.stem)
    own = name.replace('_pretrain_', '_dvae_')
    # Others vary something else on the autoencoder of the same size.
    assert stage1 == CONFIGS / own or not (CONFIGS / own).exists()
    assert variant in {'', '_tiny'} or name.endswith(f'{variant}.py')


def stage_1_problems(cfg: Config) -> list[str]:
    (target,) = (
        part
        for part in iter_typed(cfg.model)
        if part['type'] == 'AutoencoderTarget'
    )
    return MODELS.get('AutoencoderTarget').check_requirements(target)


@pytest.mark.slow
@pytest.mark.parametrize('name', FULL_SIZE)
def test_full_size_runs_forward_and_backward(name: str) -> None:
    cfg = load(name)
    model = full_size_model(cfg)
    model.init_weights()
    model.train()
    torch.manual_seed(0)
    points = torch.rand(2, 1024, 3) * 2 - 1
    losses = model(dict(points=points), None, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    trainable = [p for p in model.parameters() if p.requires_grad]
    reached = [p for p in trainable if p.grad is not None]
    assert len(reached) > 0.9 * len(trainable)
    assert all(p.grad.isfinite().all() for p in reached)


def full_size_model(cfg: Config) -> nn.Module:
    """Return the model with a teacher of random weights."""
    for part in iter_typed(cfg.model):
        if part['type'] in TEACHERS:
            part['pretrained'] = False
    for part in iter_typed(cfg.model):
        if 'autoencoder' in part:
            config = part.pop('autoencoder')
            part['checkpoint'] = None
            part['autoencoder'] = MODELS.build(config)
    model = MODELS.build(cfg.model)
    assert isinstance(model, Distiller) == ('pretrain' in cfg.filename)
    return model
