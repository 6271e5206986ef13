"""Loading through init_cfg: all of it, or an error."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import save_checkpoint
from mmengine.visualization import Visualizer

import mmdet3d_act
from mmdet3d_act.models.backbones import pretrained
from mmdet3d_act.models.backbones.point_transformer import PointTransformer
from tests.test_models import toys

mmdet3d_act.compat.allow_mmengine_checkpoints()
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


@pytest.fixture
def visualizer() -> Visualizer:
    return Visualizer.get_instance('test_pretrained')


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
    assert student._pretrained_meta == OBJECTS


def test_a_missing_tensor_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint['state_dict']['student.blocks.1.norm1.bias']
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match=r"1 missing \['blocks.1.norm1.bias"):
        load(path)


def test_a_shallower_checkpoint_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    with pytest.raises(ValueError, match='does not fill PointT') as caught:
        load(path, num_layers=3)
    # Weights do not show it, and this file does not say it.
    assert 'num_heads' not in str(caught.value)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta']['backbone'] = dict(num_heads=8)
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match=r'num_layers=2, .*, num_heads=8, '):
        load(path, num_layers=3)


def test_another_shape_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.pth')
    with pytest.raises(
        ValueError, match=r'conv1.weight: expected \(8, 6\), got \(8, 3\)'
    ):
        load(path, in_channels=6)


def test_another_network_is_an_error(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(1, 1).state_dict(), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='no point Transformer in the check'):
        load(tmp_path / 'a.pth')


def test_a_stage_one_checkpoint_is_an_error(tmp_path: Path) -> None:
    torch.save(toys.vae().state_dict(), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='does not fill PointTransformer'):
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


def test_unused_tensors_are_warned_of(tmp_path: Path, log: list[str]) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['state_dict']['student.extra'] = torch.ones(1)
    checkpoint['state_dict']['objectives.act.head.proj.bias'] = torch.ones(1)
    torch.save(checkpoint, path)
    assert_same(load(path))
    warnings = [text for text in log if text.startswith('30')]
    assert len(warnings) == 1
    assert '1 tensors have no place in PointTransformer' in warnings[0]
    assert 'extra' in warnings[0]


def test_the_class_token_may_go_unused(tmp_path: Path, log: list[str]) -> None:
    path = write(tmp_path / 'a.pth', 'student.')
    student = load(path, with_cls_token=False)
    assert torch.equal(student.norm.bias, source().norm.bias)
    assert not [text for text in log if text.startswith('30')]
    assert any('all' in text and 'loaded' in text for text in log)


def test_other_data_is_warned_of_at_the_first_training_step(
    tmp_path: Path, log: list[str], visualizer: Visualizer
) -> None:
    path = write(tmp_path / 'a.pth', 'student.', OBJECTS)
    student = load(path)
    log.clear()
    visualizer.dataset_meta = dict(up_axis='z', normalization='none')
    student.eval()(toys.points())
    assert log == []
    student.train()(toys.points())
    assert len(log) == 2
    assert "up_axis='y', this data set has 'z'" in log[0]
    assert "normalization='unit_sphere'" in log[1]
    student(toys.points())
    assert len(log) == 2


def test_the_same_data_is_not_warned_of(
    tmp_path: Path, log: list[str], visualizer: Visualizer
) -> None:
    student = load(write(tmp_path / 'a.pth', 'student.', OBJECTS))
    log.clear()
    visualizer.dataset_meta = dict(**OBJECTS, classes=('a', 'b'))
    student.train()(toys.points())
    assert log == []


def test_unknown_data_is_not_warned_of(
    tmp_path: Path, log: list[str], visualizer: Visualizer
) -> None:
    student = load(write(tmp_path / 'a.pth', 'student.'))
    log.clear()
    visualizer.dataset_meta = dict(up_axis='z')
    student.train()(toys.points())
    assert log == []


def test_a_work_directory_means_its_last_checkpoint(tmp_path: Path) -> None:
    write(tmp_path / 'epoch_1.pth', 'student.')
    (tmp_path / 'last_checkpoint').write_text('gone/epoch_1.pth')
    assert_same(load(tmp_path))


def test_a_missing_checkpoint_names_the_command(tmp_path: Path) -> None:
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth'))
    with pytest.raises(FileNotFoundError, match='correct the path'):
        toys.student(init_cfg=cfg).init_weights()
    cfg['pretrain_config'] = 'configs/act/x.py'
    with pytest.raises(
        FileNotFoundError, match=r'python tools/train\.py configs/act/x\.py'
    ):
        toys.student(init_cfg=cfg).init_weights()


def test_a_published_file_names_the_converter(tmp_path: Path) -> None:
    state = source().state_dict()
    members = dict(base_model=state, args=argparse.Namespace(a=1))
    torch.save(members, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'convert_checkpoint\.py SRC DST'):
        load(tmp_path / 'a.pth')
    torch.save(dict(base_model=state), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'convert_checkpoint\.py SRC DST'):
        load(tmp_path / 'a.pth')


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
    with pytest.raises(ValueError, match=r"1 missing \['cls_token'\]"):
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


class Network(pretrained.PretrainedModel, BaseModel):
    """A backbone that loads a file of its own, and a head."""

    def __init__(self, lent: str, init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        lent_cfg = dict(type='Pretrained', checkpoint=lent)
        self.backbone = toys.student(init_cfg=lent_cfg)
        self.head = torch.nn.Linear(2, 2)

    def forward(self) -> None:
        """Not needed."""


@pytest.fixture
def whole(tmp_path: Path) -> Network:
    """A network that was trained, its checkpoint in ``whole.pth``."""
    lent = str(write(tmp_path / 'lent.pth'))
    network = toys.randomize(Network(lent), seed=9)
    torch.save(
        dict(state_dict=network.state_dict(), meta={}), tmp_path / 'whole.pth'
    )
    return network


@pytest.mark.parametrize('in_list', [False, True])
def test_a_whole_model_is_filled(
    tmp_path: Path, whole: Network, in_list: bool
) -> None:
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'whole.pth'))
    others = dict(type='Constant', layer='Linear', val=0.5)
    init_cfg = [others, cfg] if in_list else cfg
    network = Network(str(tmp_path / 'lent.pth'), init_cfg)
    network.init_weights()
    for name, value in whole.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    assert network.init_cfg == init_cfg
    with torch.no_grad():
        network.head.bias.zero_()
    network.init_weights()
    assert not network.head.bias.any()


def test_parts_that_the_whole_file_fills_need_none(
    tmp_path: Path, whole: Network
) -> None:
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'whole.pth'))
    network = Network(str(tmp_path / 'gone.pth'), cfg)
    network.init_weights()
    for name, value in whole.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_a_whole_model_without_it_is_mmengines(
    tmp_path: Path, whole: Network
) -> None:
    network = Network(str(tmp_path / 'lent.pth'))
    network.init_weights()
    assert_same(network.backbone)


def test_an_incomplete_whole_model_is_an_error(
    tmp_path: Path, whole: Network
) -> None:
    path = tmp_path / 'whole.pth'
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint['state_dict']['head.bias']
    torch.save(checkpoint, path)
    network = Network(
        str(tmp_path / 'lent.pth'),
        dict(type='Pretrained', checkpoint=str(path)),
    )
    with pytest.raises(ValueError, match=r'(?s)not fill Network.*head\.bias'):
        network.init_weights()


def test_a_part_of_a_whole_model(tmp_path: Path, whole: Network) -> None:
    head = torch.nn.Linear(2, 2)
    pretrained.fill_model(head, str(tmp_path / 'whole.pth'), prefix='head.')
    assert torch.equal(head.weight, whole.head.weight)


def test_find_checkpoint(tmp_path: Path) -> None:
    last = tmp_path / 'epoch_3.pth'
    last.touch()
    assert pretrained.find_checkpoint(str(last)) == str(last)
    assert pretrained.find_checkpoint(str(tmp_path)) is None
    pointer = tmp_path / 'last_checkpoint'
    pointer.write_text(f'{last}\n')
    assert pretrained.find_checkpoint(str(tmp_path)) == str(last)
    # The folder was moved since.
    pointer.write_text('work_dirs/gone/epoch_3.pth')
    assert pretrained.find_checkpoint(str(tmp_path)) == str(last)
    last.unlink()
    assert pretrained.find_checkpoint(str(tmp_path)) is None
