from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

import pytest
import torch

from mmdet3d_act.apis import target_caching as module
from mmdet3d_act.models.target_generators import (
    StoreError,
    TargetStore,
)
from tests.paired_images import MadeUpPairs, teacher_of, weights
from tests.test_tools.loading import run_script


def cache(root: Path, datasets, generator=None, **settings) -> TargetStore:
    generator = generator or teacher_of(weights())
    settings = {'dtype': 'float32', 'batch_size': 2, **settings}
    folder, faults = module.cache_targets(
        generator, datasets, root, **settings
    )
    assert not faults
    return TargetStore(folder)


def test_every_pair_is_computed(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    pairs, generator = MadeUpPairs(), teacher_of(weights())
    store = cache(tmp_path, [pairs], report=lambda *now: seen.append(now))
    assert store.keys == pairs.pair_keys()
    assert store.pending() == []
    assert seen == [(0, 5), (2, 5), (4, 5), (5, 5)]
    images = [pairs.prepared_image(key) for key in store.keys]
    want = generator.compute(torch.stack(images))
    torch.testing.assert_close(
        store.read(store.keys), want, rtol=1e-5, atol=1e-5
    )
    assert store.identity['images'] == pairs.image_preparation
    assert store.folder.parent == tmp_path


def test_the_path_of_a_store_itself(tmp_path: Path) -> None:
    """As a config gives it that chooses one of several stores."""
    first = cache(tmp_path, [MadeUpPairs(3)])
    second = cache(first.folder, [MadeUpPairs(5)])
    assert second.folder == first.folder
    assert len(second) == 5
    assert list(tmp_path.glob('**/index.json')) == [
        first.folder / 'index.json'
    ]
    other = teacher_of(weights(1))
    with pytest.raises(StoreError, match=r'holds other targets.*sha256'):
        cache(first.folder, [MadeUpPairs(5)], other)


def test_a_second_call_computes_what_is_missing(tmp_path: Path) -> None:
    cache(tmp_path, [MadeUpPairs(3)])
    pairs = MadeUpPairs(5)
    store = cache(tmp_path, [pairs])
    assert pairs.read == ['scene/003', 'scene/004']
    assert len(store) == 5
    again = MadeUpPairs(5)
    assert cache(tmp_path, [again]).pending() == []
    assert again.read == []


def test_an_interrupted_call_goes_on(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, 'FLUSH_EVERY', 1)

    class Broken(MadeUpPairs):
        def prepared_image(self, pair_key):
            if pair_key == 'scene/004':
                raise OSError('the disk is gone')
            return super().prepared_image(pair_key)

    with pytest.raises(OSError, match='the disk is gone'):
        cache(tmp_path, [Broken(6)])
    pairs = MadeUpPairs(6)
    store = cache(tmp_path, [pairs])
    assert pairs.read == ['scene/004', 'scene/005']
    assert store.pending() == []


@pytest.mark.parametrize('num_workers', [0, 1])
def test_images_that_cannot_be_read(tmp_path: Path, num_workers: int) -> None:
    names = ('scene/000', 'scene/001', 'scene/004')
    pairs = MadeUpPairs(5, broken=names, on_error='skip')
    folder, faults = module.cache_targets(
        teacher_of(weights()),
        [pairs],
        tmp_path,
        batch_size=2,
        num_workers=num_workers,
    )
    assert faults == [f'{name}: {name}.jpg: unreadable' for name in names]
    store = TargetStore(folder)
    assert store.pending() == [0, 1, 4]
    assert store.unreadable(store.keys) == list(names)
    # Once they are mended, they alone are computed.
    mended = MadeUpPairs(5)
    assert cache(tmp_path, [mended], dtype='float16').pending() == []
    assert mended.read == list(names)


def test_other_data_and_precision_have_stores_of_their_own(
    tmp_path: Path,
) -> None:
    roots = [str(tmp_path / name) for name in ('one', 'two')]
    stores = [
        cache(tmp_path / 'stores', [MadeUpPairs(data_root=root)])
        for root in roots
    ]
    half = cache(
        tmp_path / 'stores', [MadeUpPairs(data_root=roots[0])], amp=True
    )
    assert len({store.folder for store in (*stores, half)}) == 3
    # All may be moved together.
    assert stores[0].identity['data'] == ['../one']


def test_parts_may_overlap(tmp_path: Path) -> None:
    store = cache(tmp_path, [MadeUpPairs(3), MadeUpPairs(3, first=1)])
    assert sorted(store.keys) == [f'scene/{n:03d}' for n in range(4)]
    with pytest.raises(ValueError, match='prepared alike'):
        cache(tmp_path, [MadeUpPairs(), MadeUpPairs(crop='squash')])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_on_a_gpu(tmp_path: Path) -> None:
    one = cache(tmp_path / 'a', [MadeUpPairs()])
    other = cache(tmp_path / 'b', [MadeUpPairs()], device='cuda')
    torch.testing.assert_close(
        other.read(one.keys), one.read(one.keys), rtol=1e-3, atol=1e-3
    )
    assert other.folder.name == one.folder.name


SCRIPT = """
import sys
import torch.distributed as dist
from mmdet3d_act.apis.target_caching import cache_targets
from tests.paired_images import MadeUpPairs, teacher_of, weights

dist.init_process_group('gloo')
pairs = MadeUpPairs(7)
cache_targets(teacher_of(weights()), [pairs], sys.argv[1], batch_size=2)
print(f'read {len(pairs.read)}', flush=True)
"""


@pytest.mark.slow
def test_processes_share_the_work(tmp_path: Path) -> None:
    (tmp_path / 'run.py').write_text(SCRIPT)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    done = run_script(
        tmp_path,
        *(sys.executable, '-m', 'torch.distributed.run'),
        *('--nproc_per_node=2', f'--master_port={port}'),
        *('run.py', str(tmp_path / 'stores')),
    )
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r'read (\d)', done.stdout)) == ['3', '4']
    (folder,) = (tmp_path / 'stores').iterdir()
    assert TargetStore(folder).pending() == []
    assert len(TargetStore(folder)) == 7
