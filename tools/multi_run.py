#!/usr/bin/env python
"""Train configs over seeds; print mean and deviation of best and last epoch.

python tools/multi_run.py CONFIG --seeds 0 1 2
python tools/multi_run.py CONFIG SCRATCH_CONFIG --seeds 0 1 2 3 4
python tools/multi_run.py CONFIG --checkpoint act=work_dirs/act \
point-mae=work_dirs/point-mae scratch

Run again, it goes on where it stopped. Started several times at once, once
for each GPU, the processes share the trainings among them.
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
    parser = shared.ExperimentArgumentParser(__doc__, keeps_checkpoints=True)
    parser.add_argument('config', nargs='+', help='config files, a row each')
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[0, 1, 2],
        help='of everything: weights, order of the data, what is drawn '
        '(default: 0 1 2)',
    )
    parser.add_argument(
        '--checkpoint',
        nargs='+',
        metavar='[NAME=]PATH',
        help='what the backbones start from, a row each: checkpoints, work '
        'directories, "scratch" (default: what the config says)',
    )
    args = parser.parse_args(argv)
    names = [shared.name_of(config) for config in args.config]
    if len(set(names)) < len(names):
        parser.error(f'configs of one name: {", ".join(names)}')
    return args


def make_trials(args: argparse.Namespace) -> list[Trial]:
    """Return the trainings, all rows of a seed before the next seed."""
    from mmdet3d_act.apis.experiments import parse_starts
    from mmdet3d_act.apis.trials import Trial

    starts = parse_starts(args.checkpoint or [])
    rows = [
        (config, start) for config in args.config for start in starts or [None]
    ]
    return [
        Trial(
            f'{row_name(config, start and start.name)}_seed{seed}',
            config,
            seed=seed,
            start=start and start.checkpoint,
            options=args.cfg_options or {},
            epochs=args.epochs,
            facts=dict(row=row_name(config, start and start.name)),
        )
        for seed in args.seeds
        for config, start in rows
    ]


def row_name(config: str, start: str | None) -> str:
    """Return the name of a row of the table."""
    return shared.name_of(config) + (f'_{start}' if start else '')


def run(args: argparse.Namespace) -> None:
    """Train what is not there yet, print and write the table."""
    from mmdet3d_act.evaluation.aggregation import markdown_table

    folder = shared.work_dir(args, 'multi_run')
    runs = shared.records(args, make_trials(args), folder)
    metrics = shared.chosen_metrics(args, runs)
    table = [['row', 'seeds', 'metric', 'last epoch', 'best epoch', 'which']]
    entries = []
    for (row,), group in shared.groups(runs, lambda r: (r['row'],)).items():
        seeds = [one['seed'] for one in group]
        for outcome in shared.outcomes(args, group, metrics):
            entries.append(dict(row=row, seeds=seeds, **outcome.to_dict()))
            table.append(
                [
                    row,
                    _listed(seeds),
                    outcome.metric,
                    outcome.last,
                    outcome.best,
                    _listed(outcome.best_epochs),
                ]
            )
    text = shared.with_legend(markdown_table(table), table[1][2])
    head = dict(configs=args.config, checkpoints=args.checkpoint)
    shared.write_results(folder, head, text, entries, runs)


def _listed(numbers: list[int]) -> str:
    return ', '.join(map(str, numbers))


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act.engine.failures import run_tool

    return run_tool(lambda: run(args), kept=shared.KEPT)


if __name__ == '__main__':
    sys.exit(main())
