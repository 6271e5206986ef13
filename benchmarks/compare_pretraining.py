#!/usr/bin/env python
"""Compare teachers and ways of pretraining, over seeds: docs/results.md.

    python benchmarks/compare_pretraining.py procscan --data DIR
    python benchmarks/compare_pretraining.py real --data DIR --seeds 0 1 2
    python benchmarks/compare_pretraining.py real --data DIR --table
    python benchmarks/compare_pretraining.py furniture --data DIR --split val

`procscan` reads what tools/dataset_converters/make_synthetic_shapes.py wrote,
`furniture` what sweethome3d.py there wrote (shorter stages of smaller batches;
`val` is a quarter of the training objects, another one for each seed), `real`
a data root with ShapeNet55-34 and real_shapes. A row is `untrained`,
`point-mae`, `no-teacher`, or a teacher, `vit-tiny` or `minilm`, perhaps with
`-random` for the same Transformer randomly initialised; `+NAME` changes one
thing, see ABLATIONS. Finished runs are not run again; several processes share
them. Seconds are those of both stages.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from comparison import (
    cell,
    comparison_parser,
    config_file,
    difference,
    draw_rows,
    held_objects,
    last_metrics,
    run_comparison,
    say,
)

from mmdet3d_act_cli import hint_of

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

    from mmdet3d_act.apis import Run

GENERATOR = 'model.objectives.act.target_generator.generator'
NORM = 'model.objectives.act.target_norm'
KL_WEIGHT = 'custom_hooks.3.schedule.end'
METRICS = {
    'svm_accuracy': 'linear SVM',
    'knn_accuracy': '20-NN',
    'few_label_accuracy': 'few labels',
}
PROMPTED = {'num_layers': 3, 'num_prompts': 16, 'prompt_mode': 'deep'}
TEACHERS: dict[str, dict | None] = {
    'no-teacher': None,
    'vit-tiny': {
        '_delete_': True,
        'type': 'TimmTeacher',
        'model_name': 'vit_tiny_patch16_224.augreg_in21k_ft_in1k',
        **PROMPTED,
    },
    'minilm': {
        '_delete_': True,
        'type': 'LanguageTeacher',
        'model': 'all-MiniLM-L6-v2',
        **PROMPTED,
    },
}

PLACED = {'type': 'PlacedTeacher', 'position': 'once'}
NOTHING: Mapping = MappingProxyType({})


class Ablation(NamedTuple):
    """What a row changes.

    Attributes:
        teacher: Settings of the teacher; such a row trains a stage I of its
            own, as one with another weight of the KL loss does.
        stage2: Options of stage II's config.
        kl_weight: Last weight of the KL loss of stage I; None for the
            study's.
        longer: How many times as long stage I is.
    """

    teacher: Mapping = NOTHING
    stage2: Mapping = NOTHING
    kl_weight: float | None = None
    longer: int = 1


ABLATIONS = {
    'raw': Ablation(stage2={f'{NORM}.mode': 'raw'}),
    'local': Ablation(stage2={f'{GENERATOR}.local': True}),
    'blocks-1': Ablation(teacher={'num_layers': 1}),
    'no-prompts': Ablation(teacher={'num_prompts': 0}),
    'kl-0.1': Ablation(kl_weight=0.1),
    # Of all of the teacher's blocks that are used.
    'every-block': Ablation(
        stage2={
            f'{GENERATOR}.type': 'BlocksTarget',
            f'{NORM}.num_channels': 192,
            'model.objectives.act.head.target_channels': 192,
        }
    ),
    'blocks-12': Ablation(teacher={'num_layers': 12}),
    'longer': Ablation(longer=3),
    'placed': Ablation(teacher=PLACED),
    # For random twins: smooth positions, which nobody has learned.
    'placed-sines': Ablation(teacher={**PLACED, 'sines': True}),
    # The published second term: class token and an earlier block.
    'class-token': Ablation(
        stage2={
            'model.student.out_indices': (2,),
            'model.objectives.act.neck.shallow_index': 2,
        }
    ),
}


class Setting(NamedTuple):
    """How a study runs.

    Attributes:
        stage1: Config of stage I.
        stage2: Config of stage II.
        probe: Folder of the labelled clouds.
        labels: Labels per class of the last probe.
        epochs: Of stage I, of stage II, and of Point-MAE.
    """

    stage1: str
    stage2: str
    probe: str
    labels: int
    epochs: tuple[int, int, int] = (12, 60, 100)


SETTINGS = {
    'procscan': Setting(
        'act/act_dvae_shapenet_tiny',
        'act/act_pretrain_shapenet_tiny',
        'procscan',
        10,
    ),
    # Some real classes have four clouds.
    'real': Setting(
        'act/act_dvae_shapenet_tiny',
        'act/act_pretrain_shapenet_tiny',
        'real_shapes',
        3,
    ),
    'furniture': Setting(
        'act/act_dvae_shapenet_tiny',
        'act/act_pretrain_shapenet_tiny',
        'real_shapes',
        5,
        (5, 15, 15),
    ),
}
PREPARATION = 'custom_hooks.1.dataloader.dataset'
# Nothing of the furniture's test objects is seen, not even without labels.
TRAIN_ONLY = {'train_dataloader.dataset.split': 'train'}
POINT_MAE = 'point-mae/point-mae_pretrain_shapenet_tiny'
ROWS = (
    'untrained',
    'point-mae',
    'vit-tiny',
    'vit-tiny-random',
    'minilm',
    'minilm-random',
    'no-teacher',
)
COMMON = {'default_hooks.checkpoint.interval': 1000}


def change_of(row: str) -> Ablation:
    """Overrides of a row."""
    changes = row.partition('+')[2]
    return ABLATIONS[changes] if changes else Ablation()


def stage1(args: argparse.Namespace, row: str, seed: int) -> Run:
    """Return the run of stage I that a row of ACT needs."""
    from mmdet3d_act.apis import Run

    name, ablation = row.partition('+')[0], change_of(row)
    own = ablation._replace(stage2=NOTHING) != Ablation()
    small = {'train_dataloader.batch_size': 16}
    return Run(
        f'{row if own else name}_stage1_seed{seed}',
        config_file(SETTINGS[args.study].stage1),
        seed=seed,
        overrides={
            **COMMON,
            **(small if args.study == 'furniture' else {}),
            'model.teacher': teacher_config(name, ablation.teacher),
            'optim_wrapper.optimizer.lr': 1e-3,
            KL_WEIGHT: ablation.kl_weight or 0.01,
        },
        epochs=SETTINGS[args.study].epochs[0] * ablation.longer,
    )


def pretraining(args: argparse.Namespace, row: str, seed: int) -> Run:
    """Return the run that trains and probes a row's student."""
    from mmdet3d_act.apis import Run

    setting = SETTINGS[args.study]
    folder = str(Path(args.data) / setting.probe)
    parts = 'val_dataloader.dataset.datasets'
    overrides = {
        **COMMON,
        f'{parts}.0.data_root': folder,
        f'{parts}.1.data_root': folder,
        f'{parts}.1.split': args.split,
        'val_evaluator.knn': 20,
        'val_evaluator.labels_per_class': setting.labels,
        'val_evaluator.C_grid': (0.001, 0.01, 0.1),
    }
    small = args.study == 'furniture'
    if small:
        overrides |= {'train_dataloader.batch_size': 32, **TRAIN_ONLY}
        overrides |= furniture_probe(args, seed)
    metadata = dict(row=row)
    if row in ('untrained', 'point-mae'):
        return Run(
            f'{row}_seed{seed}',
            config_file(POINT_MAE),
            seed=seed,
            overrides={
                **overrides,
                'model.student.with_cls_token': True,
            },
            epochs=0 if row == 'untrained' else setting.epochs[2],
            metadata=metadata,
        )
    name, ablation = row.partition('+')[0], change_of(row)
    teacher = teacher_config(name, ablation.teacher)
    autoencoder = args.out / stage1(args, row, seed).name
    overrides |= {
        f'{GENERATOR}.autoencoder.teacher': teacher,
        f'{GENERATOR}.checkpoint': str(autoencoder),
        **({f'{PREPARATION}.split': 'train'} if small else {}),
        **ablation.stage2,
    }
    return Run(
        f'{row}_stage2_seed{seed}',
        config_file(setting.stage2),
        seed=seed,
        overrides=overrides,
        epochs=setting.epochs[1],
        metadata=metadata,
    )


def furniture_probe(args: argparse.Namespace, seed: int) -> dict:
    """Choose the probe's clouds; for `val`, list a quarter of the objects.

    Args:
        args: The command line's arguments.
        seed: Of the few labels, and of the objects that are held out.
    """
    parts = 'val_dataloader.dataset.datasets'
    overrides: dict = {'val_evaluator.seed': seed}
    if args.split == 'test':
        return overrides
    objects, held = held_objects(args.data, seed)
    folder = Path(args.data) / 'real_shapes' / 'train'
    paths = sorted(folder.glob('*/*.npy'))
    lists = (args.out / f'objects_seed{seed}').absolute()
    lists.mkdir(parents=True, exist_ok=True)
    for at, split in enumerate(('train', 'val')):
        chosen = [p for p in paths if (objects[p.stem] in held) == bool(at)]
        lines = (f'{path.relative_to(folder)}\n' for path in chosen)
        (lists / f'{split}.txt').write_text(''.join(lines))
        overrides[f'{parts}.{at}.data_root'] = str(folder)
        overrides[f'{parts}.{at}.split_list'] = str(lists / '{split}.txt')
    return overrides


def teacher_config(name: str, changes: Mapping) -> dict | None:
    """Return the config of a teacher, given the first part of a row."""
    base = TEACHERS[name.removesuffix('-random')]
    if base is None:
        return None
    if name.endswith('-random'):
        changes = {**changes, 'pretrained': False}
    return {**base, **changes}


def target_statistics(cfg: Config) -> dict[str, float]:
    """Measure what the whitened targets of a stage II are like.

    Args:
        cfg: Config of stage II.

    Returns:
        ``position_share``: share of their variance that a quadratic function
        of the patch centres explains; what the config's probe says of them,
        pooled over the patches of a cloud.
    """
    import torch
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner

    from mmdet3d_act.apis.loading import initialize
    from mmdet3d_act.models.target_generators import TargetNorm
    from mmdet3d_act.registry import METRICS, MODELS

    init_default_scope('mmdet3d')
    model = MODELS.build(cfg.model)
    generator = model.objectives['act'].target_generator.generator
    initialize(generator)

    @torch.no_grad()
    def compute(loader: dict) -> Iterator[tuple[Tensor, Tensor, list]]:
        for batch in Runner.build_dataloader(loader, seed=0):
            data = model.data_preprocessor(batch)
            patches = model.student.group(**data['inputs'])
            target = generator(data['inputs'], patches)
            yield target, patches.centers, data['data_samples']

    hook = next(h for h in cfg.custom_hooks if 'dataloader' in h)
    targets, centers, _ = zip(*compute(hook['dataloader']), strict=True)
    norm = TargetNorm('whiten', targets[0].shape[-1])
    norm.fit(targets)
    white = norm(torch.cat(targets)).flatten(0, 1).double()
    center = torch.cat(centers).flatten(0, 1).double()
    metric = METRICS.build(cfg.val_evaluator)
    samples = []
    for target, _, batch in compute(cfg.val_dataloader):
        for rows, sample in zip(norm(target), batch, strict=True):
            sample.pred_feats = {'max': rows.amax(0), 'mean': rows.mean(0)}
            samples.append(sample.to_dict())
    metric.process(None, samples)
    return {
        'position_share': explained(center, white),
        **metric.evaluate(len(samples)),
    }


def explained(center: Tensor, target: Tensor) -> float:
    """Return the share of variance that a quadratic of (S, 3) explains."""
    import torch

    x, y, z = center.unbind(dim=-1)
    products = [x * x, y * y, z * z, x * y, x * z, y * z]
    design = torch.stack([torch.ones_like(x), x, y, z, *products], dim=1)
    fit = design @ torch.linalg.lstsq(design, target).solution
    return float(1 - (target - fit).square().sum() / target.square().sum())


def print_table(
    results: dict[str, dict[int, dict]], seconds: dict[str, float]
) -> None:
    """Print every row, and pretrained minus random teachers, as markdown.

    Args:
        results: Metrics by row and seed.
        seconds: Longest training of each row.
    """
    names = list(METRICS.values())
    print(f'| row | {" | ".join(names)} | SVM of each seed | position | s |')
    print('|---' * (len(names) + 4) + '|')
    for row, seeds in results.items():
        runs = [seeds[seed] for seed in sorted(seeds)]
        cells = [cell([run[key] for run in runs]) for key in METRICS]
        cells.append(', '.join(f'{run["svm_accuracy"]:.1f}' for run in runs))
        shares = [run['position_share'] for run in runs]
        cells.append(f'{sum(shares) / len(shares):.2f}'.replace('nan', '-'))
        print(f'| {row} | {" | ".join(cells)} | {seconds[row]:.0f} |')
    print()
    for seeds in results.values():
        for run in seeds.values():
            run['mean'] = sum(run[key] for key in METRICS) / len(METRICS)
    for first, second in comparisons(list(results)):
        pair = results[first], results[second]
        gaps = [
            f'{label} {difference(*pair, key)}'
            for key, label in {**METRICS, 'mean': 'mean'}.items()
        ]
        print(f'- {first} minus {second}: {"; ".join(gaps)}')


def comparisons(rows: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of rows whose difference says something.

    Args:
        rows: Names of rows.

    Returns:
        A teacher and the same one randomly initialised, a teacher and none,
        no teacher and no training, a changed row and the unchanged one, and
        the same change of a randomly initialised teacher.
    """
    pairs = []
    for row in rows:
        name, plus, _ = row.partition('+')
        if plus:
            # Its random twins too: `placed-sines` is one of `placed`.
            twin = f'{name}-random{row.removeprefix(name)}'
            twins = [other for other in rows if other.startswith(twin)]
            pairs += [(row, other) for other in (name, *twins)]
        elif row == 'no-teacher':
            pairs.append((row, 'untrained'))
        elif name in TEACHERS or name.removesuffix('-random') in TEACHERS:
            pairs += [(row, f'{row}-random'), (row, 'no-teacher')]
    return [pair for pair in pairs if pair[1] in rows]


def compare(args: argparse.Namespace) -> None:
    """Run what is missing, and print the table."""
    from mmdet3d_act.apis import sweep
    from mmdet3d_act.apis.sweeping import read_records

    import_module('act_variants')
    pairs = [(row, seed) for seed in args.seeds for row in args.rows]
    first = {
        run.name: run
        for run in (
            stage1(args, row, seed)
            for row, seed in pairs
            if row not in ('untrained', 'point-mae')
        )
    }
    runs = [pretraining(args, row, seed) for row, seed in pairs]
    if not args.table:
        for stage in (list(first.values()), [] if args.targets else runs):
            sweep(stage, args.out, amp=True, report=say)
    results: dict[str, dict[int, dict]] = {row: {} for row in args.rows}
    seconds = dict.fromkeys(args.rows, 0.0)
    for (row, seed), run in zip(pairs, runs, strict=True):
        if args.targets:
            results[row][seed] = statistics_of(args, run)
    for record in [] if args.targets else read_records(runs, args.out):
        row, seed = record['row'], record['seed']
        run = pretraining(args, row, seed)
        results[row][seed] = statistics_of(args, run) | last_metrics(record)
        took = record['seconds'] or 0.0
        if run.config != config_file(POINT_MAE):
            earlier = stage1(args, row, seed)
            took += read_records([earlier], args.out)[0]['seconds'] or 0.0
        seconds[row] = max(seconds[row], took)
    done = {row: seeds for row, seeds in results.items() if seeds}
    print_table(done, seconds)
    draw_rows(done, METRICS, args.out / 'results.png')


def statistics_of(args: argparse.Namespace, run: Run) -> dict[str, float]:
    """Return statistics of a run's targets, kept in its folder."""
    from mmdet3d_act.apis import prepare_config

    if run.config == config_file(POINT_MAE):
        return {'position_share': float('nan')}
    file = args.out / run.name / f'targets_{args.split}.json'
    file.parent.mkdir(parents=True, exist_ok=True)
    known = [file, *sorted(file.parent.glob('targets_*.json'))]
    if not args.targets:
        # Of students the position alone is shown, the same of any split.
        file = next(filter(Path.is_file, known), file)
    if not file.is_file():
        cfg = prepare_config(run.config, options=run.overrides)
        file.write_text(json.dumps(target_statistics(cfg)))
    return json.loads(file.read_text())


def parse_args() -> argparse.Namespace:
    """Parse the command line's arguments."""
    parser = comparison_parser(__doc__, 'work_dirs/compare_pretraining')
    parser.add_argument('study', choices=list(SETTINGS))
    parser.add_argument('--rows', nargs='+', default=list(ROWS))
    parser.add_argument('--split', default='test', choices=['val', 'test'])
    parser.add_argument(
        '--targets',
        action='store_true',
        help='train no students, probe the targets themselves',
    )
    args = parser.parse_args()
    known = [f'{row}+{name}' for row in ROWS[2:] for name in ABLATIONS]
    for row in args.rows:
        if row not in (*ROWS, *known):
            hint = hint_of([row], [*ROWS, *known])
            changes = f'+NAME of {", ".join(ABLATIONS)}'
            rows = f'{", ".join(ROWS)}, all but two perhaps with {changes}'
            parser.error(f'--rows: {row!r} is none of {rows}{hint}')
    args.out = args.out / args.study
    return args


if __name__ == '__main__':
    sys.exit(run_comparison(compare, parse_args()))
