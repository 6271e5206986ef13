#!/usr/bin/env python
"""What the comparisons of this folder share, and the comparison of sweeps.

    python tools/sweep.py CONFIG --start act=DIR scratch --work-dir OUT/one
    python benchmarks/comparison.py OUT/one OUT/two --out starts.png

Prints mean and deviation of every start and their paired differences, by
percent of the labels, from what the sweeps have measured last, and draws them.
A seed of a start may lie in any of the folders.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def comparison_parser(description: str, out: str) -> argparse.ArgumentParser:
    """Return a parser with the options of all comparisons.

    Args:
        description: What is compared.
        out: Default folder of the runs.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('--data', required=True, help='data root')
    add('--out', type=Path, default=Path(out), help=f'(default: {out})')
    add('--seeds', type=int, nargs='+', default=[0, 1, 2])
    add('--threads', type=int, default=1)
    add('--table', action='store_true', help='run nothing')
    return parser


def run_comparison(
    compare: Callable[[argparse.Namespace], None], args: argparse.Namespace
) -> int:
    """Run a comparison on its data and threads; return the exit code.

    Args:
        compare: The comparison.
        args: From a :func:`comparison_parser`.
    """
    os.environ['OMP_NUM_THREADS'] = str(args.threads)
    os.environ['ACT_DATA_ROOT'] = str(args.data)
    import torch

    torch.set_num_threads(args.threads)
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: compare(args), kept='the same command resumes')


def config_file(name: str) -> str:
    """Return the path of a config, given without its ending."""
    return str(ROOT / 'configs' / f'{name}.py')


def held_objects(
    data: str | Path, seed: int
) -> tuple[dict[str, str], set[str]]:
    """Hold out a quarter of the furniture's labelled training objects.

    Args:
        data: What sweethome3d.py wrote.
        seed: Chooses the objects, of every class.

    Returns:
        The object of every model, and those that are held out.
    """
    known = json.loads((Path(data) / 'models.json').read_text())
    objects = {model['id']: str(model['object']) for model in known}
    by_class = defaultdict(set)
    for path in sorted(Path(data).glob('real_shapes/train/*/*.npy')):
        by_class[path.parent.name].add(objects[path.stem])
    draw = random.Random(seed)
    held: set[str] = set()
    for names in by_class.values():
        held.update(draw.sample(sorted(names), len(names) // 4))
    return objects, held


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def last_metrics(record: Mapping) -> dict[str, float]:
    """Return the metrics of a run's last validation."""
    return record['validations'][-1]['metrics']


def cell(values: Sequence[float]) -> str:
    """Format mean and standard deviation over the seeds, if several."""
    deviation = f' ± {stdev(values):.1f}' if len(values) > 1 else ''
    return f'{fmean(values):.1f}{deviation}'


def difference(first: Mapping, second: Mapping, key: str) -> str:
    """Format the mean paired difference of two rows with its 95 % interval.

    Args:
        first: Metrics of a row by seed.
        second: Those of the row that is subtracted.
        key: The metric.
    """
    from mmdet3d_act.evaluation.summary import interval

    common = sorted(first.keys() & second.keys())
    gaps = [first[seed][key] - second[seed][key] for seed in common]
    half = interval(gaps)
    if half is None:
        return 'one seed'
    mean = fmean(gaps)
    return f'{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]'


def report_rows(
    results: Mapping[str, Mapping],
    metrics: Mapping[str, str],
    seconds: Mapping[str, float],
    path: Path,
) -> None:
    """Print means, paired differences with intervals, and draw them.

    Args:
        results: Metrics by row and seed.
        metrics: Key and name of each metric.
        seconds: The longest run of each row.
        path: The picture.
    """
    print(f'| start | {" | ".join(metrics.values())} | s |')
    print('|---' * (len(metrics) + 2) + '|')
    for row, found in results.items():
        cells = [cell([run[key] for run in found.values()]) for key in metrics]
        print(f'| {row} | {" | ".join(cells)} | {seconds[row]:.0f} |')
    print(f'\n| difference | {" | ".join(metrics.values())} |')
    print('|---' * (len(metrics) + 1) + '|')
    rows = [*results]
    for at in range(len(rows) - 1, 0, -1):
        for second in reversed(rows[:at]):
            pair = results[rows[at]], results[second]
            gaps = [difference(*pair, key) for key in metrics]
            print(f'| {rows[at]} minus {second} | {" | ".join(gaps)} |')
    draw_rows(results, metrics, path)


def draw_rows(
    results: Mapping[str, Mapping], metrics: Mapping[str, str], path: Path
) -> None:
    """Draw a panel a metric: every run as a dot, means with 95 % intervals.

    Args:
        results: Metrics by row and seed.
        metrics: Key and name of each metric.
        path: The picture.
    """
    from matplotlib.figure import Figure

    from mmdet3d_act.evaluation.summary import interval

    figure = Figure((2.4 * len(metrics) + 2.8, 0.3 * len(results) + 0.8))
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for panel, (key, name) in zip(panels, metrics.items(), strict=True):
        for at, row in enumerate(results):
            values = [run[key] for run in results[row].values()]
            places = [-at] * len(values)
            panel.plot(values, places, 'o', ms=4, alpha=0.4, color='tab:blue')
            error = interval(values)
            panel.errorbar(fmean(values), -at, xerr=error, fmt='|k', capsize=3)
        panel.set_yticks([-at for at in range(len(results))], list(results))
        panel.set_ylim(0.5 - len(results), 0.5)
        panel.set_title(f'{name}, %', fontsize=9)
        panel.grid(axis='x', alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def compare_sweeps(argv: Sequence[str] | None = None) -> None:
    """Compare the starts of finished sweeps."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('folder', type=Path, nargs='+', help='of sweeps')
    parser.add_argument('--metric', default='overall_accuracy')
    parser.add_argument('--scale', type=float, default=1, help='of the metric')
    parser.add_argument('--rows', nargs='+', help='which starts, in order')
    parser.add_argument('--out', type=Path, default=Path('starts.png'))
    args = parser.parse_args(argv)
    results: dict[str, dict[int, dict]] = {}
    seconds: dict[str, float] = {}
    for folder in args.folder:
        file = folder / 'results.json'
        if not file.is_file():
            tool = f'tools/sweep.py CONFIG --work-dir {folder}'
            parser.error(f'{file} does not exist; python {tool} makes it')
        for run in json.loads(file.read_text())['runs']:
            row, percent = run['row'], run.get('percent') or 100
            found = results.setdefault(row, {}).setdefault(run['seed'], {})
            if percent in found:
                parser.error(f'{folder}: {run["name"]} is there twice')
            found[percent] = args.scale * last_metrics(run)[args.metric]
            seconds[row] = max(seconds.get(row, 0), run['seconds'] or 0)
    lacking = ', '.join({*(args.rows or [])} - {*results})
    if lacking:
        parser.error(f'no run of {lacking}; there are {", ".join(results)}')
    results = {row: results[row] for row in args.rows or results}
    runs = [run for row in results.values() for run in row.values()]
    metrics = {
        share: f'{share:g} % of the labels' for share in sorted(runs[0])
    }
    report_rows(results, metrics, seconds, args.out)


if __name__ == '__main__':
    compare_sweeps()
