"""Features of folders: resumed, shared by processes, searched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.apis import (
    Embedder,
    draw_neighbors,
    embed_files,
    feature_files,
    save_pretrained,
    search,
)
from mmdet3d_act.apis.feature_files import find_rank
from mmdet3d_act.datasets.readers import read_cloud
from mmdet3d_act.engine.failures import UsageError
from tests.test_apis.test_students import make_student


@pytest.fixture
def embedder(tmp_path) -> Embedder:
    folder = save_pretrained(
        make_student(), tmp_path / 'student', num_points=64
    )
    return Embedder(str(folder), up_axis='y', batch_size=2)


@pytest.fixture
def clouds(tmp_path) -> Path:
    folder = tmp_path / 'clouds'
    (folder / 'flat').mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(5):
        points = rng.normal(size=(200, 3))
        np.save(folder / f'{index}.npy', points.astype('f4'))
        np.save(folder / 'flat' / f'{index}.npy', points * [1, 0.1, 1])
    return folder


def table(out: Path) -> dict:
    with np.load(out / 'embeddings.npz') as found:
        names = [
            str(Path(p).parent.name + Path(p).stem) for p in found['paths']
        ]
        return dict(zip(names, found['embeddings'], strict=True))


def test_each_file_gets_its_features(embedder, clouds, tmp_path):
    out = tmp_path / 'out'
    (clouds / 'bad.npy').write_text('nothing')
    (fault,) = embed_files(embedder, [clouds], out, points=True, colors=True)
    assert fault.startswith(f'{clouds / "bad.npy"}: ')
    assert len(table(out)) == 10
    with np.load(out / 'flat' / '3.npy.npz') as found:
        (expected,) = embedder(clouds / 'flat' / '3.npy')['predictions']
        np.testing.assert_allclose(
            found['embedding'], expected['embedding'], atol=1e-4
        )
        assert str(found['path']) == str(clouds / 'flat' / '3.npy')
        assert found['centers'].dtype == np.float64
    assert np.load(out / '3.npy.points.npy').shape == (200, 32)
    painted = read_cloud(str(out / '3.npy.colors.ply'), use_dim=6).points
    np.testing.assert_allclose(
        painted[:, :3], np.load(clouds / '3.npy'), atol=1e-6
    )
    assert np.ptp(painted[:, 3:6], axis=0).min() > 100


def test_what_is_done_is_kept_until_its_file_changes(
    embedder, clouds, tmp_path
):
    out = tmp_path / 'out'
    embed_files(embedder, [clouds], out)
    before = table(out)
    times = {p: p.stat().st_mtime_ns for p in out.rglob('*.npy.npz')}
    np.save(clouds / '2.npy', np.random.default_rng(9).random((90, 3)))
    (clouds / '4.npy').unlink()
    counts = []
    embed_files(
        embedder, [clouds], out, report=lambda *two: counts.append(two)
    )
    assert counts[0] == (8, 9)
    changed = [p for p, time in times.items() if p.stat().st_mtime_ns != time]
    assert changed == [out / '2.npy.npz']
    after = table(out)
    assert set(before) - set(after) == {'clouds4'}
    assert not np.allclose(before['clouds2'], after['clouds2'])
    np.testing.assert_array_equal(before['clouds3'], after['clouds3'])


def test_processes_share_the_files(embedder, clouds, tmp_path, monkeypatch):
    embed_files(embedder, [clouds], tmp_path / 'one')
    shared = tmp_path / 'shared'
    monkeypatch.setenv('WORLD_SIZE', '3')
    for rank in (2, 0, 1):
        assert not (shared / 'embeddings.npz').exists()
        monkeypatch.setenv('RANK', str(rank))
        embed_files(embedder, [clouds], shared)
    expected, found = table(tmp_path / 'one'), table(shared)
    assert list(found) == list(expected)
    for name, vector in expected.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-5)


def test_a_script_of_sbatch_is_one_process(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'SLURM_STEP_NUM_TASKS'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('SLURM_PROCID', '0')
    monkeypatch.setenv('SLURM_NTASKS', '4')
    assert find_rank() == (0, 1)
    # What srun starts is one of its tasks.
    monkeypatch.setenv('SLURM_PROCID', '2')
    monkeypatch.setenv('SLURM_STEP_NUM_TASKS', '3')
    assert find_rank() == (2, 3)


def test_each_process_searches_in_all_files(
    embedder, clouds, tmp_path, monkeypatch
):
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('WORLD_SIZE', '3')
    query = clouds / '3.npy'
    found, _ = search(embedder, query, clouds, tmp_path / 'index', top=99)
    assert len(found) == 9


@pytest.mark.parametrize('place', ['.', 'out/deep', 'flat/..'])
def test_results_are_never_inputs(place, embedder, clouds):
    with pytest.raises(UsageError, match='choose another folder'):
        embed_files(embedder, [clouds], clouds / place, colors=True)
    assert len(list(clouds.rglob('*.*'))) == 10


def test_an_index_in_the_folder_is_not_searched(embedder, clouds):
    (clouds / 'bad.npy').write_text('nothing')
    index = clouds / 'work_dirs' / 'index'
    for _ in range(2):
        # The index has a text file about bad.npy.
        found, faults = search(
            embedder, clouds / '3.npy', clouds, index, top=99
        )
        assert len(found) == 9
        assert len(faults) == 1
    with pytest.raises(UsageError, match='--index'):
        search(embedder, clouds / '3.npy', clouds, clouds)
    for file in (clouds / 'flat').glob('[1-4].npy'):
        file.unlink()
    query = clouds / 'flat' / '0.npy'
    with pytest.raises(UsageError, match='flat has no other cloud'):
        search(embedder, query, query.parent, index)


def test_a_table_is_gone_once_no_file_is_good(embedder, clouds, tmp_path):
    query, index = tmp_path / 'query.npy', tmp_path / 'index'
    np.save(query, np.load(clouds / '3.npy'))
    search(embedder, query, clouds, index)
    for file in clouds.rglob('*.npy'):
        file.write_text('nothing')
    with pytest.raises(UsageError, match=r'(?s)no file.*3\.npy: '):
        search(embedder, query, clouds, index)
    assert not (index / 'embeddings.npz').exists()


def test_the_nearest_shape_is_the_one_that_is_alike(
    embedder, clouds, tmp_path
):
    query = tmp_path / 'query.npy'
    rng = np.random.default_rng(1)
    points = np.load(clouds / 'flat' / '1.npy')
    # Turned about y, which is up.
    turned = points[:, [2, 1, 0]] * [1, 1, -1]
    np.save(query, turned + rng.normal(size=points.shape) / 500)
    (clouds / 'bad.npy').write_text('nothing')
    index = tmp_path / 'index'
    found, faults = search(embedder, query, clouds, index, top=4)
    assert next(index.rglob('*.txt')).read_text().startswith(*faults)
    assert found[0].path == str(clouds / 'flat' / '1.npy')
    values = [one.similarity for one in found]
    assert values == sorted(values, reverse=True)
    assert len(values) == 4
    # A shape does not find itself; the index follows the folder.
    own, _ = search(embedder, clouds / '3.npy', clouds, index, top=99)
    assert str(clouds / '3.npy') not in [one.path for one in own]
    (clouds / 'flat' / '1.npy').unlink()
    found, _ = search(embedder, query, clouds, index)
    assert str(clouds / 'flat' / '1.npy') not in [one.path for one in found]
    sheet = draw_neighbors(embedder, query, found, tmp_path / 'a.png')
    with Image.open(sheet) as picture:
        assert picture.width > 1000


def test_a_query_that_stands_otherwise_is_turned_or_warned_of(
    embedder, clouds, tmp_path, monkeypatch
):
    told = []
    monkeypatch.setattr(feature_files, 'warn', told.append)
    # A cone, its tip along z; the folder has y up.
    rng = np.random.default_rng(0)
    height, angle = rng.random(500) ** 2, rng.random(500) * 2 * np.pi
    ring = (1 - height) * np.array([np.cos(angle), np.sin(angle)])
    query, upright = tmp_path / 'query.npy', clouds / 'upright.npy'
    cone = np.stack([*ring, height], axis=1)
    np.save(query, cone)
    np.save(upright, cone[:, [1, 2, 0]])
    index = tmp_path / 'index'
    search(embedder, query, clouds, index)
    assert told[0].startswith(f'{query} is taken to have y up')
    assert '--query-axis z' in told.pop()
    found, _ = search(embedder, query, clouds, index, query_axis='z')
    assert found[0].path == str(upright)
    assert found[0].similarity > 0.999
    assert told == []
    embedder.meta['normalization'] = 'none'
    np.save(query, 1000 * cone)
    search(embedder, query, clouds, index, query_axis='z')
    assert 'longest side' in told[0]


def test_files_of_one_name_are_refused(embedder, clouds, tmp_path):
    files = [clouds / '1.npy', clouds / 'flat' / '1.npy']
    with pytest.raises(UsageError, match=r'1\.npy'):
        embed_files(embedder, files, tmp_path / 'out')
