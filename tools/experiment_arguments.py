"""What the tools that run many trainings share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from config_arguments import ConfigArgumentParser

if TYPE_CHECKING:
    from mmdet3d_act.apis.trials import Trial
    from mmdet3d_act.evaluation.aggregation import Outcome

# After Ctrl-C.
KEPT = (
    'trainings that are done and the last checkpoint of this one are kept; '
    'the same command goes on'
)
LEGEND = (
    '± is the standard deviation over the runs (n - 1). The best epoch of '
    'each run is chosen by {metric} on the data that it is measured on, which '
    'flatters it: compare last with last, and best with best.'
)


class ExperimentArgumentParser(ConfigArgumentParser):
    """A parser with what the tools that run many trainings share.

    Args:
        description: What the tool does.
        keeps_checkpoints: Whether checkpoints stay when a training is done.
    """

    def __init__(self, description: str, *, keeps_checkpoints: bool) -> None:
        super().__init__(description, 'optim_wrapper.optimizer.lr=1e-3')
        self.add_argument(
            '--work-dir',
            help='folder of the trainings; what is in there is not run again '
            '(default: work_dirs/NAME_OF_CONFIG_TOOL)',
        )
        self.add_argument(
            '--metric',
            nargs='+',
            metavar='NAME',
            help='metrics of the table; the first one chooses the best epoch '
            '(default: all, the first one being what the config saves the '
            'best of, where it does)',
        )
        self.add_argument(
            '--rule',
            choices=['greater', 'less'],
            help='which values of the first metric are better (default: less '
            'for losses, errors and distances)',
        )
        self.add_argument(
            '--epochs',
            type=int,
            help='length of each training, with the schedule that fits '
            '(default: as the config says)',
        )
        self.add_argument('--amp', action='store_true', help='mixed precision')
        self.add_argument(
            '--table',
            action='store_true',
            help='train nothing; sum up what is there',
        )
        if not keeps_checkpoints:
            self.add_argument(
                '--keep-checkpoints',
                action='store_true',
                help='do not remove the checkpoints of finished trainings',
            )

    def parse_args(
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> argparse.Namespace:
        """Return the arguments.

        Args:
            args: Of the command line by default.
            namespace: See argparse.
        """
        found = super().parse_args(args, namespace)
        for config in configs(found):
            if '::' not in config and not Path(config).is_file():
                self.error(f'the config {config} does not exist')
        for name in ('seeds', 'way', 'shot', 'folds', 'epochs'):
            numbers = getattr(found, name, None)
            least = 0 if name == 'seeds' else 1
            given = numbers if isinstance(numbers, list) else [numbers]
            if numbers is not None and min(given) < least:
                self.error(f'--{name} must be >= {least}, got {min(given)}')
            if len(set(given)) < len(given):
                self.error(f'--{name} holds a number twice: {given}')
        return found


def configs(args: argparse.Namespace) -> list[str]:
    """Return the config files that a command line names."""
    return args.config if isinstance(args.config, list) else [args.config]


def work_dir(args: argparse.Namespace, tool: str) -> Path:
    """Return the folder of the trainings.

    Args:
        args: The command line's arguments.
        tool: The tool's name, for the default.
    """
    name = f'{name_of(configs(args)[0])}_{tool}'
    return Path(args.work_dir or Path('work_dirs') / name)


def name_of(config: str) -> str:
    """Return the name of a config without folder and ending."""
    return Path(config.rpartition('::')[2]).stem


def with_legend(table: str, metric: str) -> str:
    """Return a table with what its columns mean.

    Args:
        table: In markdown.
        metric: What chose the best epochs.
    """
    return f'{table}\n\n{LEGEND.format(metric=metric)}'


def records(
    args: argparse.Namespace, trials: Sequence[Trial], folder: Path
) -> list[dict]:
    """Return the records of trials, which are trained where they are not."""
    from mmdet3d_act.apis.experiments import read_records, run_trials

    if args.table:
        return read_records(trials, folder)
    check_metrics(args)
    return run_trials(
        trials,
        folder,
        amp=args.amp,
        keep_checkpoints=getattr(args, 'keep_checkpoints', True),
        report=lambda line: print(line, flush=True),
        check=lambda record: check_record(args, record),
    )


def check_metrics(args: argparse.Namespace) -> None:
    """Compare the metrics of the command line with what configs evaluate.

    Args:
        args: The command line's arguments.

    Raises:
        UsageError: If one will not be there. Where a config cannot say what
            it evaluates, :func:`check_record` does so after a training.
    """
    from mmdet3d_act.engine import launch
    from mmdet3d_act.evaluation.metric_names import (
        result_names,
        unknown_names,
    )

    for config in configs(args) if args.metric else ():
        cfg = launch.load_config(config, args.cfg_options)
        known = result_names(cfg.get('val_evaluator') or ())
        unknown = unknown_names(args.metric, known or args.metric)
        if unknown:
            raise launch.UsageError(
                f'--metric: no metric {unknown[0]!r} in the validation of '
                f'{config}, which gives: {", ".join(known)}; choose one of '
                'these'
            )


def check_record(args: argparse.Namespace, record: dict) -> None:
    """See that a training was validated by the metrics of the command line.

    Args:
        args: The command line's arguments.
        record: Of the training.

    Raises:
        UsageError: If one is absent.
    """
    from mmdet3d_act.engine.launch import UsageError

    found = record['records'][-1]['metrics'] if record['records'] else {}
    absent = [name for name in args.metric or () if name not in found]
    if absent:
        raise UsageError(
            f'--metric: no metric {absent[0]!r} in the validation of '
            f'{record["name"]}, it gives: '
            f'{", ".join(sorted(found)) or "no number at all"}; choose one '
            'of these. The training is kept; the same command goes on'
        )


def outcomes(
    args: argparse.Namespace, runs: Sequence[dict], metrics: list[str] | None
) -> list[Outcome]:
    """Return what some records come to.

    Args:
        args: The command line's arguments.
        runs: The records.
        metrics: From :func:`chosen_metrics`.
    """
    from mmdet3d_act.engine.launch import UsageError
    from mmdet3d_act.evaluation import aggregation

    try:
        return aggregation.outcomes(
            [run['records'] for run in runs], metrics, args.rule
        )
    except ValueError as error:
        raise UsageError(f'--metric: {error}') from error


def chosen_metrics(
    args: argparse.Namespace, runs: Sequence[dict]
) -> list[str] | None:
    """Return the metrics of a table, the deciding one first; None for all.

    Args:
        args: The command line's arguments.
        runs: Records.
    """
    from mmdet3d_act.engine import launch
    from mmdet3d_act.evaluation.aggregation import common_metrics

    if args.metric:
        return args.metric
    cfg = launch.load_config(configs(args)[0], args.cfg_options)
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    decides = hook.get('save_best')
    found = common_metrics([run['records'] for run in runs])
    if decides not in found:
        return None
    return [decides, *(name for name in found if name != decides)]


def groups(
    runs: Sequence[dict], key: Callable[[dict], tuple]
) -> dict[tuple, list[dict]]:
    """Return records that have a key in common, in their order."""
    found: dict[tuple, list[dict]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return found


def write_results(
    folder: Path, head: dict, table: str, entries: list[dict], runs: list[dict]
) -> None:
    """Write and print what an experiment gave.

    Args:
        folder: Gets ``results.json`` and ``results.md``.
        head: What was run.
        table: In markdown.
        entries: The table's rows.
        runs: The records.
    """
    from mmdet3d_act.files import write_json

    write_json(folder / 'results.json', dict(head, summary=entries, runs=runs))
    (folder / 'results.md').write_text(table + '\n', encoding='utf-8')
    print(f'\n{table}\n\nWritten: {folder / "results.json"}, results.md')
