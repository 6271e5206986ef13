"""Is anything lost by a kill, a full disk, a NaN, a bad file or setting?

Tiny trainings and files are disturbed on purpose, in a folder of their own,
and what comes of them is compared with what has to::

    python benchmarks/soak.py --out work_dirs/soak
    python benchmarks/soak.py --parts settings fuzz --share 0.1

``--share`` makes all parts smaller, ``--jobs`` parts run at a time. The
closing table says how often each was tried and what was lost; the exit code
is 1 where anything was.
"""

from __future__ import annotations

import argparse
import ast
import logging
import multiprocessing
import os
import pickle
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
CONFIGS = ROOT / 'configs'
FAMILIES = {
    'stage I': 'act/act_dvae_shapenet_tiny.py',
    'stage II': 'act/act_pretrain_shapenet_tiny.py',
    'concept': 'concept/concept_pretrain_shapenet_tiny.py',
    'Point-MAE': 'point-mae/point-mae_pretrain_shapenet_tiny.py',
    'classifier': 'act/act_cls_real-shapes_tiny.py',
    'segmentor': 'act/act_partseg_shapenetpart_tiny.py',
    '3DETR': '3detr/3detr_scannet_tiny.py',
}
SHORT = {
    'train_cfg.max_epochs': 1,
    'train_cfg.val_interval': 1,
    'train_dataloader.batch_size': 2,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
    'log_level': 'ERROR',
}
SMALL = {
    'classifier': {'model.head.num_classes': 2},
    '3DETR': {
        'model.backbone.num_groups': 48,
        'model.bbox_head.num_queries': 16,
        'model.bbox_head.num_layers': 2,
    },
}
LONGER = {
    'train_cfg.max_epochs': 4,
    'train_cfg.val_interval': 2,
    'default_hooks.checkpoint.interval': 1,
}
CACHING = 'cache_teacher'
KILLS = ('killed', 'saving', 'validating')
MOMENTS = [*KILLS, 'SIGTERM', *KILLS, 'full disk', *KILLS, 'NaN']
# Two hosts with a cable between them.
NAMESPACES = """set -e
ip netns add soak0
ip netns add soak1
ip link add veth0 netns soak0 type veth peer veth1 netns soak1
for rank in 0 1; do
    ip -n soak$rank addr add 10.213.7.$((rank + 1))/24 dev veth$rank
    ip -n soak$rank link set veth$rank up
    ip -n soak$rank link set lo up
done
"""
# How messages call settings; the last two of a checkpoint that does not fit.
SPOKEN = {
    'lr': 'learning rate',
    'prompt_dropout': 'dropout',
    'dropout_ratio': 'dropout',
    'drop_path_rate': 'drop_prob',
    'start': 'temperature',
    'num_codes': 'codebook',
    'group_size': 'DiscreteVAE',
}


class Found(NamedTuple):
    """What a part has tried, and what was lost of it."""

    tried: int
    lost: list[str]
    note: str = ''


def bad_settings(family: str) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a family: path of a setting, value."""
    table = Path(__file__).with_name('bad_settings.txt').read_text()
    heads: list[str] = []
    for line in table.splitlines()[2:]:
        if line.startswith('['):
            heads = line[1:-1].split('][')
            continue
        path, _, values = line.partition(' ')
        for head in heads:
            names, _, prefix = head.partition(': ')
            if family in names.split(', '):
                whole = f'{prefix}.{path}'.lstrip('.')
                for value in values.split('; '):
                    yield whole, ast.literal_eval(value.strip())


def make_data(folder: Path) -> None:
    """Write tiny data, teachers and pretrained parts into the folder."""
    from tests.mini_scannet import write_scannet
    from tests.official_data import write_renders
    from tests.rgbd_files import write_frames
    from tests.segmentation_data import write_shapes
    from tests.small_data import write_probe, write_shapenet, write_teacher

    data = folder / 'data'
    os.environ['ACT_DATA_ROOT'] = str(data)
    os.chdir(folder)
    if not data.exists():
        write_shapenet(data, 8, 4)
        write_probe(data, 'real_shapes', 4, 2)
        write_teacher(data)
        write_shapes(data, train=2, val=1, test=2, points=60)
        write_scannet(data, num_scenes=2)
        write_renders(data)
        write_frames(Path('frames'))
        write_teacher(Path('frames'))
        Path('a_file').write_text('no folder')
    # What all later processes begin with has been imported then.
    for family in ('stage I', 'stage II'):
        train(family, Path('work_dirs', Path(FAMILIES[family]).stem), {})


class LateError(BaseException):
    """Something lasts too long; no reader makes an error of its own of it."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise LateError where the body lasts longer."""

    def stop(*_: object) -> None:
        raise LateError(f'{seconds} s')

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def outcome(family: str, path: str, value: Any) -> str:
    """Say how a bad setting ends: ``named`` is right."""
    from mmdet3d_act.engine.failures import describe_failure

    folder = Path('work_dirs', f'bad-{os.getpid()}')
    shutil.rmtree(folder, ignore_errors=True)
    if path == 'work_dir':
        folder = Path(value)
    try:
        with within(120):
            train(family, folder, {path: value})
    except (Exception, SystemExit, LateError) as error:  # noqa: BLE001
        text = str(error)
        if isinstance(error, Exception):
            text = describe_failure(error) or text
        word = path.split('.')[-1]
        names = {word, SPOKEN.get(word, word)}
        if isinstance(value, str) and len(value) > 2:
            names.add(value)
        # It is saved, and then validated.
        late = any(folder.glob('epoch_1.pth')) and path[:4] != 'val_'
        where = 'at the first validation: ' * late
        if any(name.lower() in text.lower() for name in names):
            return f'{where}named'
        return f'{where}{type(error).__name__}: {error}'[:300]
    return 'passed silently'


def try_settings(share: float) -> Found:
    """Train with each bad setting: the message has to name it."""
    resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))
    rows = [(f, *row) for f in FAMILIES for row in bad_settings(f)]
    rows = rows[:: max(1, round(1 / share))]
    lost = []
    for row in rows:
        found = outcome(*row)
        if found != 'named':
            lost.append(f'{row}: {found}')
    return Found(len(rows), lost)


def in_child(
    call: Callable[[], object],
    *,
    after: float | None = None,
    number: int = signal.SIGKILL,
) -> tuple[int, str, float]:
    """Run a call in a forked process, which has imported everything.

    Args:
        call: What a tool does.
        after: Seconds until a signal is sent; None for none.
        number: The signal.

    Returns:
        The exit code, as :func:`~mmdet3d_act.engine.failures.run_tool` has
        it (1 a traceback, below 0 a signal), what it wrote, and the seconds
        that it took.
    """
    from mmdet3d_act.engine.failures import run_tool

    log = Path(f'child-{os.getpid()}.log')

    def work() -> None:
        with log.open('wb', buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sys.stderr = os.fdopen(2, 'w', buffering=1)
            try:
                code = run_tool(call)
            except SystemExit as error:
                code = int(error.code or 0)
            except BaseException:  # noqa: BLE001
                traceback.print_exc()
                code = 1
            os._exit(code)

    child = multiprocessing.get_context('fork').Process(target=work)
    begin = time.monotonic()
    child.start()
    child.join(after or 300)
    if after is not None and child.is_alive():
        os.kill(child.pid, number)
        child.join(300)
    child.kill()
    child.join()
    seconds = time.monotonic() - begin
    return child.exitcode, log.read_text('utf-8', 'replace'), seconds


def train(
    family: str, folder: Path, options: dict, moment: str = '', at: int = 0
) -> None:
    """Train with ``--resume``; hurt the training at a moment."""
    import torch
    from mmengine.hooks import Hook

    from mmdet3d_act import apis

    left = [at]

    def die(*_: object) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    class Hurt(Hook):
        def before_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
            if moment == 'NaN' and runner.iter == at:
                parameters = runner.model.parameters()
                one = next(p for p in parameters if p.requires_grad)
                one.data.view(-1)[0] = torch.nan

        def after_val_iter(self, *_: object, **__: object) -> None:
            if moment == 'validating':
                die()

    if moment == 'saving':
        os.fsync = die
    options = {**SHORT, **SMALL.get(family, {}), **options}
    config = str(CONFIGS / FAMILIES[family])
    cfg = apis.prepare_config(
        config, str(folder), options=options, resume='auto'
    )
    apis.train(cfg, [Hurt()])


def tool(name: str, folder: Path, moment: str = '', at: int = 0) -> Any:
    """Make a call that trains a family, or caches targets, into a folder."""
    if name != CACHING:
        return partial(train, name, folder, LONGER, moment, at)

    def cache() -> None:
        from tests.test_tools.loading import load_tool

        os.environ['ACT_DATA_ROOT'] = str(Path('frames').resolve())
        targets = Path('frames/targets')
        targets.unlink(missing_ok=True)
        targets.symlink_to(folder.resolve())
        config = CONFIGS / 'concept/concept_pretrain_scannet_stored-tiny.py'
        argv = [str(config), '--batch-size=1']
        sys.exit(load_tool('cache_teacher').main(argv))

    return cache


def result(folder: Path) -> dict[str, bytes]:
    """Return all numbers of the targets or the last checkpoint in a folder."""
    import torch

    from mmdet3d_act.checkpoint import find_checkpoint, read_checkpoint

    path = find_checkpoint(folder)
    if path is None:
        return {p.name: p.read_bytes() for p in folder.rglob('*.npy')}
    state = read_checkpoint(str(path))
    moments = state['optimizer']['state']
    flat = {f'{i}.{k}': v for i, m in moments.items() for k, v in m.items()}
    flat.update(state['state_dict'])
    return {k: torch.as_tensor(v).numpy().tobytes() for k, v in flat.items()}


def try_hurt(share: float, name: str) -> Found:
    """Hurt a tool, run it again: it has to end as one that was left alone."""
    draw = random.Random(name)
    whole, folder = (Path(f'work_dirs/{one}-{name}') for one in ('', 'hurt'))
    for one in (whole, folder):
        run('umount', str(one))
        shutil.rmtree(one, ignore_errors=True)
        one.mkdir(parents=True)
    code, text, lasted = in_child(tool(name, whole))
    expected, lost, counts = result(whole), [], Counter()
    if code or not expected:
        return Found(0, [f'left alone: {text[-200:]!r}'])
    size = sum(file.stat().st_size for file in whole.rglob('*')) >> 10
    moments = ['killed', 'SIGTERM', 'full disk'] * 4
    if name != CACHING:
        moments = MOMENTS
    for moment in moments[: max(3, round(12 * share))]:
        shutil.rmtree(folder)
        folder.mkdir()
        small = f'size={draw.randint(4, size)}k'
        mount = ['mount', '-t', 'tmpfs', '-o', small, 'soak', str(folder)]
        if moment == 'full disk' and not run(*mount):
            counts['full disk: SKIPPED, no mount here'] += 1
            continue
        at = draw.randint(1, 4 if moment == 'saving' else 2)
        after = draw.uniform(0.1, 0.7 * lasted)
        sent = signal.SIGTERM if moment == 'SIGTERM' else signal.SIGKILL
        code, text, _ = in_child(
            tool(name, folder, moment, at),
            after=after if moment in ('killed', 'SIGTERM') else None,
            number=sent,
        )
        counts[moment] += code != 0 or result(folder) != expected
        # Before a training begins, SIGTERM ends it as any process.
        as_meant = code in (0, -sent)
        if moment in ('NaN', 'full disk') and code:
            word = dict(NaN='finite').get(moment, 'disk is full')
            as_meant = code == 2 and word in text
        run('mount', '-o', 'remount,size=1g', str(folder))
        again, later, _ = in_child(tool(name, folder))
        if again or not as_meant or result(folder) != expected:
            said = f'{code}, {again}: {text[-200:]!r}; {later[-200:]!r}'
            lost.append(f'{moment} {at} {after:.2f}: {said}')
        run('umount', str(folder))
    told = ', '.join(f'{moment} {counts[moment]}' for moment in counts)
    return Found(sum(counts.values()), lost, told)


def try_processes(share: float) -> Found:
    """Train in two processes, and on two hosts, which are namespaces."""
    from tests.test_engine.toy import write_config
    from tests.test_tools.loading import load_tool

    config = str(write_config(Path.cwd()))
    lost: list[str] = []

    def one(rank: int, *argv: str) -> None:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2')
        sys.argv = ['train.py', config, '--launcher', 'pytorch', *argv]
        sys.exit(load_tool('train').main())

    fork = multiprocessing.get_context('fork')
    os.environ['MASTER_ADDR'] = '127.0.0.1'
    count = max(2, round(20 * share))
    for number in range(count):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            os.environ['MASTER_PORT'] = str(free.getsockname()[1])
        argv = ('--work-dir', f'work_dirs/two-{number}')
        pair = [fork.Process(target=one, args=(r, *argv)) for r in range(2)]
        for process in pair:
            process.start()
        for process in pair:
            process.join()
        if any(process.exitcode for process in pair):
            lost.append(f'{number}: {[p.exitcode for p in pair]}')
    apart = run('bash', '-c', NAMESPACES)
    if not apart:
        return Found(count, lost, 'two hosts: SKIPPED, no namespaces here')
    script = ['bash', str(ROOT / 'tools/dist_train.sh'), config, '1']
    env = dict(os.environ, PYTHON=sys.executable, PYTHONPATH=str(ROOT))
    env.update(NNODES='2', PORT='29571', MASTER_ADDR='10.213.7.1')
    hosts = []
    for rank in '01':
        env.update(NODE_RANK=rank, GLOO_SOCKET_IFNAME=f'veth{rank}')
        command = ['ip', 'netns', 'exec', f'soak{rank}', *script]
        command += ['--work-dir', f'work_dirs/host-{rank}']
        hosts.append(subprocess.Popen(command, env=env))
    lost += [f'host {one.args}' for one in hosts if one.wait(1800)]
    run('ip', 'netns', 'del', 'soak0')
    run('ip', 'netns', 'del', 'soak1')
    return Found(count + 1, lost, 'two hosts: network namespaces')


def run(*command: str) -> bool:
    """Run a command quietly; return whether it could be."""
    try:
        return not subprocess.run(command, capture_output=True).returncode
    except OSError:
        return False


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Change some bytes of a file."""
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(len(out) + 1)
        kind = draw.randrange(6)
        if kind == 0:
            out[at : at + 1] = draw.randbytes(1)
        elif kind == 1 and at < len(out):
            out[at] ^= 1 << draw.randrange(8)
        elif kind == 2:
            del out[at : at + draw.randrange(1, 32)]
        elif kind == 3:
            out[at:at] = draw.randbytes(draw.randrange(1, 9))
        elif kind == 4:
            number = draw.choice((-1, 0, 2**31 - 1, 2**32, 2**62))
            out[at : at + 8] = struct.pack('<q', number)
        else:
            del out[at if draw.random() < 0.1 else len(out) :]
    return bytes(out)


def write_formats(folder: Path) -> dict[str, tuple[Callable, list[Path]]]:
    """Write small valid files; return the reader and the files of a format."""
    import h5py
    import laspy
    import numpy as np
    import torch

    from mmdet3d_act.checkpoint import read_checkpoint
    from mmdet3d_act.datasets.point_folder import read_list
    from mmdet3d_act.datasets.readers import arrays, images, read_cloud
    from mmdet3d_act.datasets.readers.pickles import read_arrays_pickle
    from mmdet3d_act.datasets.readers.scenes import read_scene_infos
    from mmdet3d_act.models.target_generators import TargetStore
    from tests.raw_rooms import write_object
    from tests.rgbd_files import encode, make_video, write_sens
    from tests.test_datasets.test_readers import point_files
    from tests.test_tools.loading import load_tool

    sens = load_tool('dataset_converters.sens')

    def frames(path: str) -> None:
        video = sens.SensFile(path)
        for frame in video.frames(1, Counter()):
            video.decode_color(frame)
            video.decode_depth(frame)

    suffixes = [suffix for suffix, _ in point_files.FORMS.values()]
    readers: dict[str, Callable] = {
        **dict.fromkeys([*suffixes, 'las'], read_cloud),
        'h5': partial(arrays.read_hdf5, names=('data', 'label')),
        'pickle': read_arrays_pickle,
        'infos': partial(read_scene_infos, num_classes=18),
        'rooms': load_tool('dataset_converters.s3dis_raw').read_object,
        'sens': frames,
        'image': lambda path: images.read_image(path, path),
        'vectors': partial(arrays.read_vectors, kind='image'),
        'list': read_list,
        'pth': read_checkpoint,
        'store': lambda path: TargetStore(Path(path).parent).read(['a', 'b']),
    }
    shutil.rmtree(folder, ignore_errors=True)
    for kind in readers:
        (folder / kind).mkdir(parents=True)
    cloud = point_files.cloud()
    for form, (suffix, _) in point_files.FORMS.items():
        point_files.write_form(form, folder / suffix)
    scan = laspy.LasData(laspy.LasHeader(point_format=1, version='1.4'))
    scan.xyz = cloud
    for name in ('las/a.las', 'las/a.laz'):
        scan.write(folder / name)
    with h5py.File(folder / 'h5/a.h5', 'w') as h5:
        h5['data'] = cloud[None]
        h5.create_dataset('label', data=[[3]], compression='gzip')
    content = [[cloud], np.arange(3), {'a': 1.5}]
    for protocol in (2, 4):
        pickled = pickle.dumps(content, protocol)
        (folder / f'pickle/{protocol}.dat').write_bytes(pickled)
    shutil.copy(min(Path('data').rglob('*infos*.pkl')), folder / 'infos')
    write_object(folder / 'rooms/chair_1.txt', 40, 0)
    write_sens(folder / 'sens/a.sens', make_video(2, 0))
    image = np.arange(768, dtype=np.uint8).reshape(16, 16, 3)
    for kind in ('PNG', 'JPEG'):
        (folder / f'image/a.{kind}').write_bytes(encode(image, kind))
    keys = np.array(['a', 'b'])
    np.savez(folder / 'vectors/a.npz', image=cloud[:2], image_key=keys)
    (folder / 'list/a.txt').write_text('chair/a.npy\ntable/b.npy\n')
    state = {'state_dict': {'a': torch.ones(3)}, 'meta': {'epoch': 1}}
    torch.save(state, folder / 'pth/a.pth')
    options = dict(shape=(4,), keys=['a', 'b'])
    store = TargetStore.create(folder / 'store', {'teacher': 'a'}, **options)
    store.write([0, 1], torch.arange(8.0).view(2, 4))
    store.flush()
    return {
        kind: (reader, sorted((folder / kind).iterdir()))
        for kind, reader in readers.items()
    }


def fuzz(reader: Callable, files: list[Path], count: int, out: str) -> None:
    """Read mutants of files in this process; write what goes wrong."""
    from mmdet3d_act.checkpoint import CheckpointError
    from mmdet3d_act.datasets.readers import BadSampleError

    warnings.simplefilter('ignore')
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
    folder = Path(tempfile.mkdtemp())
    contents = {folder / file.name: file.read_bytes() for file in files}
    for path, content in contents.items():
        path.write_bytes(content)
    read = 0
    with open(out, 'w', buffering=1) as report:
        for number in range(count):
            draw = random.Random(number)
            path = draw.choice(list(contents))
            path.write_bytes(mutate(contents[path], draw))
            report.write(f'at {number}\n')
            try:
                with within(20):
                    reader(str(path))
                read += 1
            except (BadSampleError, CheckpointError) as error:
                full = isinstance(error.__cause__, MemoryError)
                if full or folder.name not in str(error):
                    report.write(f'lost {number}: {error!r:.200}\n')
            except BaseException as error:  # noqa: BLE001
                report.write(f'lost {number}: {error!r:.200}\n')
            path.write_bytes(contents[path])
        report.write(f'done {read}\n')
    shutil.rmtree(folder)


def try_fuzz(share: float, reader: Callable, files: list[Path]) -> Found:
    """Read mutated files: points, or an error of ours that names the file."""
    report = f'fuzz-{os.getpid()}.txt'
    worker = multiprocessing.get_context('fork').Process(
        target=fuzz, args=(reader, files, round(20_000 * share), report)
    )
    worker.start()
    worker.join()
    lines = Path(report).read_text('utf-8', 'replace').splitlines()
    lost = [line for line in lines if line.startswith('lost')]
    if worker.exitcode:
        lost.append(f'exit {worker.exitcode}: {lines[-1]}')
    tried = sum(line.startswith('at ') for line in lines)
    return Found(tried, lost, lines[-1].replace('done', 'could be read:'))


def try_crafted(share: float) -> Found:
    """Run the tests that open files that harm, or eat memory."""
    names = 'crafted or fill_the_memory or other_files or not_run or no_images'
    command = [sys.executable, '-m', 'pytest', '-q', '-k', names]
    for name in ('datasets/test_readers', 'checkpoint.py'):
        command.append(f'tests/test_{name}')
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    passed = re.search(r'(\d+) passed', done.stdout)
    lost = [done.stdout] if done.returncode else []
    return Found(int(passed[1]) if passed else 0, lost)


PARTS: dict[str, Callable[[float], Found]] = {}


def list_parts() -> dict[str, Callable[[float], Found]]:
    """List the parts, the longest first."""
    parts: dict[str, Callable[[float], Found]] = {'processes': try_processes}
    for name in (*FAMILIES, CACHING):
        parts[f'hurt: {name}'] = partial(try_hurt, name=name)
    for name, (reader, files) in write_formats(Path('formats')).items():
        parts[f'fuzz: {name}'] = partial(try_fuzz, reader=reader, files=files)
    return {**parts, 'settings': try_settings, 'crafted': try_crafted}


def work(part: str, share: float) -> str:
    """Run a part; return its row of the table, told as it ends."""
    start = time.monotonic()
    try:
        found = PARTS[part](share)
    except Exception:  # noqa: BLE001
        found = Found(0, [traceback.format_exc()])
    minutes = (time.monotonic() - start) / 60
    row = f'| {part} | {found.tried} | {len(found.lost)} | {minutes:.1f} | '
    losses = [f'LOST {part}: {one}\n' for one in found.lost]
    sys.stderr.write(''.join([*losses, f'{row}{found.note} |\n']))
    return f'{row}{found.note} |'


def main() -> int:
    """Run the parts, print the table; 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--out', type=Path, default=Path('work_dirs/soak'))
    parser.add_argument('--parts', nargs='+', metavar='PART', default=[''])
    parser.add_argument('--share', type=float, default=1.0)
    parser.add_argument('--jobs', type=int, default=2)
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    # Threads of OpenMP are not there in processes that are forked.
    os.environ['OMP_NUM_THREADS'] = '1'
    folder = args.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    make_data(folder)
    PARTS.update(list_parts())
    parts = [part for part in PARTS if part.startswith(tuple(args.parts))]
    fork = multiprocessing.get_context('fork')
    with ProcessPoolExecutor(args.jobs, fork) as pool:
        rows = [*pool.map(work, parts, [args.share] * len(parts))]
    print('| part | tried | lost | minutes | |', '|---|---|---|---|---|')
    print(*rows, sep='\n')
    return int(any(row.split('|')[3].strip() != '0' for row in rows))


if __name__ == '__main__':
    sys.exit(main())
