#!/usr/bin/env python
"""Probe frozen features with linear SVMs and nearest neighbours.

python tools/linear_probe.py CHECKPOINT --config CONFIG
python tools/linear_probe.py CHECKPOINT --config CONFIG --train-data FOLDER \
--test-data FOLDER --C 0.001 0.01 0.1 --pooling cls max mean concat --knn 20

CHECKPOINT is that of a pretraining (its student is probed), of a stage-I
autoencoder, or the word "untrained" for a network as it is initialised. The
features are computed once. Without folders, the config's validation data are
probed, which hold both parts.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from config_arguments import ConfigArgumentParser, load_config_of

if TYPE_CHECKING:
    from mmdet3d_act.apis.probing import ProbeResult

POOLINGS = ('cls', 'max', 'mean', 'concat')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = ConfigArgumentParser(__doc__)
    parser.add_argument('checkpoint', help='file, work directory, "untrained"')
    parser.add_argument('--config', required=True, help='of the training')
    _add_data(parser.add_argument_group('data'))
    _add_probe(parser.add_argument_group('probe'))
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1')
    parser.add_argument('--out', metavar='JSON', help='write the table')
    args = parser.parse_args(argv)
    if (args.train_data is None) != (args.test_data is None):
        parser.error('--train-data and --test-data go together')
    if args.out is not None and Path(args.out).suffix != '.json':
        parser.error(f'--out must end in .json, got {args.out}')
    if min(args.seeds) < 0:
        parser.error(f'--seeds must be >= 0, got {args.seeds}')
    return args


def _add_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--train-data',
        metavar='FOLDER',
        help='labelled clouds to fit to, a sub-folder per class',
    )
    group.add_argument(
        '--test-data', metavar='FOLDER', help='labelled clouds to score'
    )
    group.add_argument(
        '--part',
        choices=['val', 'test'],
        default='val',
        help="which of the config's data, without folders (default: val)",
    )
    group.add_argument('--batch-size', type=int, default=64)
    group.add_argument(
        '--workers', type=int, default=0, help='processes that read clouds'
    )


def _add_probe(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--C',
        nargs='+',
        type=_penalty,
        default=[0.01],
        help='inverse regularisation of the SVM; "cv" chooses by '
        'cross-validation (default: 0.01)',
    )
    group.add_argument(
        '--pooling',
        nargs='+',
        choices=POOLINGS,
        default=['concat'],
        help='of the patches; concat is all that the model has',
    )
    group.add_argument(
        '--standardize',
        action='store_true',
        help='every channel to mean 0 and variance 1 first',
    )
    group.add_argument(
        '--max-iter', type=int, default=2000, help="the SVM's iterations"
    )
    group.add_argument('--knn', type=int, help='voters of a k-NN column')
    group.add_argument(
        '--labels-per-class', type=int, help='of a column with few labels'
    )
    group.add_argument(
        '--draws', type=int, default=5, help='draws of few labels per seed'
    )
    group.add_argument('--seeds', type=int, nargs='+', default=[0])


def _penalty(text: str) -> float | str:
    return text if text == 'cv' else float(text)


def probe(args: argparse.Namespace) -> None:
    """Compute the features, probe them, print and write the table."""
    from mmdet3d_act.apis.probing import load_encoder, probe_features
    from mmdet3d_act.engine import launch

    cfg = load_config_of(args)
    parts = datasets(args, cfg)
    encoder = load_encoder(
        cfg, args.checkpoint, args.config, device=args.device
    )
    options = dict(
        standardize=args.standardize,
        max_iter=args.max_iter,
        labels_per_class=args.labels_per_class,
        few_label_draws=args.draws,
    )
    samples = features(args, encoder, parts)
    lines = []
    try:
        for line in probe_features(
            samples,
            poolings=args.pooling,
            penalties=args.C,
            seeds=args.seeds,
            knn=args.knn,
            **options,
        ):
            print(describe(line), flush=True)
            lines.append(line)
    except ValueError as error:
        raise launch.UsageError(str(error)) from error
    print(table(lines, args.knn, args.labels_per_class))
    if args.out is not None:
        record = dict(
            checkpoint=args.checkpoint,
            config=args.config,
            train_data=args.train_data,
            test_data=args.test_data,
            num_train=sum(s['split'] == 'train' for s in samples),
            num_test=sum(s['split'] != 'train' for s in samples),
            seeds=args.seeds,
            knn=args.knn,
            **options,
            results=[line._asdict() for line in lines],
        )
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record, indent=2)
        Path(args.out).write_text(text + '\n', encoding='utf-8')
        print(f'Written: {args.out}')


def datasets(args: argparse.Namespace, cfg: object) -> list[tuple]:
    """Return (data set, split) pairs; the split is None where samples say."""
    from mmdet3d_act.apis.loading import build_dataset, build_folder
    from mmdet3d_act.apis.probing import class_names

    if args.train_data is None:
        return [(build_dataset(cfg, args.config, args.part), None)]
    folders = {'train': args.train_data, 'test': args.test_data}
    classes = class_names(list(folders.values()))
    print(f'{len(classes)} classes: {", ".join(classes)}')
    return [
        (build_folder(cfg, folder, classes=classes), split)
        for split, folder in folders.items()
    ]


def features(
    args: argparse.Namespace, encoder: object, parts: list[tuple]
) -> list[dict]:
    """Return the features of all samples, with a line of progress."""
    from mmdet3d_act.apis.probing import extract_features
    from mmdet3d_act.engine import launch
    from mmdet3d_act.progress import ProgressDisplay

    samples = []
    try:
        for dataset, split in parts:
            print(f'features of the {split or "labelled"} clouds:', flush=True)
            with ProgressDisplay('clouds') as progress:
                samples += extract_features(
                    encoder,
                    dataset,
                    split=split,
                    batch_size=args.batch_size,
                    num_workers=args.workers,
                    report=progress,
                )
    except ValueError as error:
        raise launch.UsageError(str(error)) from error
    return samples


def describe(line: ProbeResult) -> str:
    """Return a line for when a choice has been probed."""
    return f'  {line.pooling}, C={line.C}: {line.svm:.1f} %'


def table(
    lines: list[ProbeResult], knn: int | None, per_class: int | None
) -> str:
    """Return the lines as a table."""
    from mmdet3d_act.text import aligned

    head = ['pooling', 'C', 'linear SVM']
    head += [f'{knn}-NN'] if knn else []
    head += [f'{per_class} labels/class'] if per_class else []
    rows = [head]
    for line in lines:
        penalty = f'{line.C}'
        if line.C == 'cv':
            penalty += f' ({", ".join(f"{c:g}" for c in set(line.chosen))})'
        row = [line.pooling, penalty, _percent(line.svm, line.svm_std)]
        row += [_percent(line.knn)] if knn else []
        row += [_percent(line.few, line.few_std)] if per_class else []
        rows.append(row)
    return f'\naccuracy, %\n{aligned(rows)}'


def _percent(value: float, deviation: float | None = None) -> str:
    return f'{value:.1f}' + (f' +- {deviation:.1f}' if deviation else '')


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: probe(args),
        kept='nothing is written before the end; the same command begins anew',
    )


if __name__ == '__main__':
    sys.exit(main())
