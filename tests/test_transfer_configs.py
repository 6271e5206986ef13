"""The classification configs: rows of the tables, and runs of small ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import BaseDataElement

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.checkpoint import pretrained_part
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.engine.preflight import collect_problems
from mmdet3d_act.registry import DATASETS, MODELS
from tests.config_files import CONFIGS, LEAVES, RUN, leaves_of, load, peek
from tests.test_tools.test_train import run_here

OBJECTS = [f'scanobjectnn-{part}' for part in ('objbg', 'objonly', 'hardest')]
SHAPES = ['modelnet40', 'modelnet40-8k']
FROZEN = ['linear', 'mlp3', 'bitfit', 'side']
NOT_AUGMENTED = ['noaug', 'linear-noaug', 'mlp3-noaug']
PROTOCOL_KEYS = {
    'model.transfer',
    'optim_wrapper.optimizer.lr',
    'param_scheduler',
}
TINY = 'act/act_cls_real-shapes_tiny.py'
# 3DETR's own encoders have no pretraining here.
FINE_TUNED = [
    name
    for name in leaves_of('cls', 'fewshot', 'partseg', 'semseg', '3detr')
    if not name.startswith('3detr/')
]


@pytest.fixture(autouse=True, scope='module')
def _default_weights() -> Iterator[None]:
    """The places where configs look by default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv('ACT_PRETRAINED', raising=False)
        patch.delenv('POINT_MAE_PRETRAINED', raising=False)
        patch.delenv('CONCEPT_PRETRAINED', raising=False)
        yield


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


def flat(node: object, name: str = '') -> dict[str, object]:
    """Return the leaves of nested dicts by dotted name; lists are leaves."""
    if not isinstance(node, dict):
        return {name: node}
    found = {}
    for key, value in node.items():
        found |= flat(value, f'{name}.{key}' if name else key)
    return found


def differences(first: str, second: str) -> set[str]:
    a, b = (flat(peek(name).to_dict()) for name in (first, second))
    return {key for key in {*a, *b} if a.get(key, a) != b.get(key, b)}


def act(data: str, variant: str = '') -> str:
    return f'act/act_cls_{data}{"_" * bool(variant)}{variant}.py'


def test_every_row_is_there() -> None:
    rows = {act(data) for data in OBJECTS + SHAPES}
    rows |= {act(d, v) for d in OBJECTS + SHAPES for v in FROZEN}
    rows |= {act(data, v) for data in OBJECTS for v in NOT_AUGMENTED}
    for method in ('point-mae', 'point-transformer'):
        rows |= {f'{method}/{method}_cls_{d}.py' for d in OBJECTS + SHAPES}
    rows |= {
        f'point-mae/point-mae_cls_{data}_{variant}.py'
        for data in [*OBJECTS, 'modelnet40']
        for variant in ('linear', 'mlp3')
    }
    rows |= {
        f'point-transformer/point-transformer_cls_{data}_noaug.py'
        for data in OBJECTS
    }
    assert rows <= set(LEAVES)


@pytest.mark.parametrize('data', OBJECTS + SHAPES)
@pytest.mark.parametrize('protocol', FROZEN)
def test_a_protocol_is_one_switch_and_its_rate(
    data: str, protocol: str
) -> None:
    assert differences(act(data), act(data, protocol)) == PROTOCOL_KEYS
    cfg = peek(act(data, protocol))
    assert cfg.model.transfer == protocol
    assert cfg.optim_wrapper.optimizer.lr == 1e-3
    assert peek(act(data)).optim_wrapper.optimizer.lr == 5e-4
    for one, rate in ((cfg, 1e-3), (peek(act(data)), 5e-4)):
        warmup, cosine = one.param_scheduler
        assert warmup.start_factor * rate == pytest.approx(1e-6)
        assert (warmup.end, cosine.end, cosine.eta_min) == (10, 300, 1e-7)


@pytest.mark.parametrize('protocol', ['linear', 'mlp3'])
@pytest.mark.parametrize(
    ('row', 'name'),
    [
        (
            'point-mae/point-mae_cls_modelnet40',
            'point-mae/point-mae_cls_modelnet40_{}',
        ),
        (
            'act/act_fewshot_modelnet40_drawn',
            'act/act_fewshot_modelnet40_drawn-{}',
        ),
    ],
)
def test_protocols_of_other_rows(row: str, name: str, protocol: str) -> None:
    frozen = f'{name.format(protocol)}.py'
    assert differences(f'{row}.py', frozen) == PROTOCOL_KEYS
    assert peek(frozen).model.transfer == protocol


def test_few_shot_takes_half_as_long() -> None:
    warmup, cosine = load('act/act_fewshot_modelnet40.py').param_scheduler
    assert (warmup.end, cosine.begin, cosine.end) == (10, 10, 150)
    assert cosine.T_max == 140
    linear = load('act/act_fewshot_modelnet40_linear.py')
    assert linear.param_scheduler[0].start_factor == pytest.approx(1e-3)
    assert linear.param_scheduler[1] == cosine
    assert linear.train_cfg.max_epochs == 150


def augmentation(name: str) -> list[str]:
    """Return the random changes of a training sample."""
    dataset = peek(name).train_dataloader.dataset
    steps = [*dataset.get('static_pipeline', ()), *dataset.pipeline]
    return [s.type for s in steps if s.type.startswith('RandomPoint')]


@pytest.mark.parametrize('data', OBJECTS)
def test_augmentation_of_the_rows(data: str) -> None:
    assert augmentation(act(data)) == ['RandomPointRotation']
    for row in NOT_AUGMENTED:
        assert augmentation(act(data, row)) == []
        changed = differences(act(data), act(data, row))
        protocol = PROTOCOL_KEYS if row != 'noaug' else set()
        pipeline = {'train_dataloader.dataset.pipeline'}
        assert changed == pipeline | protocol
    scratch = f'point-transformer/point-transformer_cls_{data}_noaug.py'
    assert augmentation(scratch) == []
    point_mae = f'point-mae/point-mae_cls_{data}.py'
    assert augmentation(point_mae) == ['RandomPointScaleShift']
    for shapes in SHAPES:
        assert augmentation(act(shapes)) == ['RandomPointScaleShift']


@pytest.mark.parametrize('name', leaves_of('cls'))
def test_the_head_has_the_classes_of_the_data(name: str) -> None:
    cfg = peek(name)
    dataset = DATASETS.get(cfg.train_dataloader.dataset.type)
    classes = dataset.METAINFO['classes']
    # A folder's classes are those that are there: 16 in real_shapes; a user
    # says how many an own one has.
    count = len(classes) or (2 if 'folder' in name else 16)
    assert cfg.model.head.num_classes == count
    assert cfg.default_hooks.checkpoint.save_best == 'overall_accuracy'


@pytest.mark.parametrize(
    'name', [n for n in FINE_TUNED if n.startswith('point-transformer/')]
)
def test_control_rows_differ_in_the_pretraining_only(name: str) -> None:
    changed = differences(name.replace('point-transformer', 'act'), name)
    prefix = 'model.backbone.init_cfg'
    assert changed
    assert all(key.startswith(prefix) for key in changed), changed
    assert peek(name).model.backbone.init_cfg is None


@pytest.mark.parametrize(
    'name', [n for n in FINE_TUNED if not n.startswith('point-transformer/')]
)
def test_the_backbone_is_the_student_of_its_pretraining(name: str) -> None:
    backbone = peek(name).model.backbone.to_dict()
    init = backbone.pop('init_cfg')
    source = Path(init['pretrain_config'])
    assert pretrained_part(init)
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


def test_missing_weights_are_named_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = load(TINY)
    (problem,) = collect_problems(cfg, ['model'])
    command = 'tools/train.py configs/act/act_pretrain_shapenet_tiny.py'
    assert command in problem
    folder = tmp_path / 'work_dirs' / 'act_pretrain_shapenet_tiny'
    folder.mkdir(parents=True)
    (folder / 'epoch_1.pth').touch()
    (folder / 'last_checkpoint').write_text('epoch_1.pth')
    assert collect_problems(cfg, ['model']) == []
    monkeypatch.setenv('ACT_PRETRAINED', 'nowhere')
    (problem,) = collect_problems(load(TINY), ['model'])
    assert "no checkpoint at 'nowhere'" in problem
    scratch = TINY.replace('act', 'point-transformer')
    assert collect_problems(load(scratch), ['model']) == []


@pytest.fixture
def student(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Weights of the tiny student, named by the environment."""
    backbone = load(TINY).model.backbone
    backbone.init_cfg = None
    torch.manual_seed(0)
    state = MODELS.build(backbone).state_dict()
    state = {f'student.{key}': value for key, value in state.items()}
    torch.save(dict(state_dict=state), 'student.pth')
    monkeypatch.setenv('ACT_PRETRAINED', 'student.pth')
    return state


def fine_tune(transfer: str) -> dict[str, torch.Tensor]:
    """Train an epoch of the tiny config; return the weights."""
    options = {
        **RUN,
        'train_dataloader.batch_size': 4,
        'model.transfer': transfer,
        # As many as the small data have.
        'model.head.num_classes': 2,
    }
    cfg = prepare_config(
        str(CONFIGS / TINY), f'work_dirs/{transfer}', options=options
    )
    path = train(cfg)
    return torch.load(path, weights_only=True)['state_dict']


@pytest.mark.parametrize('transfer', ['full', 'bitfit', 'side'])
def test_small_run_under_every_protocol(transfer: str, student: dict) -> None:
    state = fine_tune(transfer)
    assert all(value.isfinite().all() for value in state.values())
    changed = {
        name
        for name, value in student.items()
        if not torch.equal(value, state[name.replace('student', 'backbone')])
    }
    weights = {name for name in changed if name.endswith('qkv.weight')}
    assert bool(weights) == (transfer == 'full')
    assert 'student.cls_token' in changed
    biases = {name for name in changed if name.endswith('proj.bias')}
    assert bool(biases) == (transfer in ('full', 'bitfit'))
    folder = Path('work_dirs') / transfer
    names = {path.name for path in folder.iterdir()}
    assert {
        'best_overall_accuracy_epoch_1.pth',
        'confusion_matrix_val.csv',
        'confusion_matrix_val.png',
    } <= names


def test_small_run_then_votes(student: dict) -> None:
    fine_tune('linear')
    path = 'work_dirs/linear/epoch_1.pth'
    # Its own weights are all there; the student's file is not needed.
    Path('student.pth').unlink()
    options = (
        '--cfg-options',
        'model.transfer=linear',
        'model.head.num_classes=2',
        'test_dataloader.num_workers=0',
    )
    config = str(CONFIGS / TINY)
    plain = (config, path, '--out', 'plain.json')
    assert run_here('test', *plain, *options) == 0
    plain = json.loads(Path('plain.json').read_text())
    assert set(plain) == {'overall_accuracy', 'mean_class_accuracy'}
    voted = (config, path, '--tta', '--votes', '2', '--out', 'vote.json')
    assert run_here('test', *voted, *options) == 0
    voted = json.loads(Path('vote.json').read_text())
    kinds = ('vote', 'mean_of_2_votes', 'std_of_2_votes', 'best_of_2_votes')
    assert set(voted) == {f'{k}/{name}' for k in kinds for name in plain}
    best = voted['best_of_2_votes/overall_accuracy']
    assert best >= voted['vote/overall_accuracy'] >= 0


def test_votes_of_a_config_without(student: dict) -> None:
    name = str(CONFIGS / 'act/act_cls_scanobjectnn_tiny.py')
    assert run_here('test', name, 'student.pth', '--tta') == 2


def test_training_without_the_student_is_refused(data_root: Path) -> None:
    with pytest.raises(UsageError, match='pretrained weights of PointTrans'):
        prepare_config(str(CONFIGS / TINY), 'work_dirs/x')


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [act(SHAPES[0], v) for v in ('', *FROZEN)] + [act(OBJECTS[2])],
)
def test_full_size_runs_forward_and_backward(name: str) -> None:
    cfg = load(name)
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()
    torch.manual_seed(0)
    points = torch.rand(2, 2048, 3) * 2 - 1
    samples = [BaseDataElement(gt_label=torch.tensor([i])) for i in (3, 0)]
    losses = model(dict(points=points), samples, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    for param in model.parameters():
        assert (param.grad is not None) == param.requires_grad
        assert param.grad is None or param.grad.isfinite().all()
