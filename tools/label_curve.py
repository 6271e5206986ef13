#!/usr/bin/env python
"""Draw what pretraining is worth when labels are few.

python tools/label_curve.py CONFIG CHECKPOINT
python tools/label_curve.py CONFIG act=work_dirs/act_pretrain_shapenet \
point-mae=work_dirs/point-mae_pretrain_shapenet --percent 1 10 100 --seeds 0 1

CONFIG trains a classifier, a segmentor or a detector. It is trained from each
checkpoint and from scratch, with shares of the training labels that seeds draw
class by class (of the scenes, where there are scenes); validation is always
complete. Run again, it goes on where it stopped. Started several times at
once, once for each GPU, the processes share the trainings among them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import experiment_arguments as shared

if TYPE_CHECKING:
    from mmdet3d_act.apis.trials import Trial

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'mmdet3d_act').is_dir():
    # The package of this checkout, also where another one is installed.
    sys.path.insert(0, str(ROOT))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = shared.ExperimentArgumentParser(__doc__, keeps_checkpoints=False)
    parser.add_argument(
        'config', help='of a classifier, a segmentor or a detector'
    )
    parser.add_argument(
        'checkpoint',
        nargs='+',
        metavar='[NAME=]CHECKPOINT',
        help='file or work directory of a pretraining; a line each',
    )
    parser.add_argument(
        '--percent',
        type=float,
        nargs='+',
        default=[1, 5, 10, 20, 100],
        help='shares of the labels (default: 1 5 10 20 100)',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[0, 1, 2],
        help='of the trainings, and of which labels are drawn',
    )
    parser.add_argument(
        '--no-scratch',
        action='store_true',
        help='leave out the trainings from scratch',
    )
    parser.add_argument(
        '--draw',
        choices=['last', 'best'],
        default='last',
        help='which epoch the picture shows (default: last)',
    )
    args = parser.parse_args(argv)
    wrong = [share for share in args.percent if not 0 < share <= 100]
    if wrong:
        parser.error(f'--percent must be in (0, 100], got {wrong}')
    return args


def make_trials(args: argparse.Namespace) -> list[Trial]:
    """Return the trainings: the cheap ones, with few labels, first."""
    from mmdet3d_act.apis.experiments import parse_starts
    from mmdet3d_act.apis.trials import Trial
    from mmdet3d_act.apis.variations import SCRATCH

    given = list(args.checkpoint)
    if not args.no_scratch and SCRATCH not in given:
        given.append(SCRATCH)
    return [
        Trial(
            f'{start.name}/{share:g}percent_seed{seed}',
            args.config,
            seed=seed,
            start=start.checkpoint,
            options=args.cfg_options or {},
            epochs=args.epochs,
            label_fraction=share / 100,
            facts=dict(row=start.name, percent=share),
        )
        for share in sorted(args.percent)
        for seed in args.seeds
        for start in parse_starts(given)
    ]


def run(args: argparse.Namespace) -> None:
    """Train what is not there yet; write table and curve."""
    from mmdet3d_act.evaluation.aggregation import markdown_table

    folder = shared.work_dir(args, 'label_curve')
    runs = shared.records(args, make_trials(args), folder)
    metrics = shared.chosen_metrics(args, runs)
    head = ['labels', 'samples', 'start', 'runs', 'metric', 'last', 'best']
    table, entries = [head], []
    keyed = shared.groups(runs, lambda run: (run['percent'], run['row']))
    for (percent, row), group in keyed.items():
        samples = group[0]['num_train']
        for outcome in shared.outcomes(args, group, metrics):
            facts = dict(row=row, percent=percent, samples=samples)
            seeds = dict(seeds=[one['seed'] for one in group])
            entries.append(facts | seeds | outcome.to_dict())
            shown = [f'{percent:g} %', samples, row, len(group)]
            spreads = [outcome.last, outcome.best]
            table.append([*shown, outcome.metric, *spreads])
    text = shared.with_legend(markdown_table(table), table[1][4])
    about = dict(config=args.config, checkpoints=args.checkpoint)
    shared.write_results(folder, about, text, entries, runs)
    path = draw(args, folder, entries)
    print(f'Written: {path}')


def draw(args: argparse.Namespace, folder: Path, entries: list[dict]) -> Path:
    """Draw the first metric over the share of the labels.

    Args:
        args: The command line's arguments.
        folder: Gets ``label_curve.png``.
        entries: The table's rows.
    """
    from mmdet3d_act.visualization.curves import CurvePoint, draw_curves

    metric = entries[0]['metric']
    shown = [entry for entry in entries if entry['metric'] == metric]
    curves: dict[str, list[CurvePoint]] = {}
    labels = {}
    for entry in shown:
        found = entry[args.draw]
        point = CurvePoint(entry['percent'], found['mean'], found['std'])
        curves.setdefault(entry['row'], []).append(point)
        labels[entry['percent']] = (
            f'{entry["percent"]:g} %\n({entry["samples"]})'
        )
    counts = {len(entry['seeds']) for entry in shown}
    return draw_curves(
        curves,
        folder / 'label_curve.png',
        x_label='labels (training samples)',
        y_label=f'{metric}, {args.draw} epoch',
        title=f'{shared.name_of(args.config)}: mean ± standard deviation of '
        f'{"-".join(map(str, sorted(counts)))} runs',
        x_ticks=labels,
    )


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act.engine.failures import run_tool

    return run_tool(lambda: run(args), kept=shared.KEPT)


if __name__ == '__main__':
    sys.exit(main())
