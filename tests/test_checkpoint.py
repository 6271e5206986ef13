"""Finding, reading and filling: all of it, or an error."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.model.weight_init import PretrainedInit
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch import nn

from mmdet3d_act import checkpoint
from mmdet3d_act.checkpoint import (
    CheckpointError,
    MissingCheckpointError,
    fill_module,
    find_checkpoint,
    load_matching,
    pretrained_part,
    read_checkpoint,
    read_weights,
    resolve_checkpoint,
)
from tests.test_datasets.test_readers.test_pickles import hidden_object

STATE = {'weight': torch.arange(6.0).view(3, 2), 'bias': torch.ones(3)}


def test_a_file_or_the_last_of_a_work_directory(tmp_path: Path) -> None:
    last = tmp_path / 'epoch_3.pth'
    last.touch()
    note = tmp_path / 'last_checkpoint'
    assert find_checkpoint(last) == last
    assert find_checkpoint(tmp_path) is None
    for noted in (f'{last}\n', 'work_dirs/moved/epoch_3.pth'):
        note.write_text(noted)
        assert find_checkpoint(tmp_path) == last
    last.unlink()
    assert find_checkpoint(tmp_path) is None


def test_a_copied_work_directory_means_its_own_file(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'epoch_1.pth').touch()
    note = str(tmp_path / 'a' / 'epoch_1.pth')
    (tmp_path / 'a' / 'last_checkpoint').write_text(note)
    assert str(find_checkpoint(tmp_path / 'a')) == note
    (tmp_path / 'b' / 'last_checkpoint').write_text(note)
    assert find_checkpoint(tmp_path / 'b') == tmp_path / 'b' / 'epoch_1.pth'
    # Checkpoints may be kept in another folder on purpose.
    (tmp_path / 'b' / 'epoch_1.pth').unlink()
    assert str(find_checkpoint(tmp_path / 'b')) == note


@pytest.mark.parametrize('fault', ['cut', 'flipped', 'empty', 'no note'])
def test_damaged_means_the_one_before(tmp_path: Path, fault: str) -> None:
    for epoch in (1, 2):
        path = tmp_path / f'epoch_{epoch}.pth'
        torch.save(dict(state_dict=dict(w=torch.ones(50))), path)
        os.utime(path, (epoch, epoch))
    note = tmp_path / 'last_checkpoint'
    note.write_text('' if fault == 'no note' else str(path))
    content = bytearray(path.read_bytes())
    middle = content.index(torch.ones(50).numpy().tobytes())
    if fault == 'cut':
        path.write_bytes(content[: middle + 9])
    elif fault == 'flipped':
        content[middle] ^= 1
        path.write_bytes(content)
    elif fault == 'empty':
        path.write_bytes(b'')
    expected = 2 if fault == 'no note' else 1
    assert find_checkpoint(tmp_path).name == f'epoch_{expected}.pth'
    if fault == 'flipped':
        with pytest.raises(CheckpointError, match='damaged'):
            read_checkpoint(path)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(MissingCheckpointError, match=r'nowhere.*train it'):
        read_checkpoint('nowhere', remedy='train it')
    with pytest.raises(FileNotFoundError):
        resolve_checkpoint('nowhere')


def test_every_format_is_told_by_its_contents(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file(STATE, tmp_path / 'safe.pth')
    np.savez(tmp_path / 'arrays.npz', **STATE)
    torch.save(dict(state_dict=STATE, epoch=1), tmp_path / 'a.safetensors')
    torch.save(STATE, tmp_path / 'b', _use_new_zipfile_serialization=False)
    for name in ('safe.pth', 'arrays.npz', 'a.safetensors', 'b'):
        found = read_weights(tmp_path / name)
        assert found.keys() == STATE.keys()
        assert all(torch.equal(found[key], STATE[key]) for key in STATE)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / 'mark'
    torch.save(dict(state_dict=STATE, a=Evil(mark)), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'a\.pth holds a .*refused'):
        read_checkpoint(tmp_path / 'a.pth')
    assert not mark.exists()
    # An address of the file's choice.
    torch.save(dict(state_dict=STATE, a=hidden_object()), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r"a\.pth .*got 'V8'"):
        read_checkpoint(tmp_path / 'a.pth')


def test_a_class_may_be_allowed_for_one_file(tmp_path: Path) -> None:
    torch.save(dict(args=Namespace(a=1)), tmp_path / 'a.pth')
    found = read_checkpoint(tmp_path / 'a.pth', allowed=[Namespace])
    assert found == dict(args=Namespace(a=1))
    with pytest.raises(CheckpointError, match=r'argparse\.Namespace'):
        read_checkpoint(tmp_path / 'a.pth')


def _torch_script(path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), path)


def _half(path: Path) -> None:
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (b'', 'damaged'),
        (b'hello', 'damaged'),
        (b'\x80\x02garbage', 'damaged'),
        (_half, 'damaged'),
        (b' <!DOCTYPE html><html>', 'HTML'),
        (b'version https://git-lfs.github.com/spec/v1', 'Git LFS'),
        (_torch_script, 'TorchScript'),
        (lambda path: torch.save(torch.ones(1), path), 'Tensor'),
        (lambda path: torch.save({}, path), 'no weights'),
        (lambda path: torch.save({'model': {}}, path), 'no weights'),
        (lambda path: torch.save({'epoch': 3}, path), 'epoch'),
        (
            lambda path: torch.save({'a.b': torch.tensor([1, np.nan])}, path),
            r'not finite in a\.b',
        ),
        (
            lambda path: torch.save({'a.b': torch.tensor(-np.inf)}, path),
            r'not finite in a\.b',
        ),
    ],
)
def test_what_is_no_checkpoint_is_told(
    tmp_path: Path, content: object, said: str
) -> None:
    path = tmp_path / 'a.pth'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    with pytest.raises(CheckpointError, match=rf'(?s)a\.pth.*{said}'):
        read_weights(path)


def test_what_fits_is_filled_and_the_rest_told() -> None:
    module = nn.Linear(2, 3)
    state = {'weight': STATE['weight'], 'bias': torch.ones(4), 'x': STATE}
    match = load_matching(module, state)
    assert torch.equal(module.weight, STATE['weight'])
    assert match.missing == []
    assert match.unexpected == ['x']
    assert match.shapes == ['bias: expected (3,), got (4,)']
    assert match.filled == 1
    assert not match.is_complete
    assert load_matching(module, STATE).is_complete


@pytest.mark.parametrize(
    'state',
    [
        {'weight': STATE['weight']},
        {**STATE, 'extra': torch.ones(1)},
        {**STATE, 'bias': torch.ones(4)},
    ],
    ids=['bias', 'extra', 'bias '],
)
def test_a_module_is_filled_completely(state: dict, request) -> None:
    name = request.node.callspec.id.strip()
    with pytest.raises(CheckpointError, match=rf'a\.pth .*Linear.*{name}.*do'):
        fill_module(nn.Linear(2, 3), state, 'a.pth', remedy='do this')


def test_parts_may_be_optional_as_a_whole() -> None:
    module = nn.Linear(2, 3)
    weight = {'weight': STATE['weight']}
    match = fill_module(module, weight, 'a', optional=['bias', 'b2'])
    assert match.missing == ['bias']
    fill_module(module, {**STATE, 'b2': STATE['bias']}, 'a', optional=['b2'])
    fill_module(module, {**STATE, 'c': STATE['bias']}, 'a', allow_unused=True)
    half = {**weight, 'b2': STATE['bias']}
    with pytest.raises(CheckpointError, match='bias'):
        fill_module(module, half, 'a', optional=['bias', 'b2'])


def test_types_of_init_cfg_are_resolved() -> None:
    constant = dict(type='Constant', val=0)
    for kind in ('Pretrained', 'mmengine.Pretrained', PretrainedInit):
        cfg = dict(type=kind, checkpoint='a')
        assert pretrained_part(cfg) == cfg
        assert pretrained_part([cfg, constant]) == cfg
    assert pretrained_part([constant]) is None
    assert pretrained_part(None) is None


def test_mmengine_reads_through_it(tmp_path: Path) -> None:
    (tmp_path / 'last_checkpoint').write_text('epoch_1.pth')
    torch.save(dict(state_dict=STATE), tmp_path / 'epoch_1.pth')
    module = nn.Linear(2, 3)
    load_checkpoint(module, str(tmp_path))
    assert torch.equal(module.weight, STATE['weight'])
    (tmp_path / 'epoch_1.pth').write_text('<html>')
    with pytest.raises(CheckpointError, match='epoch_1'):
        load_checkpoint(module, str(tmp_path))


class Part(BaseModel):
    """Loads a file of its own."""

    def __init__(self, lent: str) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.lent = lent

    def init_weights(self) -> None:
        if not self.is_init:
            fill_module(self, read_weights(self.lent), self.lent)

    def forward(self) -> None:
        """Not needed."""


class Network(checkpoint.PretrainedModel, BaseModel):
    """A part that loads a file of its own, and a head."""

    def __init__(self, lent: str, init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.part = Part(lent)
        self.head = nn.Linear(2, 2)

    def forward(self) -> None:
        """Not needed."""


@pytest.fixture
def whole(tmp_path: Path) -> Network:
    """A network that was trained, its checkpoint in ``whole.pth``."""
    network = Network('')
    torch.save(network.part.state_dict(), tmp_path / 'lent.pth')
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    torch.save(
        dict(state_dict=network.state_dict(), meta={}), tmp_path / 'whole.pth'
    )
    return network


@pytest.mark.parametrize('lent', ['lent.pth', 'gone.pth'])
@pytest.mark.parametrize('in_list', [False, True])
def test_a_whole_model_is_filled(
    tmp_path: Path, whole: Network, in_list: bool, lent: str
) -> None:
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'whole.pth'))
    others = dict(type='Constant', layer='Linear', val=0.5)
    init_cfg = [others, cfg] if in_list else cfg
    network = Network(str(tmp_path / lent), init_cfg)
    network.init_weights()
    for name, value in whole.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    assert network.init_cfg == init_cfg
    with torch.no_grad():
        network.head.bias.zero_()
    network.init_weights()
    assert not network.head.bias.any()


def test_an_incomplete_whole_model_is_an_error(
    tmp_path: Path, whole: Network
) -> None:
    state = whole.state_dict()
    del state['head.bias']
    torch.save(state, tmp_path / 'whole.pth')
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'whole.pth'))
    network = Network(str(tmp_path / 'lent.pth'), cfg)
    with pytest.raises(CheckpointError, match=r'Network.*head\.bias'):
        network.init_weights()


def test_an_address_is_read_as_safely_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / 'a.pth'
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setattr(
        torch.hub,
        'download_url_to_file',
        lambda _, path: Path(path).write_bytes(source.read_bytes()),
    )
    torch.save(dict(w=torch.ones(2)), source)
    for read in (read_checkpoint, CheckpointLoader.load_checkpoint):
        assert read('https://example.org/a.pth')['w'].sum() == 2
    torch.save(dict(w=Path('a')), source)
    with pytest.raises(CheckpointError, match='refused'):
        CheckpointLoader.load_checkpoint('http://example.org/b.pth')
    with pytest.raises(CheckpointError, match='s3://'):
        read_checkpoint('s3://bucket/a.pth')
