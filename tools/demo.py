#!/usr/bin/env python
"""Pretrain a point Transformer with ACT in minutes, and see what it learned.

    python tools/demo.py            procedural scans, with a probe
    mmdet3d-act pretrain FOLDER     your own clouds, without labels

Stage I tunes prompts of a frozen language Transformer (MiniLM) inside a
discrete autoencoder of point clouds, stage II distils it into a point
Transformer. With the procedural scans a linear classifier then compares the
pretrained with the untrained student on scans that neither has seen.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from statistics import median
from threading import Event, Thread

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

STAGE1 = 'configs/act/act_dvae_shapenet_demo.py'
STAGE2 = 'configs/act/act_pretrain_shapenet_demo.py'
SHAPES_TOOL = 'tools/dataset_converters/make_synthetic_shapes.py'
# So many files are read once, to name the broken ones and to see their sizes.
MAX_CHECKED = 5000
# What the progress shows of a training's values.
SHOWN = {
    'loss': 'loss',
    'constant_baseline': '(of the constant prediction',
    'perplexity': 'codes in use (perplexity)',
    'target_variance': 'target variance',
}
# Codes in even use below which nearly all patches have one.
COLLAPSED = 1.5
# Steps and batch size of the stages, as the demo's own scans give them.
STEPS = ((300, 16), (720, 64))
# A step of stage II takes so much of one of stage I.
STEP_SHARE = 0.9
# Points of a patch, and patches of a cloud that has so many points.
PATCH_SIZE = 32
PATCHES = {4096: 64, 1024: 32, 512: 16, 0: 8}
# Fewer clouds of a class are no labels: rooms, dates, scans of one thing.
FEWEST = 4
# Of an interrupted training.
SETTINGS = 'settings.json'
CHECKPOINT = 'model.objectives.act.target_generator.generator.checkpoint'


class Console:
    """Prints numbered steps, and one line of progress for each.

    Args:
        num_steps: How many steps there are.
    """

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps
        self.step_number = 0
        self.start = time.monotonic()
        self.live = sys.stdout.isatty()
        self.values: dict = {}
        self._shown = 0.0

    def step(self, text: str) -> None:
        """Start the next step."""
        self.step_number += 1
        elapsed = time.monotonic() - self.start
        print(
            f'[{self.step_number}/{self.num_steps}] {text}  '
            f'({elapsed / 60:.1f} min so far)',
            flush=True,
        )
        self._shown = 0.0

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Say every ten seconds that something goes on."""
        done, start = Event(), time.monotonic()

        def tell() -> None:
            while not done.wait(10):
                spent = time.monotonic() - start
                print(f'      {text}, {spent:.0f} s', flush=True)

        thread = Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def progress(self, share: float, left: float, values: dict) -> None:
        """Show how far a training is; every ten seconds where piped."""
        self.values = values
        now = time.monotonic()
        if not self.live and now - self._shown < 10 and share < 1:
            return
        self._shown = now
        shown = '  '.join(
            f'{title} {value:.3g}' + ')' * title.startswith('(')
            for name, title in SHOWN.items()
            for key, value in values.items()
            if key == name or (key.endswith(f'.{name}') and name != 'loss')
        )
        line = f'      {share:4.0%}  {left:4.0f} s left  {shown}'
        if self.live:
            end = '' if share < 1 else '\n'
            print(f'\r{line:<100}', end=end, flush=True)
        else:
            print(line, flush=True)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--out', default='work_dirs/demo', help='folder for everything'
    )
    parser.set_defaults(clouds=None)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--epochs',
        nargs=2,
        type=int,
        metavar=('STAGE1', 'STAGE2'),
        help='epochs of the two stages, at least 3 (default: the configs)',
    )
    parser.add_argument('--threads', type=int, help='default: all cores')
    args = parser.parse_args(argv)
    if args.epochs and min(args.epochs) < 3:
        parser.error(f'--epochs: at least 3 each, got {args.epochs}')
    return args


def make_shapes(folder: Path, seed: int) -> None:
    """Generate the procedural scans, unless they are there."""
    from mmdet3d_act.engine.launch import UsageError

    command = [SHAPES_TOOL, str(folder), '--seed', str(seed)]
    if not (folder / 'procscan/val').is_dir():
        # There is nothing to choose by them.
        command += ['--num-val-per-class', '0']
    print(f'      python {" ".join(command)}', flush=True)
    command[0] = str(ROOT / SHAPES_TOOL)
    if subprocess.run([sys.executable, *command]).returncode:
        raise UsageError('the scans were not generated; see above')


def use_clouds(
    cfg: object,
    folder: str,
    up_axis: str | None,
    features: list | None,
    labels: Counter,
    patches: int,
) -> None:
    """Let a config train on a folder of clouds, and probe by its labels.

    Args:
        cfg: The config of a stage, changed in place.
        folder: The folder.
        up_axis: Of the clouds; None guesses it.
        features: What the student sees beside the coordinates; each is
            dropped at random, so that it also works without.
        labels: From :func:`count_labels`; without them there is no probe.
        patches: How many a cloud has.
    """
    set_patches(cfg.model, patches)
    features = features or []
    drop = dict(type='RandomFeatureDropout', features=features)
    if features:
        from mmdet3d_act.datasets.readers.columns import width_of

        cfg.model.student.in_channels = 3 + width_of(features)
    dataset = dict(
        type='PointFolder',
        data_root=str(Path(folder).resolve()),
        up_axis=up_axis or 'auto',
        normalization='unit_sphere',
        static_pipeline=[
            dict(type='LoadPointCloud', features=features),
            dict(
                type='SamplePoints',
                num_points=patches * PATCH_SIZE,
                per_epoch=False,
                on_too_few='repeat',
            ),
            dict(type='NormalizeToUnitSphere'),
            dict(
                type='GroupPoints', num_groups=patches, group_size=PATCH_SIZE
            ),
        ],
        on_error='skip',
        metainfo=dict(features=features) if features else None,
    )
    for name in ('train_dataloader', 'target_dataloader'):
        if name in cfg:
            pipeline = cfg[name]['dataset']['pipeline']
            if features and name == 'train_dataloader':
                pipeline = [drop, *pipeline]
            cfg[name]['dataset'] = dict(dataset, pipeline=pipeline)
            cfg[name]['drop_last'] = False
    for hook in cfg.custom_hooks:
        if hook['type'] == 'PrepareTargetsHook':
            hook['dataloader'] = cfg.target_dataloader
    if labels:
        use_labels(cfg, dataset, labels)
        return
    for part in ('val', 'test'):
        for suffix in ('dataloader', 'cfg', 'evaluator'):
            cfg[f'{part}_{suffix}'] = None


def set_patches(model: dict, patches: int) -> None:
    """Tell all parts of a model how many patches a cloud has."""
    if 'num_groups' in model:
        model.update(num_groups=patches, group_size=PATCH_SIZE)
    for value in model.values():
        if isinstance(value, dict):
            set_patches(value, patches)


def use_labels(cfg: object, dataset: dict, labels: Counter) -> None:
    """Let the probe of a config read the classes of a folder.

    Args:
        cfg: The config of stage II, changed in place.
        dataset: Of the folder.
        labels: Of the training part, counted.
    """
    # Readers of a few clouds would end while they start, which PyTorch prints.
    cfg.val_dataloader.update(num_workers=0, persistent_workers=False)
    for part in cfg.val_dataloader['dataset']['datasets']:
        names = ('data_root', 'up_axis', 'on_error')
        part.update({name: dataset[name] for name in names})
        part['split_ratio'] = 'auto'
        loading, _, sampling = part['static_pipeline']
        loading['features'] = dataset['static_pipeline'][0]['features']
        number = dataset['static_pipeline'][1]['num_points']
        sampling.update(num_points=number, on_too_few='repeat')
    cfg.val_evaluator['knn'] = min(20, labels.total())
    if min(labels.values()) < cfg.val_evaluator['labels_per_class']:
        cfg.val_evaluator['labels_per_class'] = None


def count_labels(folder: str) -> tuple[Counter, Counter]:
    """Count labels of training and of test, where sub-folders are labels.

    Without a split a fifth of each class is for tests. Both are empty where
    a class has too few clouds, as then folders are something else.

    Args:
        folder: The folder.
    """
    from mmdet3d_act.datasets import PointFolder

    options = dict(classes='folders', split_ratio='auto', lazy_init=True)
    found = []
    try:
        for split in ('train', 'test'):
            samples = PointFolder(folder, split, **options).list_samples()
            found.append(Counter(one['category'] for one in samples))
    except ValueError:  # clouds beside the folders
        return Counter(), Counter()
    train, test = found
    if len(train) < 2 or set(test) - set(train) or not test:
        return Counter(), Counter()
    if min(train.values()) < FEWEST:
        return Counter(), Counter()
    return train, test


def count_clouds(folder: str, up_axis: str | None = None) -> tuple[int, int]:
    """Count the clouds of a folder; name those that cannot be read.

    Args:
        folder: The folder.
        up_axis: Of the clouds; None guesses and tells it.

    Returns:
        How many there are, and how many points the middle one of them has.

    Raises:
        UsageError: If there is no cloud to train on.
    """
    import numpy as np

    from mmdet3d_act.datasets import BadSampleError, PointFolder, read_points
    from mmdet3d_act.datasets.readers import POINT_FILE_SUFFIXES
    from mmdet3d_act.engine.launch import UsageError

    if not Path(folder).is_dir():
        raise UsageError(f'expected a folder of clouds, got {folder}')
    dataset = PointFolder(folder, lazy_init=True)
    if dataset.left_out:
        print(f'left out, as no clouds: {dataset.left_out}')
    files = [sample['lidar_path'] for sample in dataset.list_samples()]
    bad, sizes = 0, []
    for file in files[:MAX_CHECKED]:
        try:
            points = read_points(file)
            if np.ptp(points[:, :3], axis=0).max() <= 0:
                raise BadSampleError(file, 'all its points are at one place')
            sizes.append(len(points))
        except BadSampleError as error:
            bad += 1
            print(f'left out: {error}')
    if not sizes:
        raise UsageError(
            f'{folder} holds no cloud that can be read; expected files '
            f'ending in {" ".join(POINT_FILE_SUFFIXES)}, in the folder or '
            'below it'
        )
    middle = sorted(sizes)[len(sizes) // 2]
    print(f'{len(files) - bad} clouds in {folder}, of {middle} points')
    if len(files) - bad < 2:
        raise UsageError(
            f'{folder} holds 1 cloud, which is too few to pretrain on; '
            'features of it need no training: mmdet3d-act embed'
        )
    if up_axis is not None:
        return len(files) - bad, middle
    guesses = PointFolder(
        folder, up_axis='auto', normalization='unit_sphere', pipeline=[]
    ).guesses
    print(f'up axis {", guessed: ".join(guesses["up_axis"])}')
    return len(files) - bad, middle


def stage_config(
    args: argparse.Namespace, stage: int, options: dict | None = None
) -> object:
    """Return the config of a stage, ready to run.

    Args:
        args: The command line's arguments.
        stage: 1 or 2.
        options: Dotted names and values that replace the file's.
    """
    from mmdet3d_act.apis import prepare_config

    config = ROOT / (STAGE1, STAGE2)[stage - 1]
    return prepare_config(
        str(config),
        str(Path(args.out) / f'stage{stage}'),
        seed=args.seed,
        amp=True,
        options={'log_level': 'ERROR', **(options or {})},
        epochs=args.epochs and args.epochs[stage - 1],
        adapt=None
        if args.clouds is None
        else lambda cfg: use_clouds(
            cfg,
            args.clouds,
            args.up_axis,
            args.features if stage == 2 else None,
            args.labels if stage == 2 else Counter(),
            args.patches,
        ),
    )


def go_on(cfg: object, *before: object) -> object:
    """Return a config that only trains, from where the same was interrupted.

    Args:
        cfg: From :func:`stage_config`.
        before: Configs of what it builds upon.
    """
    from mmdet3d_act.engine.launch import LAST_CHECKPOINT, set_resume

    cfg = cfg.copy()
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    file = Path(cfg.work_dir) / SETTINGS
    settings = json.dumps([one.to_dict() for one in (cfg, *before)])
    if file.is_file() and file.read_text() == settings:
        set_resume(cfg, 'auto')
        return cfg
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_name(LAST_CHECKPOINT).unlink(missing_ok=True)
    file.write_text(settings)
    return cfg


def epochs_for(num_clouds: int, share: float = 1) -> list[int]:
    """Return epochs of the stages that take a share of the demo's steps."""
    return [
        max(3, round(share * steps / math.ceil(num_clouds / batch)))
        for steps, batch in STEPS
    ]


def choose_patches(num_points: int) -> int:
    """Choose how many patches clouds of so many points have."""
    return next(n for least, n in PATCHES.items() if num_points >= least)


def time_step(cfg: object) -> float:
    """Measure a step of a training that is begun for that, in seconds.

    Args:
        cfg: Of stage I, changed in place.
    """
    from mmengine.hooks import Hook

    from mmdet3d_act.apis import train

    times: list[float] = []

    class Stopwatch(Hook):
        def after_train_iter(self, *_: object, **__: object) -> None:
            times.append(time.perf_counter())
            if len(times) == 6:
                raise StopIteration

    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        with suppress(StopIteration):
            train(cfg, [Stopwatch()])
    # The first steps are slower, and one where a worker still compiles.
    return median(b - a for a, b in pairwise(times[1:]))


def print_table(rows: dict[str, dict[str, float]]) -> None:
    """Print what the probes measured, a row a student, and the words."""
    from mmdet3d_act.apis.report import PROBES

    keys = [key for key in PROBES if all(key in row for row in rows.values())]
    head = '  '.join(f'{PROBES[key]:>20}' for key in keys)
    print(f'\n  accuracy on test clouds, %     {head}')
    for name, metrics in rows.items():
        values = '  '.join(f'{metrics[key]:20.1f}' for key in keys)
        print(f'  {name:<29}  {values}')
    words = {
        'svm_accuracy': 'a linear classifier on frozen features',
        'knn_accuracy': 'a vote of the 20 nearest training scans',
        'few_label_accuracy': 'the same classifier, of few labels',
    }
    print('\n  chance                always the most frequent class')
    for key in keys:
        print(f'  {PROBES[key]:<20}  {words[key]}')
    print(
        '  perplexity            how many codes are in even use (above)\n'
        '  target variance       how much targets differ; 0: all are one'
    )


def main(args: argparse.Namespace | None = None) -> int:
    """Run the demo, or the same on a folder; return the exit code.

    Args:
        args: The command line's by default.
    """
    args = args or parse_args()
    # Threads that wait do not keep a core busy that other programs need.
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    if args.threads:
        os.environ['OMP_NUM_THREADS'] = str(args.threads)
    out = Path(args.out)
    if args.clouds is None:
        os.environ['ACT_DATA_ROOT'] = str(out / 'data')
    # The configs' own messages would drown the demo's.
    warnings.filterwarnings('ignore')
    from mmengine.logging import MMLogger

    MMLogger.get_instance('demo', logger_name='mmengine', log_level='ERROR')
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: run(args, out),
        kept='what is made is kept; the same command goes on from it',
    )


def tell_collapse(values: dict) -> None:
    """Say where nearly all patches have one code.

    Args:
        values: What stage I logged last.
    """
    codes = [v for k, v in values.items() if k.endswith('perplexity')]
    if codes and codes[0] < COLLAPSED:
        print(
            '      the codebook has collapsed: all patches have one code, and '
            'targets tell little.\n      More clouds or steps, or another '
            '--seed; docs/faq.md'
        )


def check_clouds(args: argparse.Namespace) -> Counter:
    """Look at the folder; choose epochs; return the labels of its tests.

    Args:
        args: The command line's, which gets ``epochs``, ``labels`` and
            ``patches``.
    """
    from mmdet3d_act.engine.launch import UsageError

    done = Path(args.out, 'student')
    if done.is_dir():
        raise UsageError(
            f'{args.out} holds a finished run, whose student is {done}; '
            'choose another folder (--out)'
        )
    number, size = count_clouds(args.clouds, args.up_axis)
    args.patches = choose_patches(size)
    print(f'patches: {args.patches} of {PATCH_SIZE} points each')
    args.labels, test = count_labels(args.clouds)
    if args.minutes:
        seconds = time_step(stage_config(args, 1))
        (first, _), (second, _) = STEPS
        needed = seconds * (first + STEP_SHARE * second)
        args.epochs = epochs_for(number, 60 * args.minutes / needed)
    args.epochs = args.epochs or epochs_for(number)
    print(f'epochs: {args.epochs[0]} of stage I, {args.epochs[1]} of stage II')
    print(
        f'{len(args.labels)} sub-folders are labels: the student is probed'
        if test
        else 'no probe: its labels are sub-folders, each with at least '
        f'{FEWEST} clouds to train on'
    )
    return test


def run(args: argparse.Namespace, out: Path) -> None:
    """Run all steps.

    Args:
        args: The command line's arguments.
        out: Folder for everything.
    """
    test = Counter() if args.clouds is None else check_clouds(args)
    probed = args.clouds is None or bool(test)
    console = Console(3 + probed + (args.clouds is None))
    if args.clouds is None:
        console.step('procedural scans, as a depth sensor would see them')
        make_shapes(out / 'data', args.seed)

    from mmdet3d_act.apis import (
        RunProgress,
        from_pretrained,
        save_pretrained,
        train,
        validate,
        write_report,
    )

    console.step('stage I: prompts of a frozen MiniLM, inside an autoencoder')
    if args.clouds is None:
        root = f'ACT_DATA_ROOT={out / "data"}'
        print(f'      as: {root} python tools/train.py {STAGE1} --amp')
    stage1 = stage_config(args, 1)
    teacher = train(go_on(stage1), [RunProgress(console.progress)])
    tell_collapse(console.values)

    stage2 = stage_config(args, 2, {CHECKPOINT: teacher})
    rows = {}
    if probed:
        console.step('probes of the untrained student, about a minute')
        from mmdet3d_act.apis.report import PROBES

        test = test or count_labels(str(out / 'data/procscan'))[1]
        share = 100 * max(test.values()) / test.total()
        rows['chance'] = dict.fromkeys(PROBES, share)
        with console.working('features and linear classifiers'):
            rows['untrained'] = validate(stage2)

    console.step('stage II: distilled into a point Transformer')
    if args.clouds is None:
        print(
            f'      as: {root} ACT_AUTOENCODER={teacher} python '
            f'tools/train.py {STAGE2} --amp'
        )
    # The probe follows below, on the checkpoint.
    progress = [RunProgress(console.progress)]
    student = train(go_on(stage2, stage1), progress)

    console.step('what it learned, about a minute')
    if probed:
        with console.working('features and linear classifiers'):
            rows['ACT-pretrained'] = validate(stage2, student)
        print_table(rows)
        if args.clouds is not None:
            print(
                '\n  Scored are the clouds of test/, or a fifth; their points '
                'were pretrained on,\n  their labels were not.'
            )
        (out / 'result.json').write_text(json.dumps(rows, indent=1))
    folder = save_pretrained(from_pretrained(student), out / 'student')
    with console.working('the report'):
        page = write_report(out)
    for file in out.glob(f'stage?/{SETTINGS}'):
        file.unlink()  # It is complete: the next one begins anew.
    clouds = args.clouds or str(out / 'data/procscan/test')
    print_closing(teacher, folder, page, clouds, args.clouds is None)


def find_command() -> str:
    """Find what runs the command here, as it can be typed."""
    name = 'mmdet3d-act'
    if shutil.which(name):
        return name
    beside = Path(sys.executable).with_name(name)
    if not beside.is_file():
        return f'{sys.executable} -m mmdet3d_act'
    return os.path.relpath(beside)


def print_closing(
    teacher: str, student: Path, page: Path, clouds: str, demo: bool
) -> None:
    """Say where everything is, what it shows and what to run next."""
    if demo:
        print(
            '\n  One seed, procedural scans: it shows that pretraining beats '
            'no pretraining,\n  not that this teacher beats another; '
            'docs/results.md has more seeds and rows.'
        )
    command = find_command()
    features = page.with_name('features')
    if page.resolve().is_relative_to(Path(clouds).resolve()):
        features = Path(f'{Path(clouds)}-features')  # embed writes beside them
    embed = ['embed', clouds, '--out', features, '--student', student]
    lines = [
        '',
        f'  teacher (stage I)   {teacher}',
        f'  student (stage II)  {student}',
        f'  what it learned     {page}  (pictures: open it in a browser)',
        '',
        '  next:',
        f'    {command} {shlex.join(map(str, embed))}',
        f'    {command} report {shlex.quote(str(page.parent))}',
        f"    in Python: mmdet3d_act.from_pretrained('{student}')",
    ]
    if demo:
        lines.append(f'    your own clouds: {command} pretrain FOLDER')
    lines.append(
        '    published settings: docs/reproduce.md has a command a table'
        if demo
        else '    other settings: docs/data.md, configs/act/*_folder*.py'
    )
    print('\n'.join(lines))


if __name__ == '__main__':
    sys.exit(main())
