#!/usr/bin/env python
"""Train configs over seeds, starts, few labels or few-shot folds.

python tools/sweep.py CONFIG [CONFIG ...] --seeds 0 1 2
python tools/sweep.py CONFIG --start act=work_dirs/act_pretrain_shapenet scratch
python tools/sweep.py CONFIG --start act=DIR scratch --percent 1 5 10 20 100
python tools/sweep.py configs/act/act_fewshot_modelnet40.py --start act=DIR \
--way 5 10 --shot 10 20 --folds 10

Prints mean and deviation of the last and the best epoch. Run again, it resumes
where it stopped. Started several times at once, once for each GPU, the
processes share the runs among them. More in docs/experiments.md.
"""  # noqa: E501

from __future__ import annotations

import argparse
import itertools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from config_arguments import ConfigArgumentParser, at_least

if TYPE_CHECKING:
    from mmdet3d_act.apis import Run

KEPT = (
    'finished runs and the last checkpoint of this one are kept; the same '
    'command resumes'
)
LEGEND = (
    '± is the standard deviation over the runs (n - 1). The best epoch of '
    'each run is chosen by {metric} on the data that it is measured on, which '
    'flatters it: compare last with last, and best with best.'
)
# A fold has as many classes as --way says.
HEAD = 'model.head.num_classes'
# A larger head may predict a class that the fold does not have.
FOREIGN = 'val_evaluator.allow_foreign'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line's arguments."""
    parser = ConfigArgumentParser(__doc__, 'optim_wrapper.optimizer.lr=1e-3')
    add = parser.add_argument
    add('config', nargs='+', help='config files, rows of the table')
    add(
        '--start',
        nargs='+',
        metavar='[NAME=]PATH',
        help='what the backbones start from, rows of the table: checkpoints, '
        'work directories, "scratch" (default: what the config says)',
    )
    add(
        '--seeds',
        type=at_least(0),
        nargs='+',
        help='of everything: weights, order of the data, what is drawn '
        '(default: 0 1 2, with folds 0)',
    )
    text = 'length of each run (default: the config)'
    add('--epochs', type=at_least(1), help=text)
    add('--amp', action='store_true', help='mixed precision')
    add('--work-dir', help='folder of the runs (work_dirs/CONFIG_sweep)')
    add(
        '--keep-checkpoints',
        action='store_true',
        help='also with --percent or folds, where those of finished runs are '
        'removed',
    )
    _add_labels(parser.add_argument_group('few labels'))
    _add_folds(parser.add_argument_group('few-shot folds'))
    _add_table(parser.add_argument_group('table'))
    args = parser.parse_args(argv)
    if args.way or args.shot or args.folds:
        args.way, args.shot = args.way or [5, 10], args.shot or [10, 20]
        args.folds = args.folds or 10
    args.seeds = args.seeds or ([0] if args.folds else [0, 1, 2])
    for name in ('config', 'start', 'seeds', 'percent', 'way', 'shot'):
        given = getattr(args, name) or []
        if len(set(given)) < len(given):
            parser.error(f'--{name} holds a value twice: {given}')
    if args.percent and not all(0 < one <= 100 for one in args.percent):
        parser.error(f'--percent is in (0, 100], got {args.percent}')
    names = [name for name, _, _ in named_rows(args)]
    bad = [n for n in names if not re.fullmatch(r'[\w.+-]+', n)]
    bad += [n for n in names if names.count(n) > 1]
    if bad:
        parser.error(
            f'{bad[0]!r} cannot name one row; name starts, for example '
            'act=work_dirs/act/epoch_300.pth'
        )
    return args


def _add_labels(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--percent',
        type=float,
        nargs='+',
        help='shares of the training labels that the seeds draw class by '
        'class (of the scenes, where there are scenes); draws label_curve.png',
    )
    group.add_argument(
        '--draw',
        choices=['last', 'best'],
        default='last',
        help='which epoch the picture shows (default: last)',
    )


def _add_folds(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--way', type=at_least(1), nargs='+', help='classes (default: 5 10)'
    )
    group.add_argument(
        '--shot',
        type=at_least(1),
        nargs='+',
        help='training clouds of each class (default: 10 20)',
    )
    group.add_argument(
        '--folds', type=at_least(1), help='folds of each setting (default: 10)'
    )
    group.add_argument(
        '--fold-seed',
        type=at_least(0),
        help='seed of folds that are drawn; published ones have none',
    )
    group.add_argument(
        '--keep-head',
        action='store_true',
        help="leave the config's head, which may have more classes than a "
        'fold; predictions of the others are wrong',
    )


def _add_table(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--table',
        action='store_true',
        help='train nothing; sum up what is finished',
    )
    group.add_argument(
        '--metric',
        nargs='+',
        metavar='NAME',
        help='the first one chooses the best epoch (default: all, the first '
        'one being what the config saves the best of)',
    )
    group.add_argument(
        '--rule',
        choices=['greater', 'less'],
        help='which values of the first metric are better (default: less for '
        'losses, errors and distances)',
    )


def named_rows(
    args: argparse.Namespace,
) -> list[tuple[str, str, str | None]]:
    """Name the rows of the table: (name, config, start)."""
    rows = []
    for config in args.config:
        own = Path(config.rpartition('::')[2]).stem
        if not args.start:
            rows.append((own, config, None))
        for text in args.start or []:
            name, _, path = text.partition('=')
            if not path:
                path = text
                place = Path(path)
                name = (place.parent if place.suffix else place).name
            if len(args.config) > 1:
                name = f'{own}_{name}'
            rows.append((name, config, path))
    return rows


def make_runs(args: argparse.Namespace) -> list[Run]:
    """List the runs: the short ones, with few labels, first."""
    from mmdet3d_act.apis import Run

    settings = itertools.product(
        sorted(args.percent or [None]),
        args.way or [None],
        args.shot or [None],
        args.seeds,
        named_rows(args),
        range(args.folds) if args.folds else [None],
    )
    runs = []
    for percent, way, shot, seed, (row, config, start), fold in settings:
        metadata: dict = dict(row=row)
        overrides = dict(args.cfg_options or {})
        name, data = f'{row}/seed{seed}', {}
        if way is not None:
            data = dict(way=way, shot=shot, fold=fold)
            metadata.update(data)
            name = f'{row}/{way}way_{shot}shot/fold{fold}_seed{seed}'
            overrides.update(head_overrides(args, config, way))
            if args.fold_seed is not None:
                data['seed'] = args.fold_seed
        if percent is not None:
            metadata['percent'] = percent
            place, _, last = name.rpartition('/')
            name = f'{place}/{percent:g}percent/{last}'
        runs.append(
            Run(
                name,
                config,
                seed=seed,
                start=start,
                overrides=overrides,
                epochs=args.epochs,
                data=data,
                label_fraction=percent and percent / 100,
                metadata=metadata,
            )
        )
    return runs


def head_overrides(args: argparse.Namespace, config: str, way: int) -> dict:
    """Fit the head to the classes of a fold, or the metric to the head."""
    from mmdet3d_act.engine import launch

    cfg = launch.load_config(config, args.cfg_options)
    size = cfg.model.get('head', {}).get('num_classes')
    if size is None:
        return {}
    if not args.keep_head:
        return {HEAD: way}
    if size < way:
        raise launch.UsageError(
            f'--keep-head: the head of {config} has {size} classes, fewer '
            f'than --way {way}; enlarge it by --cfg-options {HEAD}=40'
        )
    return {FOREIGN: True}


def run_sweep(args: argparse.Namespace) -> None:
    """Train what is not finished; print and write the table."""
    from mmdet3d_act.apis.sweeping import read_records, sweep
    from mmdet3d_act.io import write_json

    name = Path(args.config[0].rpartition('::')[2]).stem
    folder = Path(args.work_dir or f'work_dirs/{name}_sweep')
    runs = make_runs(args)
    if args.table:
        records = read_records(runs, folder)
    else:
        removed = bool(args.percent or args.folds)
        records = sweep(
            runs,
            folder,
            amp=args.amp,
            keep_checkpoints=args.keep_checkpoints or not removed,
            report=lambda line: print(line, flush=True),
        )
    text, entries = make_table(args, records)
    options = {k: v for k, v in vars(args).items() if v is not None}
    results = dict(options=options, summary=entries, runs=records)
    write_json(folder / 'results.json', results)
    (folder / 'results.md').write_text(text + '\n', encoding='utf-8')
    print(f'\n{text}\n\nWritten: {folder / "results.json"}, results.md')
    if args.percent:
        print(f'Written: {draw(args, folder, entries, name)}')


def make_table(
    args: argparse.Namespace, records: list[dict]
) -> tuple[str, list[dict]]:
    """Sum up the records.

    Returns:
        The table in markdown, and its rows as dicts.
    """
    from mmdet3d_act.engine.launch import UsageError
    from mmdet3d_act.evaluation.summary import markdown_table, summarize

    groups: dict[tuple, list[dict]] = {}
    for record in records:
        keys = ('row', 'percent', 'way', 'shot')
        group = tuple(record.get(key) for key in keys)
        groups.setdefault(group, []).append(record)
    try:
        metrics = chosen_metrics(args, records)
        outcomes = {
            group: summarize(
                [one['validations'] for one in found], metrics, args.rule
            )
            for group, found in groups.items()
        }
    except ValueError as error:
        raise UsageError(
            f'{error}; choose by --metric. All runs are kept: --table trains '
            'nothing'
        ) from error
    head = ['start' if args.start else 'config', 'runs', 'metric']
    table = [[*head, 'last epoch', 'best epoch', 'which']]
    table[0][1:1] = ['labels', 'samples'] * bool(args.percent)
    table[0][1:1] = ['setting'] * bool(args.folds)
    entries = []
    for (row, percent, way, shot), group in groups.items():
        num_train = group[0]['num_train']
        shown = [row]
        shown += [f'{way}-way {shot}-shot'] * bool(args.folds)
        shown += [f'{percent:g} %', num_train] if args.percent else []
        metadata = dict(row=row, percent=percent, way=way, shot=shot)
        metadata['num_train'] = num_train
        metadata['names'] = [one['name'] for one in group]
        for outcome in outcomes[row, percent, way, shot]:
            which = ', '.join(map(str, outcome.best_epochs))
            both = [outcome.last, outcome.best]
            table.append([*shown, len(group), outcome.metric, *both, which])
            entries.append(metadata | outcome.to_dict())
    legend = LEGEND.format(metric=entries[0]['metric'])
    return f'{markdown_table(table)}\n\n{legend}', entries


def chosen_metrics(
    args: argparse.Namespace, records: list[dict]
) -> list[str] | None:
    """Choose the metrics of the table, the deciding one first."""
    from mmdet3d_act.engine import launch
    from mmdet3d_act.evaluation.summary import common_metrics

    if args.metric:
        return args.metric
    cfg = launch.load_config(args.config[0], args.cfg_options)
    hook = cfg.get('default_hooks', {}).get('checkpoint') or {}
    decides = hook.get('save_best')
    found = common_metrics([record['validations'] for record in records])
    return sorted(found, key=lambda name: name != decides)


def draw(
    args: argparse.Namespace, folder: Path, entries: list[dict], name: str
) -> Path:
    """Draw the first metric over the share of the labels."""
    from mmdet3d_act.visualization import CurvePoint, draw_curves

    metric = entries[0]['metric']
    curves: dict[str, list[CurvePoint]] = {}
    ticks = {}
    for entry in entries:
        if entry['metric'] != metric:
            continue
        percent, found = entry['percent'], entry[args.draw]
        point = CurvePoint(percent, found['mean'], found['std'])
        setting = f' {entry["way"]}-way {entry["shot"]}-shot'
        row = entry['row'] + (setting if entry['way'] else '')
        curves.setdefault(row, []).append(point)
        ticks[percent] = f'{percent:g} %\n({entry["num_train"]})'
    return draw_curves(
        curves,
        folder / 'label_curve.png',
        x_label='labels (training samples)',
        y_label=f'{metric}, {args.draw} epoch',
        title=f'{name}: mean ± standard deviation',
        x_ticks=ticks,
    )


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: run_sweep(args), kept=KEPT)


if __name__ == '__main__':
    sys.exit(main())
