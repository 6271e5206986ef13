"""Is anything lost by a kill, a full disk, a NaN, a bad file or setting?

Tiny trainings and files are disturbed on purpose, in a folder of their own,
and what comes of them is compared with what has to::

    python benchmarks/soak.py --out work_dirs/soak
    python benchmarks/soak.py --parts settings fuzz --share 0.1

``--share`` makes all parts smaller. The closing table says how often each was
tried and what was lost; the exit code is 1 where anything was.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import pickle
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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


class Found(NamedTuple):
    """What a part has tried, and what was lost of it."""

    tried: int
    lost: list[str]
    note: str = ''


# Settings that cannot be meant. A value that is a dict is more settings of
# the same row.
ANYWHERE = {
    'train_dataloader.batch_size': (0, -1, 2.5, 'four'),
    'train_dataloader.num_workers': (-1, 1.5),
    'train_dataloader.sampler.type': ('EpochSample',),
    'train_dataloader.dataset.type': ('ShapeNet56',),
    'train_dataloader.dataset.data_root': ('nowhere',),
    'train_dataloader.dataset.splitt': ('train',),
    'val_dataloader.batch_size': (0, 1.5),
    'val_dataloader.dataset.type': ('ShapeNet56',),
    'train_cfg.max_epochs': (0, -5, 2.5, 'ten'),
    'train_cfg.val_interval': (0, 'x'),
    'train_cfg.max_epoch': (3,),
    'optim_wrapper.type': ('OptimWraper',),
    'optim_wrapper.optimizer.type': ('AdamX',),
    'optim_wrapper.optimizer.lr': ('abc', -1.0),
    'optim_wrapper.optimizer.wieght_decay': (0.1,),
    'optim_wrapper.accumulative_counts': (0, -1, 1.5),
    'optim_wrapper.clip_grad.max_norm': ('x',),
    'randomness.seed': (2**32, -1, 'x'),
    'default_hooks.chekpoint': (dict(type='AtomicCheckpointHook'),),
    'default_hooks.checkpoint.save_best': ('nonsense',),
    'default_hooks.checkpoint.intervall': (1,),
    'default_hooks.logger.interval': (0, 'x'),
    'default_hooks.timer.type': ('IterTimeHook',),
    'env_cfg.cudnn_benchmrk': (True,),
    'env_cfg.mp_cfg.mp_start_method': ('frk',),
    'custom_hooks.0.type': ('IterationSeedHok',),
    'load_from': ('missing.pth',),
    'work_dir': ('a_file',),
    'model.type': ('Nothing',),
}
SCHEDULE = {
    'param_scheduler.0.type': ('LinerLR',),
    'param_scheduler.0.end': (-1,),
    'param_scheduler.1.T_max': (0, -3),
    'param_scheduler.1.begin': (-1,),
    'val_evaluator.type': ('NoMetric',),
}
STUDENT = {
    'embed_dims': (0, 130, 'x'),
    'num_layers': (0, -1),
    'num_heads': (0, 3, -1),
    'num_groups': (0, -2, 5000),
    'group_size': (0, 5000),
    'patch_channels': ((), (0, 8, 8), 'x'),
    'drop_path_rate': (-0.1, 1.5),
    'num_head': (4,),
}
PRETRAINED = {
    'init_cfg.checkpoint': ('nowhere',),
    'init_cfg.type': ('Pretraind',),
}
ACT = 'objectives.act'
OWN: dict[str, dict[str, dict]] = {
    'stage I': {
        'model': {
            'num_groups': (0, 5000),
            'group_size': (0, 30, 5000),
            'embed_dims': (0, -1),
            'num_codes': (0, -1),
            'code_dims': (0, -1),
            'decoder_dims': (0, 64.5),
            'logit_scale': (0, -1, 'x'),
            'dgcnn_channels': ((), (0,)),
            'folding_channels': ((), (0, 1)),
            'teacher.type': ('TimTeacher',),
            'teacher.model_name': ('vit_huge',),
            'teacher.num_layers': (0, 99),
            'teacher.num_prompts': (-1, 100000),
            'teacher.prompt_mode': ('deeper',),
            'teacher.prompt_dropout': (1.5,),
        },
        'custom_hooks': {
            '2.attribute': ('temprature',),
            '2.schedule.start': (0.0, 'x'),
            '2.schedule.fraction': (0, 2),
            '1.intervall': (4,),
        },
    },
    'stage II': {
        'model.student': STUDENT,
        'model': {
            'mask.ratio': (0.0, 1.0, -0.5, 'x'),
            'mask.type': ('RandomPatchMsk',),
            f'{ACT}.neck.embed_dims': (64,),
            f'{ACT}.neck.num_heads': (0, 3),
            f'{ACT}.neck.num_layers': (-1,),
            f'{ACT}.head.embed_dims': (64, 0),
            f'{ACT}.head.target_channels': (64, 0),
            f'{ACT}.head.loss.type': ('CosinFeatureLoss',),
            f'{ACT}.head.loss.weigth': (2.0,),
            f'{ACT}.target_norm.mode': ('white',),
            f'{ACT}.target_norm.num_channels': (64, 0),
            f'{ACT}.target_generator.generator.checkpoint': ('nowhere',),
            f'{ACT}.target_generator.generator.autoencoder.num_groups': (16,),
            f'{ACT}.target_generator.generator.autoencoder.group_size': (16,),
            f'{ACT}.target_generator.generator.autoencoder.num_codes': (32,),
            f'{ACT}.weight': ('x',),
        },
        'custom_hooks': {'1.dataloader.batch_size': (0, -1)},
        'val_evaluator': {'folds': (0, 'x'), 'C': ('best', -1)},
    },
    'concept': {
        'model.student': STUDENT,
        'model': {'mask.ratio': (1.0, -0.5)},
    },
    'Point-MAE': {
        'model.student': STUDENT,
        'model': {'mask.ratio': (1.0, -0.5)},
    },
    'classifier': {
        'model.backbone': {**STUDENT, **PRETRAINED},
        'model': {
            'transfer': ('linear-probe',),
            'head.in_channels': (128, 0),
            'head.num_classes': (0, 1, -3),
            'head.type': ('ClassificationHed',),
        },
    },
    'segmentor': {
        'model.backbone': {
            **STUDENT,
            **PRETRAINED,
            'out_indices': ((), (9,), (1,)),
        },
        'model.decode_head': {
            'num_classes': (0, 3),
            'num_categories': (0, 3),
            'in_channels': (128, 0),
            'channels': ((), (0,)),
            'dropout_ratio': (1.5,),
        },
    },
    '3DETR': {
        'model.backbone': {
            'embed_dims': (0, 64),
            'num_heads': (0, 3),
            'num_layers': (0,),
            'num_groups': (0, -2),
            'group_size': (0,),
            'radius': (0, -1),
            'channels': ((), (0,)),
        },
        'model.bbox_head': {
            'num_classes': (0, 4),
            'in_channels': (64, 0),
            'num_queries': (0, 99999),
            'num_heads': (0, 3),
            'num_layers': (0,),
            'box_coder.num_angle_bins': (0, 12),
            'loss.num_classes': (4,),
            'assigner.queries_per_box': (0,),
            'assigner.center_cost': ('x',),
        },
    },
}

# How messages call settings.
SPOKEN = {
    'lr': 'learning rate',
    'prompt_dropout': 'dropout',
    'dropout_ratio': 'dropout',
    'drop_path_rate': 'drop_prob',
    'start': 'temperature',
    # Of a checkpoint that does not fit.
    'num_codes': 'codebook',
    'group_size': 'DiscreteVAE',
}


def bad_settings(family: str) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a family: path of a setting, value."""
    tables = {'': ANYWHERE}
    if family != '3DETR':
        tables[''] = {**ANYWHERE, **SCHEDULE}
    for prefix, table in {**tables, **OWN[family]}.items():
        for path, values in table.items():
            for value in values:
                yield f'{prefix}.{path}'.lstrip('.'), value


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
    if data.exists():
        return
    write_shapenet(data, 8, 4)
    write_probe(data, 'real_shapes', 4, 2)
    write_teacher(data)
    write_shapes(data, train=2, val=1, test=2, points=60)
    write_scannet(data, num_scenes=2)
    write_renders(data)
    write_frames(Path('frames'))
    write_teacher(Path('frames'))
    Path('a_file').write_text('no folder')
    for family in ('stage I', 'stage II'):
        stem = Path(FAMILIES[family]).stem
        train(family, {}, f'work_dirs/{stem}')


def config_of(
    family: str,
    options: dict,
    work_dir: str | None,
    resume: str | None = None,
) -> Any:
    """Prepare the short training of a family."""
    from mmdet3d_act.apis import prepare_config

    return prepare_config(
        str(CONFIGS / FAMILIES[family]),
        work_dir,
        options={**SHORT, **SMALL.get(family, {}), **options},
        resume=resume,
    )


def train(family: str, options: dict, work_dir: str | None) -> None:
    """Train a family in this process."""
    from mmdet3d_act import apis

    apis.train(config_of(family, options, work_dir))


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise TimeoutError where the body lasts longer."""

    def stop(*_: object) -> None:
        raise TimeoutError(f'{seconds} s')

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def outcome(family: str, path: str, value: Any) -> str:
    """Say how a bad setting ends: ``named`` is right."""
    from mmengine.hooks import Hook

    from mmdet3d_act import apis
    from mmdet3d_act.engine.failures import describe_failure

    class Stage(Hook):
        def before_val(self, runner: Any) -> None:
            if runner.iter:
                self.reached = 'at the first validation: '

    stage = Stage()
    stage.reached = ''
    work_dir = None if path == 'work_dir' else f'work_dirs/bad-{os.getpid()}'
    try:
        with within(120):
            cfg = config_of(family, {path: value}, work_dir)
            apis.train(cfg, [stage])
    except (Exception, SystemExit) as error:  # noqa: BLE001
        text = (
            describe_failure(error) if isinstance(error, Exception) else None
        )
        words = path.split('.')
        names = {words[-1], SPOKEN.get(words[-1], words[-1])}
        if isinstance(value, str) and len(value) > 2:
            names.add(value)
        where = stage.reached if not path.startswith('val_') else ''
        said = f'{type(error).__name__}: {error}'
        told = (text or str(error)).lower()
        named = any(name.lower() in told for name in names)
        if named and not where:
            return 'named'
        return f'{where}{said if not named else "named"}'[:300]
    return 'passed silently'


def try_settings(share: float) -> Found:
    """Train with each bad setting: the message has to name it."""
    resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))
    tried, lost = 0, []
    step = max(1, round(1 / share))
    for family in FAMILIES:
        for path, value in list(bad_settings(family))[::step]:
            tried += 1
            found = outcome(family, path, value)
            print(f'{family}: {path}={value!r}: {found}', flush=True)
            if found != 'named':
                lost.append(f'{family}: {path}={value!r}: {found}')
    return Found(tried, lost)


def in_child(
    call: Callable[[], object],
    *,
    kill_after: float | None = None,
    seconds: float = 300,
) -> tuple[int, str, float]:
    """Run a call in a forked process, which has imported everything.

    Returns:
        Its exit code, as :func:`~mmdet3d_act.engine.failures.run_tool` has
        it (1 a traceback, below 0 a signal), what it wrote to stderr, and the
        seconds that it took.
    """
    from mmdet3d_act.engine.failures import run_tool

    log = Path(f'child-{os.getpid()}.log')

    def work() -> None:
        with log.open('wb', buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sys.stderr = os.fdopen(2, 'w', buffering=1)
            os._exit(run_in(call, run_tool))

    child = multiprocessing.get_context('fork').Process(target=work)
    begin = time.monotonic()
    child.start()
    child.join(seconds if kill_after is None else kill_after)
    if child.is_alive():
        child.kill()
        child.join()
    code = child.exitcode
    text = log.read_text('utf-8', 'replace')
    return code, text, time.monotonic() - begin


def run_in(call: Callable[[], object], run_tool: Callable) -> int:
    """Return the exit code of a tool, 1 after a traceback."""
    try:
        return run_tool(call)
    except BaseException as error:  # noqa: BLE001
        if isinstance(error, SystemExit):
            return int(error.code or 0)
        traceback.print_exc()
        return 1


def last_line(text: str) -> str:
    """Return the end of what a process has said."""
    return (text.strip().splitlines() or ['nothing said'])[-1][:200]


LONGER = {'train_cfg.max_epochs': 4, 'train_cfg.val_interval': 2}


def training(family: str, work_dir: str, moment: str = '', at: int = 0) -> Any:
    """Make a call that trains with ``--resume``, and dies at a moment."""

    def call() -> None:
        from mmengine.hooks import Hook

        from mmdet3d_act import apis

        left = [at]

        def die(*_: object) -> None:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

        class Dying(Hook):
            def after_val_iter(self, *_: object, **__: object) -> None:
                if moment == 'validating':
                    die()

        if moment == 'saving':
            os.fsync = die
        options = {**LONGER, 'default_hooks.checkpoint.interval': 1}
        cfg = config_of(family, options, work_dir, resume='auto')
        apis.train(cfg, [Dying()])

    return call


def caching() -> None:
    """Compute targets of frames, one after the other."""
    os.environ['ACT_DATA_ROOT'] = str(Path('frames').resolve())
    from tests.test_tools.loading import load_tool

    config = CONFIGS / 'concept/concept_pretrain_scannet_stored-tiny.py'
    sys.exit(load_tool('cache_teacher').main([str(config), '--batch-size=1']))


def stored() -> list[bytes]:
    """Return what the stores of :func:`caching` hold."""
    files = sorted(Path('frames/targets').rglob('*.npy'))
    return [file.read_bytes() for file in files]


def weights(work_dir: str) -> dict:
    """Return the tensors of the last checkpoint, flat."""
    from mmdet3d_act.checkpoint import find_checkpoint, read_checkpoint

    state = read_checkpoint(str(find_checkpoint(work_dir)))
    moments = state['optimizer']['state']
    flat = {f'{i}.{k}': v for i, m in moments.items() for k, v in m.items()}
    return {**state['state_dict'], **flat}


def same(first: dict, second: dict) -> bool:
    """Compare two checkpoints bit by bit."""
    import torch

    return first.keys() == second.keys() and all(
        torch.equal(torch.as_tensor(first[k]), torch.as_tensor(second[k]))
        for k in first
    )


def try_kills(share: float) -> Found:
    """Kill trainings and the caching of targets, then run them again."""
    draw = random.Random(0)
    tried, lost = 0, []
    for family in ('stage I', 'stage II', 'classifier'):
        shutil.rmtree('work_dirs/straight', ignore_errors=True)
        code, text, lasted = in_child(training(family, 'work_dirs/straight'))
        if code:
            lost.append(f'{family}: undisturbed: {last_line(text)}')
            continue
        expected = weights('work_dirs/straight')
        for number in range(max(3, round(18 * share))):
            shutil.rmtree('work_dirs/killed', ignore_errors=True)
            moment = ('random', 'saving', 'validating')[number % 3]
            at = draw.randint(1, 4)
            after = draw.uniform(0.1, lasted) if moment == 'random' else None
            call = training(family, 'work_dirs/killed', moment, at)
            code, _, _ = in_child(call, kill_after=after)
            tried += code == -signal.SIGKILL
            again = training(family, 'work_dirs/killed')
            code, text, _ = in_child(again)
            name = f'{family}: killed {moment} {after or at}'
            if code or not same(weights('work_dirs/killed'), expected):
                lost.append(f'{name}: exit {code}: {last_line(text)}')
            print(name, code, flush=True)
    _, text, lasted = in_child(caching)
    complete = stored()
    for _ in range(max(3, round(12 * share))):
        shutil.rmtree('frames/targets')
        after = draw.uniform(0.1, lasted)
        code, _, _ = in_child(caching, kill_after=after)
        tried += code == -signal.SIGKILL
        code, text, _ = in_child(caching)
        if code or stored() != complete or len(complete) != 2:
            lost.append(f'cache_teacher: {after}: {code}: {last_line(text)}')
        print('cache_teacher', after, code, flush=True)
    return Found(tried, lost)


def spawn(
    config: Path, work_dir: str, prefix: Sequence[str], **env: Any
) -> Any:
    """Start tools/dist_train.sh on a toy config."""
    shell = ['bash', str(ROOT / 'tools/dist_train.sh'), str(config)]
    number = str(env.pop('number'))
    return subprocess.Popen(
        [*prefix, *shell, number, '--work-dir', work_dir],
        env={
            **os.environ,
            'PYTHON': sys.executable,
            'PYTHONPATH': str(ROOT),
            **{key: str(value) for key, value in env.items()},
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(processes: Sequence[Any], name: str) -> list[str]:
    """Wait for processes; return what was lost."""
    lost = []
    for process in processes:
        try:
            text, _ = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
        if process.returncode:
            lost.append(f'{name}: {process.returncode}: {last_line(text)}')
    return lost


def try_processes(share: float) -> Found:
    """Train in two processes, and on two hosts, which are namespaces."""
    from tests.test_engine.toy import write_config

    config = write_config(Path.cwd())
    lost = []
    count = max(2, round(20 * share))
    for number in range(count):
        one = spawn(config, f'work_dirs/two-{number}', (), number=2)
        lost += ended([one], 'two processes')
        print('two processes', number, one.returncode, flush=True)
    hosts, note = namespaces()
    pair = [
        spawn(
            config,
            f'work_dirs/host-{rank}',
            prefix,
            number=1,
            NNODES=2,
            NODE_RANK=rank,
            MASTER_ADDR=address,
            PORT=29571,
            GLOO_SOCKET_IFNAME=interface,
        )
        for rank, (prefix, interface, address) in enumerate(hosts)
    ]
    lost += ended(pair, 'two hosts')
    for rank in range(2):
        run('ip', 'netns', 'del', f'soak{rank}')
    return Found(count + 1, lost, note)


def run(*command: str) -> bool:
    """Run a command quietly; return whether it could be."""
    try:
        return not subprocess.run(command, capture_output=True).returncode
    except OSError:
        return False


def namespaces() -> tuple[list[tuple[tuple, str, str]], str]:
    """Make two network namespaces with a cable between them."""
    steps = ['netns add soak0', 'netns add soak1']
    steps.append('link add veth0 netns soak0 type veth peer veth1 netns soak1')
    for rank in range(2):
        inside = f'-n soak{rank}'
        steps += [
            f'{inside} addr add 10.213.7.{rank + 1}/24 dev veth{rank}',
            f'{inside} link set veth{rank} up',
            f'{inside} link set lo up',
        ]
    if all(run('ip', *step.split()) for step in steps):
        hosts = [
            (
                ('ip', 'netns', 'exec', f'soak{rank}'),
                f'veth{rank}',
                '10.213.7.1',
            )
            for rank in range(2)
        ]
        return hosts, 'two hosts: network namespaces'
    local = ((), 'lo', '127.0.0.1')
    return [local, local], 'two hosts: SKIPPED, no namespaces here; loopback'


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


def write_formats(  # noqa: PLR0915
    folder: Path,
) -> dict[str, tuple[Callable, list[Path]]]:
    """Write small valid files; return the reader and the files of a format."""
    import h5py
    import laspy
    import numpy as np
    import torch

    from mmdet3d_act.datasets.readers import read_cloud
    from mmdet3d_act.datasets.readers.arrays import read_hdf5
    from mmdet3d_act.datasets.readers.pickles import read_arrays_pickle
    from mmdet3d_act.models.target_generators import TargetStore
    from tests.raw_rooms import write_object
    from tests.rgbd_files import make_video, write_sens
    from tests.test_datasets.test_readers import point_files
    from tests.test_tools.loading import load_tool

    rooms = load_tool('dataset_converters.s3dis_raw')
    folder.mkdir(exist_ok=True)
    cloud = point_files.cloud()
    np.save(folder / 'a.npy', cloud)
    np.savez(folder / 'a.npz', points=cloud)
    np.savez_compressed(folder / 'b.npz', points=cloud)
    for name in ('ascii', 'binary_little_endian'):
        content = point_files.ply(cloud, name)
        (folder / f'{name}.ply').write_bytes(content)
    header = point_files.pcd_header
    body = point_files.rows(cloud).encode()
    (folder / 'a.pcd').write_bytes(header(cloud, 'ascii') + body)
    (folder / 'b.pcd').write_bytes(header(cloud, 'binary') + cloud.tobytes())
    scan = laspy.LasData(laspy.LasHeader(point_format=1, version='1.4'))
    scan.xyz = cloud
    scan.write(folder / 'a.las')
    scan.write(folder / 'a.laz')
    corners = '0 0 0\n1 0 0\n0 1 0\n0 0 1\n'
    faces = [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    rows = ''.join('3 {} {} {}\n'.format(*face) for face in faces)
    (folder / 'a.off').write_text(f'OFF\n4 4 0\n{corners}{rows}')
    rows = ''.join('f {} {} {}\n'.format(*(i + 1 for i in f)) for f in faces)
    points = ''.join(f'v {line}\n' for line in corners.splitlines())
    (folder / 'a.obj').write_text(points + rows)
    with h5py.File(folder / 'a.h5', 'w') as file:
        file['data'] = cloud[None]
        file.create_dataset('label', data=[[3]], compression='gzip')
    content = [[cloud], np.arange(3), {'a': 1.5}]
    for protocol in (2, 4):
        path = folder / f'{protocol}.pkl'
        path.write_bytes(pickle.dumps(content, protocol))
    write_object(folder / 'chair_1.txt', 40, 0)
    (folder / 'a.xyz').write_bytes(body)
    write_sens(folder / 'a.sens', make_video(2, 0))
    options = dict(shape=(4,), keys=['a', 'b'])
    store = TargetStore.create(folder / 'store', {'teacher': 'a'}, **options)
    store.write([0, 1], torch.arange(8.0).view(2, 4))
    store.flush()

    def frames(path: str) -> None:
        video = load_tool('dataset_converters.sens').SensFile(path)
        for frame in video.frames(1, Counter()):
            video.decode_color(frame)
            video.decode_depth(frame)

    def targets(path: str) -> None:
        TargetStore(Path(path).parent).read(['a', 'b'])

    def suffix(*names: str) -> list[Path]:
        return [p for p in sorted(folder.iterdir()) if p.suffix in names]

    clouds = ('.npy', '.npz', '.ply', '.pcd', '.off', '.obj', '.xyz')
    return {
        **{name: (read_cloud, suffix(name)) for name in clouds},
        '.las, .laz': (read_cloud, suffix('.las', '.laz')),
        '.h5': (lambda p: read_hdf5(p, ('data', 'label')), suffix('.h5')),
        '.pkl': (read_arrays_pickle, suffix('.pkl')),
        'S3DIS rooms': (rooms.read_object, suffix('.txt')),
        '.sens': (frames, suffix('.sens')),
        'target store': (targets, sorted((folder / 'store').iterdir())),
    }


def fuzz(
    reader: Callable, files: list[Path], numbers: range, out: str
) -> None:
    """Read mutants of files in this process; write what goes wrong."""
    from mmdet3d_act.checkpoint import CheckpointError
    from mmdet3d_act.datasets.readers import BadSampleError

    warnings.simplefilter('ignore')
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
    folder = Path(tempfile.mkdtemp())
    counts: Counter = Counter()
    with open(out, 'w', buffering=1) as report:
        for number in numbers:
            draw = random.Random(number)
            file = draw.choice(files)
            if (
                len({one.parent for one in files}) == 1
                and 'store' in file.parts
            ):
                shutil.copytree(file.parent, folder, dirs_exist_ok=True)
            path = folder / file.name
            path.write_bytes(mutate(file.read_bytes(), draw))
            report.write(f'at {number}\n')
            try:
                with within(20):
                    reader(str(path))
                counts['read'] += 1
            except (BadSampleError, CheckpointError) as error:
                counts['refused'] += 1
                if folder.name not in str(error):
                    report.write(f'lost {number}: nameless: {error}\n')
            except BaseException as error:  # noqa: BLE001
                report.write(f'lost {number}: {error!r:.200}\n')
        report.write(f'done {json.dumps(counts)}\n')
    shutil.rmtree(folder)


def try_fuzz(share: float) -> Found:
    """Read mutated files: points, or an error of ours that names the file."""
    each = round(20_000 * share)
    tried, lost, read = 0, [], 0
    context = multiprocessing.get_context('fork')
    for name, (reader, files) in write_formats(Path('formats')).items():
        blocks = [range(i, each, 2) for i in range(2)]
        reports = [f'fuzz-{i}.txt' for i in range(2)]
        workers = [
            context.Process(target=fuzz, args=(reader, files, block, report))
            for block, report in zip(blocks, reports, strict=True)
        ]
        for worker in workers:
            worker.start()
        for worker, report in zip(workers, reports, strict=True):
            worker.join()
            lines = Path(report).read_text('utf-8', 'replace').splitlines()
            lost += [f'{name}: {x}' for x in lines if x.startswith('lost')]
            tried += sum(line.startswith('at ') for line in lines)
            if worker.exitcode:
                lost.append(f'{name}: exit {worker.exitcode}: {lines[-1]}')
            elif lines[-1].startswith('done'):
                read += json.loads(lines[-1][5:]).get('read', 0)
        print(name, tried, len(lost), flush=True)
    return Found(tried, lost, f'{read} could be read')


@contextmanager
def small_disk(megabytes: float) -> Iterator[tuple[Path, str]]:
    """Yield a folder on a small disk, and how it was made small."""
    disk = Path('disk').resolve()
    disk.mkdir(exist_ok=True)
    size = f'size={int(megabytes * 1024)}k'
    if not run('mount', '-t', 'tmpfs', '-o', size, 'soak', str(disk)):
        yield disk, 'SKIPPED: no mount here'
        return
    try:
        yield disk, 'tmpfs'
    finally:
        run('umount', str(disk))


def try_disk(share: float) -> Found:
    """Train and cache on disks too small: a message, and what was saved."""
    from mmdet3d_act.checkpoint import find_checkpoint, is_intact

    tried, lost, kind = 0, [], ''
    draw = random.Random(0)
    for number in range(max(4, round(40 * share))):
        family = ('stage I', 'stage II', 'classifier', 'cache')[number % 4]
        size = draw.uniform(0.004, 30 if family != 'cache' else 0.03)
        with small_disk(size) as (disk, made):
            kind = made
            if made != 'tmpfs':
                break
            call = training(family, str(disk / 'run'))
            if family == 'cache':
                call = cache_into(disk)
            code, text, _ = in_child(call)
            found = find_checkpoint(disk / 'run')
            tried += 1
            whole = found is None or is_intact(found)
            said = code == 0 or 'disk is full' in text
            if code not in (0, 2) or not said or not whole:
                lost.append(f'{family} {size}: {code}: {last_line(text)}')
            print(f'{family} on {size:.2f} MB: {code} {found}', flush=True)
    return Found(tried, lost, kind)


def cache_into(disk: Path) -> Callable[[], None]:
    """Make a call that caches targets on a disk."""

    def call() -> None:
        targets = Path('frames/targets')
        shutil.rmtree(targets, ignore_errors=True)
        targets.unlink(missing_ok=True)
        targets.symlink_to(disk)
        caching()

    return call


def try_nan(share: float) -> Found:
    """Make a weight NaN in the midst of each family's training."""
    from mmdet3d_act.checkpoint import find_checkpoint, read_checkpoint

    tried, lost = 0, []
    for family in FAMILIES:
        for at in range(1, 1 + max(1, round(4 * share))):
            shutil.rmtree('work_dirs/nan', ignore_errors=True)
            code, text, _ = in_child(poisoned(family, at))
            tried += 1
            found = find_checkpoint('work_dirs/nan')
            state = read_checkpoint(str(found)) if found else {}
            finite = all(
                bool(tensor.isfinite().all())
                for tensor in state.get('state_dict', {}).values()
            )
            if code != 2 or 'finite' not in text or not finite:
                lost.append(f'{family} {at}: {code}: {last_line(text)}')
            print(f'{family}: NaN after {at}: {code}', flush=True)
    return Found(tried, lost)


def poisoned(family: str, at: int) -> Callable[[], None]:
    """Make a call that trains, and makes a weight NaN after some steps."""

    def call() -> None:
        import torch
        from mmengine.hooks import Hook

        from mmdet3d_act import apis

        class Poison(Hook):
            def before_train_iter(
                self, runner: Any, *_: Any, **__: Any
            ) -> None:
                if runner.iter == at:
                    trained = (
                        p for p in runner.model.parameters() if p.requires_grad
                    )
                    next(trained).data.view(-1)[0] = torch.nan

        cfg = config_of(family, LONGER, 'work_dirs/nan')
        apis.train(cfg, [Poison()])

    return call


def write_crafted(folder: Path) -> dict[str, tuple[Callable, Path]]:
    """Write files that harm or eat memory; return reader and path of each."""
    import h5py
    import numpy as np
    import torch

    from mmdet3d_act.checkpoint import read_checkpoint
    from mmdet3d_act.datasets.readers import read_cloud
    from mmdet3d_act.datasets.readers.arrays import read_hdf5
    from mmdet3d_act.datasets.readers.images import read_image
    from mmdet3d_act.datasets.readers.pickles import read_arrays_pickle
    from tests.test_datasets.test_readers import test_pickles

    def h5(path: str) -> Any:
        return read_hdf5(path, ('data',))

    folder.mkdir(exist_ok=True)
    found: dict[str, tuple[Callable, Path]] = {}
    for name, content in test_pickles.CRAFTED.items():
        path = folder / f'{name}.pkl'
        path.write_bytes(content)
        found[f'pickle: {name}'] = read_arrays_pickle, path
    hidden = folder / 'hidden.pth'
    torch.save({'state_dict': {}, 'a': test_pickles._hidden_object()}, hidden)
    found['.pth: hidden object'] = read_checkpoint, hidden
    with h5py.File(folder / 'zeros.h5', 'w') as file:
        file.create_dataset(
            'data', (1 << 20, 400), 'f8', chunks=(1 << 12, 400)
        )
    (folder / 'secret').write_bytes(b'secret' * 100)
    with h5py.File(folder / 'external.h5', 'w') as file:
        outside = [(str(folder / 'secret'), 0, 100)]
        file.create_dataset('data', (100,), 'u1', external=outside)
    with h5py.File(folder / 'link.h5', 'w') as file:
        file['data'] = h5py.ExternalLink('zeros.h5', 'data')
    for name in ('zeros', 'external', 'link'):
        found[f'HDF5: {name}'] = h5, folder / f'{name}.h5'
    zeros = np.zeros((25 << 20, 3), np.float64)
    np.savez_compressed(folder / 'zeros.npz', points=zeros)
    found['npz: zeros'] = read_cloud, folder / 'zeros.npz'
    pack = zlib.compressobj()
    row = bytes(1 + 3 * 20_000)
    data = b''.join(pack.compress(row) for _ in range(20_000)) + pack.flush()
    size = struct.pack('>IIBBBBB', 20_000, 20_000, 8, 2, 0, 0, 0)
    png = b'\x89PNG\r\n\x1a\n'
    for kind, body in ((b'IHDR', size), (b'IDAT', data), (b'IEND', b'')):
        checksum = struct.pack('>I', zlib.crc32(kind + body))
        png += struct.pack('>I', len(body)) + kind + body + checksum
    (folder / 'zeros.png').write_bytes(png)
    found['PNG: zeros'] = (
        lambda path: read_image(path, path),
        folder / 'zeros.png',
    )
    return found


def try_crafted(share: float) -> Found:
    """Open crafted files: refused by name, and little memory is taken."""
    files = write_crafted(Path('crafted'))
    lost = []
    for name, (reader, path) in files.items():

        def call(reader: Callable = reader, path: Path = path) -> None:
            begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                reader(str(path))
            finally:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                print(f'took {(peak - begin) >> 10} MB', flush=True)

        code, text, _ = in_child(call)
        took = int(text.partition('took ')[2].partition(' MB')[0] or 10**6)
        if code != 2 or path.name not in text or took > 400:
            lost.append(f'{name}: {code}, {took} MB: {last_line(text)}')
        print(f'{name}: {code}, {took} MB', flush=True)
    return Found(len(files), lost)


PARTS: dict[str, Callable[[float], Found]] = {
    'settings': try_settings,
    'kills': try_kills,
    'processes': try_processes,
    'fuzz': try_fuzz,
    'disk': try_disk,
    'nan': try_nan,
    'crafted': try_crafted,
}


def main() -> int:
    """Run the parts, print the table; 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--out', type=Path, default=Path('work_dirs/soak'))
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS)
    parser.add_argument('--share', type=float, default=1.0)
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    folder = args.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    make_data(folder)
    rows = ['| part | tried | lost | minutes | |', '|---|---|---|---|---|']
    failed = False
    for part in args.parts:
        start = time.monotonic()
        found = PARTS[part](args.share)
        failed |= bool(found.lost)
        minutes = (time.monotonic() - start) / 60
        lost = f'{len(found.lost)} | {minutes:.1f} | {found.note} |'
        rows.append(f'| {part} | {found.tried} | {lost}')
        print(*(f'LOST {one}' for one in found.lost), sep='\n')
    print('\n'.join(rows))
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
