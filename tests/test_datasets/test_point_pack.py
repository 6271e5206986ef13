from __future__ import annotations

import copy
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.point_pack import PackError, PackWriter, PointPack

HEADER = dict(made='by a test')
SAMPLES = [dict(info=dict(name=f's{i}'), stamp=[i, 7]) for i in range(5)]


def _arrays(index: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(index)
    return dict(
        points=rng.normal(size=(index + 1, 3)).astype(np.float32),
        labels=rng.integers(0, 9, index + 1),
        inside=rng.random((2, index)) > 0.5,
    )


def _fill(writer: PackWriter, stop: int = len(SAMPLES)) -> None:
    for index in range(writer.num_done, stop):
        if index == 3:
            writer.add(fault='no points')
        else:
            writer.add(_arrays(index))


def _write(path: Path) -> Path:
    with PackWriter(path, HEADER, SAMPLES) as writer:
        _fill(writer)
        writer.finish()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return _write(tmp_path / 'a.pack')


def test_everything_comes_back(path: Path) -> None:
    pack = PointPack(path)
    header, samples = pack.load_index()
    assert header == HEADER
    assert [dict(info=s['info'], stamp=s['stamp']) for s in samples] == SAMPLES
    assert samples[3]['fault'] == 'no points'
    for index in (0, 1, 2, 4):
        found = pack.read(samples[index]['arrays'])
        for name, array in _arrays(index).items():
            assert found[name].dtype == array.dtype
            assert found[name].tobytes() == array.tobytes()
            assert found[name].shape == array.shape
            assert not found[name].flags.writeable
    offsets = [offset for _, _, offset, _ in samples[4]['arrays'].values()]
    assert [offset % 64 for offset in offsets] == [0, 0, 0]
    assert not list(path.parent.glob('a.pack.*'))


def test_other_byte_orders_are_stored_as_one(tmp_path: Path) -> None:
    array = np.arange(6, dtype='>f8').reshape(2, 3).T
    with PackWriter(tmp_path / 'a', {}, SAMPLES[:1]) as writer:
        writer.add(dict(points=array))
        writer.finish()
    pack = PointPack(tmp_path / 'a')
    (found,) = pack.read(pack.load_index()[1][0]['arrays']).values()
    assert found.dtype == np.dtype('<f8')
    np.testing.assert_array_equal(found, array)


def test_copies_share_nothing_that_is_large(path: Path) -> None:
    pack = PointPack(path)
    entry = pack.load_index()[1][1]['arrays']
    assert copy.deepcopy(pack) is pack
    data = pickle.dumps(pack)
    assert len(data) < 500
    other = pickle.loads(data)
    assert other._map is None
    np.testing.assert_array_equal(
        other.read(entry)['points'], _arrays(1)['points']
    )


def test_replaced_pack_is_refused(path: Path) -> None:
    pack = PointPack(path)
    with PackWriter(path, dict(made='anew'), SAMPLES) as writer:
        _fill(writer)
        writer.finish()
    with pytest.raises(PackError, match='replaced while in use; start'):
        pack.read({})


def test_open_pack_outlives_its_replacement(path: Path) -> None:
    pack = PointPack(path)
    entry = pack.load_index()[1][1]['arrays']
    with PackWriter(path, dict(made='anew'), SAMPLES[:1]) as writer:
        _fill(writer, 1)
        writer.finish()
    found = pack.read(entry)['points']
    np.testing.assert_array_equal(found, _arrays(1)['points'])


def _flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def _newer(path: Path) -> None:
    head = bytearray(path.read_bytes()[:32])
    head[8:12] = struct.pack('<I', 2)
    head += struct.pack('<I', zlib.crc32(head))
    path.write_bytes(head + path.read_bytes()[36:])


@pytest.mark.parametrize(
    ('spoil', 'text'),
    [
        (
            lambda p: p.write_bytes(p.read_bytes()[:-1]),
            'truncated.*bytes, got',
        ),
        (lambda p: p.write_bytes(p.read_bytes() + b'x'), 'truncated or damag'),
        (lambda p: p.write_bytes(b''), 'not a pack'),
        (lambda p: p.write_bytes(b'PK' + bytes(200)), 'not a pack'),
        (lambda p: _flip(p, -3), 'index has changed'),
        (lambda p: _flip(p, 17), 'header has changed'),
        (lambda p: _flip(p, 50), 'header has changed'),
        (_newer, 'version 2, this package reads up to version 1; update'),
    ],
)
def test_damage_is_named(
    path: Path, spoil: Callable[[Path], None], text: str
) -> None:
    spoil(path)
    with pytest.raises(PackError, match=rf'a\.pack: .*{text}'):
        PointPack(path).load_index()


def test_every_flipped_bit_of_an_array_is_found(path: Path) -> None:
    pack = PointPack(path)
    assert all(good for _, good in pack.iter_checked())
    for name, (_, _, offset, _) in pack.load_index()[1][2]['arrays'].items():
        _flip(path, offset)
        found = {
            s['info']['name']: g for s, g in PointPack(path).iter_checked()
        }
        assert found == {f's{i}': i != 2 for i in range(5)}, name
        _flip(path, offset)


def _keep(data: Path, journal: Path) -> None:
    pass


def _half_array(data: Path, journal: Path) -> None:
    data.write_bytes(data.read_bytes() + b'half')


def _half_line(data: Path, journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:-5])


def _lost_array(data: Path, journal: Path) -> None:
    data.write_bytes(data.read_bytes()[:-9])


def _lost_data(data: Path, journal: Path) -> None:
    data.unlink()


def _lost_journal(data: Path, journal: Path) -> None:
    journal.unlink()


@pytest.mark.parametrize('stop', [0, 1, 3, 4, 5])
@pytest.mark.parametrize(
    ('crash', 'lost'),
    [
        (_keep, 0),
        (_half_array, 0),
        (_half_line, 1),
        (_lost_array, 1),
        (_lost_data, 9),
        (_lost_journal, 9),
    ],
)
def test_interrupted_pack_is_continued(
    path: Path, tmp_path: Path, stop: int, crash: Callable, lost: int
) -> None:
    part = tmp_path / 'b.pack'
    with PackWriter(part, HEADER, SAMPLES) as writer:
        _fill(writer, stop)
    assert not part.exists()
    crash(Path(f'{part}.partial'), Path(f'{part}.journal'))
    with PackWriter(part, HEADER, SAMPLES) as writer:
        if stop and crash is not _lost_array:
            assert writer.num_done == max(0, stop - lost)
        _fill(writer)
        writer.finish()
    assert part.read_bytes() == path.read_bytes()


def test_writer_killed_while_finishing(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr('os.replace', killed)
    with pytest.raises(KeyboardInterrupt):
        _write(tmp_path / 'b.pack')
    monkeypatch.undo()
    with PackWriter(tmp_path / 'b.pack', HEADER, SAMPLES) as writer:
        assert writer.num_done == 5
        writer.finish()
    assert (tmp_path / 'b.pack').read_bytes() == path.read_bytes()


def test_other_samples_begin_anew(tmp_path: Path) -> None:
    with PackWriter(tmp_path / 'b', HEADER, SAMPLES) as writer:
        _fill(writer, 2)
    changed = [SAMPLES[0] | dict(stamp=[0, 8]), *SAMPLES[1:]]
    with PackWriter(tmp_path / 'b', HEADER, changed) as writer:
        assert writer.num_done == 0
    with PackWriter(tmp_path / 'b', dict(made=2), SAMPLES) as writer:
        assert writer.num_done == 0


def test_two_writers(tmp_path: Path) -> None:
    with PackWriter(tmp_path / 'b', HEADER, SAMPLES) as writer:
        _fill(writer, 2)
        with pytest.raises(PackError, match='another process is writing it'):
            PackWriter(tmp_path / 'b', HEADER, SAMPLES)
    with PackWriter(tmp_path / 'b', HEADER, SAMPLES) as writer:
        assert writer.num_done == 2


def test_missing_samples(tmp_path: Path) -> None:
    with PackWriter(tmp_path / 'b', HEADER, SAMPLES) as writer:
        _fill(writer, 2)
        with pytest.raises(ValueError, match='expected 5 samples, got 2'):
            writer.finish()
    assert not (tmp_path / 'b').exists()


def test_objects_are_not_packed(tmp_path: Path) -> None:
    with PackWriter(tmp_path / 'b', HEADER, SAMPLES) as writer:
        with pytest.raises(TypeError, match='numbers for x, got object'):
            writer.add(dict(x=np.array([{}])))
        assert writer.num_done == 0
