"""Measure the package: steps, memory, operations, start, scaling.

    make bench
    python benchmarks/run.py --sections steps operations --rounds 3

What is compared takes turns in one process, on one thread. Times are of the
CPU, so that waiting for other programs does not count; they slow caches and
memory all the same, which is why the load stands beside. A cell is the median
(least to largest). Rows are kept in OUT/results.json as they come, --resume
measures those that are missing; OUT/results.md, OUT/scaling.png and
OUT/curves.png show them.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'work_dirs/bench/peers')]
sys.path[:0] = [str(ROOT / 'benchmarks')]

from peers import operation  # noqa: E402
from steps import (  # noqa: E402
    STEPS,
    build_model,
    config_of,
    count_operations,
    loss_curve,
    make_batch,
    matrix_rate,
    our_step,
    steps_of,
    timed,
)

CLOUDS = (1000, 5000, 20_000, 50_000, 200_000)
SCALES = {
    'batch': (1, 4, 16),
    'points, FPS': CLOUDS,
    'points, kNN': CLOUDS,
    'points, ball query': CLOUDS,
    'patches': (64, 256, 1024, 4096),
    'teacher': ('tiny', 'small', 'base', 'large'),
}
TITLES = {
    'steps': 'Training steps, ms',
    'memory': 'Peak memory of a step beside the imports, MB',
    'operations': 'Point operations, ms',
    'start': 'From the command on, CPU seconds',
    'data': 'Reading clouds in the cache of files, ms',
    'batch': 'A step of Point-MAE by batch size, ms',
    'points, FPS': '512 farthest points by points of the cloud, ms',
    'points, kNN': '32 neighbours of 512 points, ms',
    'points, ball query': '64 points within 0.1 of 512 points, ms',
    'patches': 'Student of one cloud by patches, forward and backward, ms',
    'teacher': 'Targets of 8 clouds by the ViT of stage I, ms',
    'processes': 'Steps of Point-MAE, 8 clouds a process, wall clock',
    'curves': 'Losses of small networks, mean of the last 20 of 200 steps',
    'GPU': 'On a GPU, ms',
}
# Curves by what they are called: the kind of step and the seed.
CURVES = {
    'published': ('published', 0),
    'published, another seed': ('published', 1),
    'ours': ('ours', 0),
    'ours, amp': ('ours, amp', 0),
}
# What published / ours should be: float32, bfloat16.
REACH = {
    'stage I': (1.9, 4.5),
    'stage II': (2.4, 4.5),
    'classifier': (1.5, 3),
    'Point-MAE': (1.5, 3),
    '3DETR': (2, 2.5),
}
SHORT = 0.05  # seconds; calls that are shorter are repeated
NO_GPU = {'result': 'not measured: no GPU'}


class Bench:
    """Rows of tables by section, kept in a file as they come."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.rounds, self.path = args.rounds, args.out / 'results.json'
        args.out.mkdir(parents=True, exist_ok=True)
        self.data: dict[str, Any] = dict(machine=describe(), rows={})
        if args.resume and self.path.exists():
            self.data = json.loads(self.path.read_text())
        self.rows = self.data['rows']

    def row(self, section: str, name: object, make: Callable) -> None:
        """Measure a row unless it is there."""
        table = self.rows.setdefault(section, {})
        if str(name) not in table:
            load = round(os.getloadavg()[0], 1)
            table[str(name)] = {**make(), 'load': load}
            print(f'{section}, {name}: {table[str(name)]}', flush=True)
            self.path.write_text(json.dumps(self.data, indent=1))
            gc.collect()

    def times(self, calls: dict[str, Any]) -> dict:
        """Time calls in turn, ms: median, least, largest; None is no call.

        The first of each does not count, but where one takes over ten
        seconds; short ones run several times a round.
        """
        made = {name: call for name, call in calls.items() if call}
        first = {name: timed(call) for name, call in made.items()}
        slow = max(first.values()) > 10
        found: dict[str, Any] = {
            name: [1e3 * first[name]] if slow else [] for name in made
        }
        for _ in range(0 if slow else self.rounds):
            for name, call in made.items():
                repeats = max(1, int(SHORT / first[name]))
                found[name].append(1e3 * timed(call, repeats))
        found = {name: spread(values) for name, values in found.items()}
        return {name: found.get(name, 'not installed') for name in calls}


def describe() -> dict[str, str]:
    """Name the day, the machine and the versions."""
    cpu = Path('/proc/cpuinfo').read_text().partition('model name')[2]
    packages = importlib.metadata.distributions()
    found = {d.name.replace('_', '-'): d.version for d in packages}
    found['Python'] = platform.python_version()
    names = ('Python', 'torch', 'scipy', 'open3d', 'pykdtree', 'fpsample')
    names = (*names, 'torch-quickfps')
    versions = [f'{name} {found[name]}' for name in names if name in found]
    return dict(
        day=time.strftime('%d %B %Y'),
        machine=f'{os.cpu_count()} cores of {cpu[2:].splitlines()[0].strip()}',
        versions=', '.join(versions),
    )


def spread(values: list[float]) -> list[float]:
    """Return median, least and largest."""
    return [f(values) for f in (statistics.median, min, max)]


def step_row(bench: Bench, family: str) -> dict:
    """Time the steps of a family."""
    _, points, batch = STEPS[family]
    kinds = ('published', 'same points', 'ours', 'ours, amp')
    calls = steps_of(family, kinds, make_batch(family, batch, points))
    times, work = bench.times(calls), count_operations(calls['ours'])
    float32, bfloat16 = map(matrix_rate, ('float32', 'bfloat16'))
    median = {kind: times[kind][0] for kind in kinds}
    ratios = {
        'published / ours': median['published'] / median['ours'],
        'same points / ours': median['same points'] / median['ours'],
        'published / ours, amp': median['published'] / median['ours, amp'],
        '% of matrix rate': 1e5 * work / median['ours'] / float32,
        '% of it, amp': 1e5 * work / median['ours, amp'] / bfloat16,
    }
    return times | {name: f'{value:.3g}' for name, value in ratios.items()}


def measure_steps(bench: Bench) -> None:
    """Time whole training steps."""
    for family in STEPS:
        bench.row('steps', family, partial(step_row, bench, family))


def run_python(*words: object) -> str:
    """Run Python on a command; return what it prints."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'{command}: {done.stderr[-2000:]}')
    return done.stdout


def run_child(*words: str) -> dict:
    """Run this file for one figure in a process of its own."""
    return json.loads(run_python(__file__, '--child', *words).splitlines()[-1])


def resident(name: str) -> int:
    """Read a figure of this process's memory, MB."""
    text = Path('/proc/self/status').read_text()
    return int(text.partition(f'{name}:')[2].split()[0]) // 1024


def child_memory(family: str, kind: str) -> dict:
    """Measure the peak of weights, optimiser, gradients and activations."""
    import mmdet3d_act.models.detectors  # noqa: F401

    _, points, batch = STEPS[family]
    data = make_batch(family, batch, points)
    before = resident('VmRSS')
    (step,) = steps_of(family, [kind], data).values()
    gc.collect()
    ctypes.CDLL('libc.so.6').malloc_trim(0)
    Path('/proc/self/clear_refs').write_text('5')  # forgets the peak so far
    step()
    step()
    return {'MB': resident('VmHWM') - before}


def memory_row(family: str) -> dict:
    """Compare the peak memory of a family's steps."""
    kinds = ('published', 'ours')
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(partial(run_child, 'memory', family), kinds)
        peak = {k: v['MB'] for k, v in zip(kinds, found, strict=True)}
    return peak | {
        'published / ours': round(peak['published'] / peak['ours'], 2)
    }


def measure_memory(bench: Bench) -> None:
    """Compare the memory of the steps."""
    for family in STEPS:
        bench.row('memory', family, partial(memory_row, family))


def measure_operations(bench: Bench) -> None:
    """Time operations on points beside other libraries."""
    import torch

    torch.manual_seed(0)
    kinds = ('FPS', 'kNN', 'ball query')
    for shape, count in (((1, 40_000, 3), 2048), ((8, 1024, 3), 64)):
        clouds = torch.rand(shape)
        for kind in kinds:
            pair = (clouds, clouds[:, :count].contiguous())
            name = f'{kind}, {shape[0]} x {count} of {shape[1]}'
            compare(bench, 'operations', name, operation, kind, *pair)
    kind, pair = 'Chamfer + gradient', torch.rand(2, 4096, 32, 3)
    name = f'{kind}, 4096 x 32 and 32'
    compare(bench, 'operations', name, operation, kind, *pair)


def compare(bench: Bench, section: str, name: object, *make: Any) -> None:
    """Measure a row of the calls that a function makes of arguments."""
    function, *arguments = make
    bench.row(section, name, lambda: bench.times(function(*arguments)))


def cpu_seconds(*command: object) -> float:
    """Run Python on a command; return the CPU seconds it takes."""
    before = os.times()
    run_python(*command)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def make_shapes(bench: Bench) -> Path:
    """Make a few procedural clouds; return their folder."""
    folder = bench.path.parent / 'shapes'
    few = [f'--num-{kind}-per-class=1' for kind in ('train', 'val', 'test')]
    tool = 'tools/dataset_converters/make_synthetic_shapes.py'
    cpu_seconds(tool, folder, '--num-pretrain=64', *few)
    return folder


def measure_data(bench: Bench) -> None:
    """Time reading clouds from their files and from a pack."""
    from mmdet3d_act.registry import DATASETS
    from tests.test_tools.loading import load_tool

    packing = load_tool('dataset_converters.packing')

    root = str(make_shapes(bench) / 'ShapeNet55-34')
    cfg = dict(type='ShapeNet55', data_root=root, split='train')
    cfg['pipeline'] = [dict(type='LoadPointCloud')]
    packing.pack_dataset(*packing.plan_pack(cfg))
    calls = {}
    for name, packed in (('files', None), ('pack', 'auto')):
        data = DATASETS.build(cfg | dict(packed=packed))
        calls[name] = lambda data=data: [data[index] for index in range(64)]
    bench.row('data', '64 clouds of .npy', partial(bench.times, calls))


def child_first_step(config: str, out: str) -> dict:
    """Train one step, keep a checkpoint, tell the CPU seconds until then."""
    from mmdet3d_act_cli import import_for_good, run_tool

    def train() -> None:
        # As tools/train.py does.
        from mmengine.hooks import Hook

        from mmdet3d_act import apis

        class Stop(Hook):
            def after_train_iter(
                self, runner: Any, *_: Any, **__: Any
            ) -> None:
                seconds = time.process_time()
                runner.save_checkpoint(out, 'first.pth')
                print(json.dumps({'s': seconds}), flush=True)
                os._exit(0)

        cfg = apis.prepare_config(config, out, amp=True)
        import_for_good('mmdet3d.engine')
        apis.train(cfg, [Stop()])

    run_tool(train)
    raise RuntimeError('there was no step')


def measure_start(bench: Bench) -> None:
    """Time what a user waits for, each in processes of its own."""
    # As on a user's machine: compiled once.
    os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
    folder = make_shapes(bench)
    os.environ['ACT_DATA_ROOT'] = str(folder)
    os.environ['ACT_AUTOENCODER'] = str(folder / 'dvae/first.pth')
    demo = 'configs/act/act_{}_shapenet_demo.py'
    for name, command in {
        'import torch': ('-c', 'import torch'),
        'import mmdet3d_act': ('-c', 'import mmdet3d_act'),
        'train.py --check': ('tools/train.py', demo.format('dvae'), '--check'),
    }.items():
        call = partial(cpu_seconds, *command)
        bench.row(
            'start', name, lambda c=call: {'s': spread([c() for _ in '123'])}
        )
    scripts = [*ROOT.glob('tools/**/*.py'), *ROOT.glob('benchmarks/*.py')]
    scripts = [s for s in scripts if 'ArgumentParser(' in s.read_text()]

    def slowest_help() -> dict:
        found = max((cpu_seconds(s, '--help'), s.name) for s in scripts)
        return {'s': found[0], 'which': f'{found[1]} of {len(scripts)}'}

    bench.row('start', 'slowest --help', slowest_help)
    for name, stage in (('I', 'dvae'), ('II', 'pretrain')):
        words = str(ROOT / demo.format(stage)), str(folder / stage)
        call = partial(run_child, 'first-step', *words)
        name = f'train.py to its first step, stage {name} of the demo'
        bench.row('start', name, call)


def scaled(kind: str, size: Any) -> dict[str, Any]:
    """Make calls whose times are compared at one size."""
    import published_formulation as plain
    import torch

    from mmdet3d_act.models.backbones import PointTransformer

    if kind == 'batch':
        data = make_batch('Point-MAE', size, 1024)
        return steps_of('Point-MAE', ('published', 'ours'), data)
    if kind.startswith('points'):
        clouds = torch.rand(1, size, 3)
        queries = clouds[:, :512].contiguous()
        calls = operation(kind.partition(', ')[2], clouds, queries)
        return {name: calls[name] for name in ('ours', 'PyTorch')}
    if kind == 'patches':
        ours = PointTransformer(num_groups=size)
        patches, net = (
            ours.group(torch.rand(1, 8 * size, 3)),
            plain.Student(ours),
        )
        pair = patches.neighborhoods, patches.centers
        calls = {
            'ours': lambda: ours.encode(patches).features.sum().backward()
        }
        if size < 4096:  # its attention would keep 10 GB
            calls['published'] = lambda: net(*pair).sum().backward()
        return calls
    cfg = config_of('stage I')
    cfg.model.teacher.model_name = f'vit_{size}_patch16_224'
    model = build_model(cfg).eval()
    net, patches = plain.published(model), model.group(torch.rand(8, 1024, 3))
    pair = patches.neighborhoods, patches.centers
    return {
        'ours': torch.no_grad()(lambda: model.encode(patches)),
        'published': partial(net.eval().target, *pair),
    }


def measure_scaling(bench: Bench) -> None:
    """Time how the package grows, and two processes beside one."""
    for kind, sizes in SCALES.items():
        for size in sizes:
            compare(bench, kind, size, scaled, kind, size)
    for number in '12':
        bench.row('processes', number, partial(run_child, 'processes', number))


def measure_curves(bench: Bench) -> None:
    """Train in the published form and in ours, and keep the losses."""
    curves = bench.data.setdefault('curves', {})

    def train(family: str) -> dict:
        curves[family] = {
            name: loss_curve(family, kind, seed, 200)
            for name, (kind, seed) in CURVES.items()
        }
        return {
            name: f'{statistics.mean(losses[-20:]):.3g}'
            for name, losses in curves[family].items()
        }

    for family in STEPS:
        bench.row('curves', family, partial(train, family))


def child_processes(number: str) -> dict:
    """Time steps in one process or several, wall clock."""
    import torch.multiprocessing as mp

    queue, count = mp.get_context('spawn').SimpleQueue(), int(number)
    mp.spawn(distributed_steps, (count, queue), count)
    slowest = max(queue.get() for _ in range(count))
    return {'s': round(slowest, 3), 'clouds/s': round(8 * count / slowest, 2)}


def distributed_steps(rank: int, count: int, queue: Any) -> None:
    """Put the median seconds of a process's steps into a queue."""
    import torch
    from mmengine.model import MMDistributedDataParallel

    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT='29611')
    torch.distributed.init_process_group('gloo', rank=rank, world_size=count)
    cfg = config_of('Point-MAE')
    model = MMDistributedDataParallel(build_model(cfg))
    step, data = our_step(model, cfg), make_batch('Point-MAE', 8, 1024)
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        step(data)
        seconds.append(time.perf_counter() - start)
    queue.put(statistics.median(seconds[1:]))


def with_backend(name: str, call: Callable) -> Callable | None:
    """Make a call with one back end of a GPU; None where it is missing."""

    def choose_and_call() -> None:
        os.environ['ACT_OPS_BACKEND'] = name
        try:
            call()
        finally:
            del os.environ['ACT_OPS_BACKEND']

    try:
        choose_and_call()
    except ImportError:
        return None
    return choose_and_call


def measure_gpu(bench: Bench) -> None:
    """Time stage II at its batch size and the operations with CUDA."""
    import torch

    def step_row() -> dict:
        data = make_batch('stage II', 128, 1024)
        clouds = [cloud.cuda() for cloud in data['inputs']['points']]
        data['inputs']['points'] = clouds
        kinds = ('published', 'ours', 'published, amp', 'ours, amp')
        times = bench.times(steps_of('stage II', kinds, data))
        hours = times['ours, amp'][0] / 3.6e6 * 300 * (52_470 // 128)
        return times | {'hours of 300 epochs': round(hours, 1)}

    def operation_row(kind: str) -> dict:
        clouds = torch.rand(128, 1024, 3).cuda()
        call = operation(kind, clouds, clouds[:, :64].contiguous())['ours']
        names = ('mmcv', 'triton', 'torch')
        return bench.times({name: with_backend(name, call) for name in names})

    for name, call in {
        'stage II, batch 128': step_row,
        'FPS, 128 x 64 of 1024': partial(operation_row, 'FPS'),
        'kNN, 128 x 64 of 1024': partial(operation_row, 'kNN'),
        'ball query, 128 x 64 of 1024': partial(operation_row, 'ball query'),
    }.items():
        call = call if torch.cuda.is_available() else NO_GPU.copy
        bench.row('GPU', name, call)


def cell(value: Any) -> str:
    """Write a value: ``median (least to largest)`` of three."""
    if isinstance(value, float):
        value = [value] * 3
    if not isinstance(value, list):
        return str(value)
    digits = 0 if value[0] >= 100 else 1 if value[0] >= 10 else 2
    middle, least, most = (f'{number:.{digits}f}' for number in value)
    return middle if least == most else f'{middle} ({least} to {most})'


def tables(data: dict) -> Iterator[str]:
    """Write the tables in Markdown, each with its title."""
    from mmdet3d_act.evaluation.summary import markdown_table

    yield '; '.join(data['machine'].values())
    if {'steps', 'memory'} <= data['rows'].keys():
        yield markdown_table([*reached(data['rows'])])
    for section, rows in data['rows'].items():
        names = dict.fromkeys(name for row in rows.values() for name in row)
        columns = sorted(names, key='load'.__eq__)
        body = [
            [name, *(cell(row.get(column, '')) for column in columns)]
            for name, row in rows.items()
        ]
        yield f'### {TITLES[section]}'
        yield markdown_table([['', *columns], *body])


def reached(rows: dict) -> Iterator[list[str]]:
    """Compare steps and memory with what they should be, row by row."""
    kinds = 'float32', 'with `--amp`', 'peak memory, ours / published'
    head = [[f'{kind}: asked for', 'found'] for kind in kinds]
    yield ['published / ours', *head[0], *head[1], *head[2]]
    for family, step in rows['steps'].items():
        (single, half), peak = REACH[family], rows['memory'][family]
        yield [
            family,
            *(str(single), step['published / ours']),
            *(str(half), step['published / ours, amp']),
            *('0.90', f'{peak["ours"] / peak["published"]:.2f}'),
        ]


def draw_scaling(rows: dict, path: Path) -> None:
    """Draw how times grow with sizes."""
    from matplotlib.figure import Figure

    figure = Figure((10, 6), layout='constrained')
    plots = zip(figure.subplots(2, 3).flat, SCALES, strict=True)
    for axes, section in plots:
        for column in ('ours', 'published', 'PyTorch'):
            found = {
                size: row[column][0]
                for size, row in rows.get(section, {}).items()
                if column in row
            }
            if found:
                axes.plot([*found], [*found.values()], 'o-', label=column)
                axes.legend()
        axes.set(title=section, yscale='log', ylabel='ms')
    figure.savefig(path, dpi=70)


def draw_curves(curves: dict, path: Path) -> None:
    """Draw the losses of the first 200 steps."""
    from matplotlib.figure import Figure

    figure = Figure((10, 6), layout='constrained')
    *plots, last = figure.subplots(2, 3).flat
    for axes, (family, losses) in zip(plots, curves.items(), strict=True):
        for name, values in losses.items():
            axes.plot(values, label=name, linewidth=1)
        axes.set(title=family, yscale='log', xlabel='step', ylabel='loss')
    last.legend(*plots[0].get_legend_handles_labels(), loc='center')
    last.axis('off')
    figure.savefig(path, dpi=70)


SECTIONS = {
    'steps': measure_steps,
    'memory': measure_memory,
    'operations': measure_operations,
    'data': measure_data,
    'start': measure_start,
    'scaling': measure_scaling,
    'curves': measure_curves,
    'gpu': measure_gpu,
}
CHILDREN = {
    'memory': child_memory,
    'first-step': child_first_step,
    'processes': child_processes,
}


def main() -> None:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('--sections', nargs='+', choices=SECTIONS, default=[*SECTIONS])
    add('--rounds', type=int, default=3, help='of what takes turns')
    add('--out', type=Path, default=ROOT / 'work_dirs/bench')
    add('--resume', action='store_true', help='keep the rows of OUT')
    add('--child', nargs='+', help=argparse.SUPPRESS)
    args = parser.parse_args()
    import torch
    from mmengine.logging import MMLogger

    torch.set_num_threads(1)
    if args.child:
        kind, *words = args.child
        print(json.dumps(CHILDREN[kind](*words)))
        return
    MMLogger.get_instance('bench', log_level='ERROR')
    bench = Bench(args)
    for section in args.sections:
        SECTIONS[section](bench)
    text = '\n\n'.join(tables(bench.data))
    (args.out / 'results.md').write_text(text + '\n')
    draw_scaling(bench.rows, args.out / 'scaling.png')
    if 'curves' in bench.data:
        draw_curves(bench.data['curves'], args.out / 'curves.png')
    print(f'\n{text}\n\nwritten to {args.out}')


if __name__ == '__main__':
    main()
