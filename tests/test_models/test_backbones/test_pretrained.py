"""Loading through init_cfg: all of it, or an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import save_checkpoint

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.models.backbones import pretrained
from mmdet3d_act.models.backbones.point_transformer import PointTransformer
from tests.test_models import toys

OBJECTS = dict(up_axis='y', normalization='unit_sphere')


def source() -> PointTransformer:
    return toys.randomize(toys.student(), seed=7)


def write(
    path: Path, prefix: str = '', dataset_meta: dict | None = None
) -> Path:
    state = source().state_dict()
    state = {prefix + key: value for key, value in state.items()}
    meta = {} if dataset_meta is None else dict(dataset_meta=dataset_meta)
    torch.save(dict(state_dict=state, meta=meta), path)
    return path


def load(path: Path, prefix: str | None = None, **changes: object):
    cfg = dict(type='Pretrained', checkpoint=str(path))
    if prefix is not None:
        cfg['prefix'] = prefix
    student = toys.student(init_cfg=cfg, **changes)
    student.init_weights()
    return student


def assert_same(student: PointTransformer) -> None:
    expected = source().state_dict()
    state = student.state_dict()
    assert set(state) == set(expected)
    for name, value in expected.items():
        assert torch.equal(state[name], value), name


@pytest.mark.parametrize(
    ('prefix', 'found'),
    [
        ('', True),
        ('student.', True),
        ('backbone.', True),
        ('module.student.', True),
        ('model.net.', False),
    ],
)
def test_every_tensor_is_filled(
    tmp_path: Path, prefix: str, found: bool
) -> None:
    path = write(tmp_path / 'a.pth', prefix)
    assert_same(load(path, prefix=prefix))
    if found:
        assert_same(load(path))


def test_mmengines_own_checkpoint_is_read(tmp_path: Path) -> None:
    model = torch.nn.ModuleDict(dict(student=source()))
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    checkpoint = dict(
        meta=dict(dataset_meta=OBJECTS, epoch=1),
        state_dict=model.state_dict(),
        message_hub=dict(log_scalars={'train/loss': history}),
    )
    save_checkpoint(checkpoint, str(tmp_path / 'epoch_1.pth'))
    student = load(tmp_path / 'epoch_1.pth')
    assert_same(student)
    assert student.pretrained_meta == OBJECTS


def student_file() -> dict:
    return {f'student.{k}': v for k, v in source().state_dict().items()}


def incomplete() -> dict:
    state = student_file()
    del state['student.blocks.1.norm1.bias']
    return state


def of_eight_heads() -> dict:
    meta = dict(backbone=dict(num_heads=8))
    return dict(state_dict=student_file(), meta=meta)


# A file, how it is loaded, and whom the message names.
REFUSED = {
    'missing tensor': (incomplete, {}, r'blocks\.1\.norm1\.bias'),
    'shallower': (student_file, dict(num_layers=3), 'num_layers=2'),
    'deeper': (student_file, dict(num_layers=1), r'blocks\.1\.norm1\.weight'),
    'shape': (student_file, dict(in_channels=6), r'conv1.weight.*\(8, 3\)'),
    'prefix': (student_file, dict(prefix='net.'), r"'net\.'"),
    'another network': (
        lambda: torch.nn.Linear(1, 1).state_dict(),
        {},
        r'patch_embed\.conv1',
    ),
    'stage I': (lambda: toys.vae().state_dict(), {}, 'PointTransformer'),
    'heads': (of_eight_heads, {}, 'num_heads=8'),
    'published': (
        lambda: dict(base_model=source().state_dict()),
        {},
        r'convert_checkpoint\.py',
    ),
}


@pytest.mark.parametrize(('make', 'options', 'said'), REFUSED.values())
def test_what_does_not_fit_is_refused(
    tmp_path: Path, make: Callable[[], dict], options: dict, said: str
) -> None:
    torch.save(make(), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=said):
        load(tmp_path / 'a.pth', **options)


def test_the_number_of_heads_is_compared(tmp_path: Path) -> None:
    torch.save(of_eight_heads(), tmp_path / 'a.pth')
    assert_same(load(tmp_path / 'a.pth', num_heads=8))


@pytest.mark.parametrize('how', ['init_cfg', 'load_state_dict'])
def test_another_position_mode_is_an_error(tmp_path: Path, how: str) -> None:
    path = write(tmp_path / 'a.pth')
    student = toys.student(
        position='after',
        init_cfg=dict(type='Pretrained', checkpoint=str(path)),
    )
    state = source().state_dict()
    action = {
        'init_cfg': student.init_weights,
        'load_state_dict': lambda: student.load_state_dict(state),
    }[how]
    with pytest.raises(ValueError, match="set position='before'"):
        action()


def test_deeper_blocks_may_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    cfg = dict(type='Pretrained', checkpoint=str(path), allow_unused=True)
    student = toys.student(init_cfg=cfg, num_layers=1)
    student.init_weights()
    expected = source().state_dict()
    for name, value in student.state_dict().items():
        assert torch.equal(expected[name], value), name


def test_the_class_token_may_go_unused(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    student = load(path, with_cls_token=False)
    assert torch.equal(student.norm.bias, source().norm.bias)


def test_a_missing_checkpoint_names_the_command(tmp_path: Path) -> None:
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth'))
    with pytest.raises(FileNotFoundError, match='correct the path'):
        toys.student(init_cfg=cfg).init_weights()
    cfg['pretrain_config'] = 'configs/act/x.py'
    with pytest.raises(
        FileNotFoundError, match=r'python tools/train\.py configs/act/x\.py'
    ):
        toys.student(init_cfg=cfg).init_weights()


def test_a_network_without_class_token_lends_the_rest(tmp_path: Path) -> None:
    """Point-MAE's transfer: the class token begins with the fine-tuning."""
    path = write(tmp_path / 'a.pth', 'student.')
    checkpoint = torch.load(path, weights_only=True)
    state = checkpoint['state_dict']
    token = state.pop('student.cls_token')
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match='cls_token'):
        load(path)
    del state['student.cls_pos']
    torch.save(checkpoint, path)
    student = load(path)
    assert torch.equal(student.norm.bias, source().norm.bias)
    assert not torch.equal(student.cls_token, token)
    assert student.cls_token.requires_grad


def test_sizes_build_the_same_network() -> None:
    student = toys.student(patch_dims=24, mlp_ratio=3.0, in_channels=6)
    sizes = pretrained.backbone_sizes(student.state_dict())
    assert sizes == dict(
        in_channels=6,
        embed_dims=32,
        num_layers=2,
        mlp_ratio=3.0,
        qkv_bias=False,
        patch_dims=24,
        patch_channels=(8, 16, 16),
        with_cls_token=True,
    )
    toys.student(**sizes).load_state_dict(student.state_dict())


def test_a_students_sizes_are_told_once() -> None:
    init_cfg = dict(type='Pretrained', checkpoint='act-mini')
    with pytest.raises(CheckpointError) as caught:
        toys.student(init_cfg=init_cfg).init_weights()
    assert str(caught.value).count('embed_dims=') == 1
