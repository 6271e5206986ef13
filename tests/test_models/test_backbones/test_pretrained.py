"""Loading through init_cfg: all of it, or an error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import save_checkpoint

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.models.backbones import pretrained
from mmdet3d_act.models.backbones.point_transformer import PointTransformer
from tests.test_models import toys

OBJECTS = dict(up_axis='y', normalization='unit_sphere')


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    messages: list[str] = []
    monkeypatch.setattr(
        pretrained,
        'print_log',
        lambda text, logger, level=20: messages.append(f'{level} {text}'),
    )
    return messages


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
    'prefix', ['', 'student.', 'backbone.', 'module.student.']
)
def test_every_tensor_is_filled(tmp_path: Path, prefix: str) -> None:
    path = write(tmp_path / 'a.pth', prefix)
    assert_same(load(path))
    assert_same(load(path, prefix=prefix))


def test_a_bare_state_dict_will_do(tmp_path: Path) -> None:
    torch.save(source().state_dict(), tmp_path / 'a.pth')
    assert_same(load(tmp_path / 'a.pth'))


def test_any_other_prefix_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'model.net.')
    assert_same(load(path, prefix='model.net.'))


def test_init_cfg_may_be_a_list(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    cfg = [
        dict(type='Constant', layer='Linear', val=0.5),
        dict(type='Pretrained', checkpoint=str(path)),
    ]
    student = toys.student(init_cfg=cfg)
    student.init_weights()
    assert_same(student)


def test_loaded_as_part_of_a_model_and_once_only(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')

    class Detector(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = toys.student(
                init_cfg=dict(type='Pretrained', checkpoint=str(path))
            )

        def forward(self) -> None:
            """Not needed."""

    model = Detector()
    model.init_weights()
    assert_same(model.backbone)
    with torch.no_grad():
        model.backbone.cls_token.zero_()
    model.backbone.init_weights()
    assert not model.backbone.cls_token.any()


def test_other_initialisations_are_mmengines() -> None:
    cfg = dict(type='Constant', layer='LayerNorm', val=0.25, bias=0.5)
    student = toys.student(init_cfg=cfg)
    student.init_weights()
    assert (student.norm.weight == 0.25).all()
    assert (student.norm.bias == 0.5).all()


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


def test_a_missing_tensor_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint['state_dict']['student.blocks.1.norm1.bias']
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match=r'blocks\.1\.norm1\.bias'):
        load(path)


def test_a_shallower_checkpoint_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    with pytest.raises(ValueError, match='does not fit PointT') as caught:
        load(path, num_layers=3)
    # Weights do not show it, and this file does not say it.
    assert 'num_heads' not in str(caught.value)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta']['backbone'] = dict(num_heads=8)
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match=r'num_layers=2, .*, num_heads=8'):
        load(path, num_layers=3)


def test_another_shape_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth')
    with pytest.raises(
        ValueError, match=r'conv1.weight: expected \(8, 6\), got \(8, 3\)'
    ):
        load(path, in_channels=6)


def test_another_network_is_an_error(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(1, 1).state_dict(), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'patch_embed\.conv1'):
        load(tmp_path / 'a.pth')


def test_a_stage_one_checkpoint_is_an_error(tmp_path: Path) -> None:
    torch.save(toys.vae().state_dict(), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='does not fit PointTransformer'):
        load(tmp_path / 'a.pth')


def test_a_wrong_prefix_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    with pytest.raises(ValueError, match=r"prefixes \['net.'\]"):
        load(path, prefix='net.')


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


def test_a_deeper_checkpoint_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    with pytest.raises(CheckpointError, match=r'blocks\.1\.norm1\.weight'):
        load(path, num_layers=1)
    cfg = dict(type='Pretrained', checkpoint=str(path), allow_unused=True)
    student = toys.student(init_cfg=cfg, num_layers=1)
    student.init_weights()
    expected = source().state_dict()
    for name, value in student.state_dict().items():
        assert torch.equal(expected[name], value), name


def test_the_class_token_may_go_unused(tmp_path: Path, log: list[str]) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    student = load(path, with_cls_token=False)
    assert torch.equal(student.norm.bias, source().norm.bias)
    assert not [text for text in log if text.startswith('30')]
    assert any('47 tensors loaded' in text for text in log)


def test_a_missing_checkpoint_names_the_command(tmp_path: Path) -> None:
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth'))
    with pytest.raises(FileNotFoundError, match='correct the path'):
        toys.student(init_cfg=cfg).init_weights()
    cfg['pretrain_config'] = 'configs/act/x.py'
    with pytest.raises(
        FileNotFoundError, match=r'python tools/train\.py configs/act/x\.py'
    ):
        toys.student(init_cfg=cfg).init_weights()


def test_another_number_of_heads_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth')
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta']['backbone'] = dict(num_heads=8, group_size=4)
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match='trained with num_heads=8'):
        load(path)
    assert_same(load(path, num_heads=8))


def test_a_network_without_class_token_lends_the_rest(
    tmp_path: Path, log: list[str]
) -> None:
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
    warned = [text for text in log if text.startswith('30')]
    assert len(warned) == 1
    assert 'trained without cls_token, cls_pos; they stay' in warned[0]


def test_a_published_file_names_the_converter(tmp_path: Path) -> None:
    torch.save(dict(base_model=source().state_dict()), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'convert_checkpoint\.py'):
        load(tmp_path / 'a.pth')


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


def test_an_autoencoder_has_no_backbone_sizes() -> None:
    with pytest.raises(CheckpointError, match='only a patch embedding'):
        pretrained.backbone_sizes(toys.vae().state_dict())


@pytest.mark.parametrize('checkpoint', [{}, dict(meta=None), dict(meta={})])
def test_checkpoints_without_settings(checkpoint: dict) -> None:
    assert pretrained.checkpoint_settings(checkpoint) == {}


def test_settings_of_a_backbone_are_those_that_are_compared() -> None:
    settings = pretrained.backbone_settings(toys.student(residual='normed'))
    assert settings['residual'] == 'normed'
    assert set(settings) == set(pretrained.SETTINGS)


def test_another_patch_size_is_warned_of(
    tmp_path: Path, log: list[str]
) -> None:
    path = write(tmp_path / 'a.pth')
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta']['backbone'] = dict(group_size=5)
    torch.save(checkpoint, path)
    load(path)
    assert any(t.startswith('30') and 'group_size=5' in t for t in log)
