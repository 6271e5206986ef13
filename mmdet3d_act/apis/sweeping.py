"""Many runs of configs in one folder: trained, resumed and recorded."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdet3d_act.apis.loading import build_dataset
from mmdet3d_act.apis.training import (
    RunProgress,
    prepare_config,
    train,
    validate,
)
from mmdet3d_act.checkpoint import (
    find_checkpoint,
    resolve_checkpoint,
)
from mmdet3d_act.datasets.base import iter_dataset_cfgs
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.io import file_hash, write_json

SCRATCH = 'scratch'
RECORD_FILE = 'record.json'
SETTINGS_FILE = 'settings.json'
HISTORY_FILE = 'metric_history.json'
LOCK_FILE = 'lock'
REPORT_SECONDS = 10.0
WAIT_SECONDS = 5.0
_VALIDATED = ('model', 'val_dataloader', 'val_evaluator', 'val_cfg')
# What the outcome of a run depends on.
_OUTCOME_PARTS = (
    *_VALIDATED,
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'custom_hooks',
    'randomness',
    'load_from',
)
_WITHOUT_EFFECT = ('num_workers', 'persistent_workers', 'pin_memory')
_SHOWN_CHANGES = 4
_NOTHING: Mapping = MappingProxyType({})


class Run(NamedTuple):
    """One training of a sweep.

    Attributes:
        name: Its folder below that of the sweep, unique.
        config: A config file.
        seed: Seed of everything, >= 0.
        start: Where the backbone's weights come from: a checkpoint or a work
            directory; 'scratch'; None leaves the config as it is.
        overrides: Dotted names and values that replace the config's.
        epochs: Length of the training; 0 validates what it starts from; None
            leaves the config as it is.
        data: Arguments of its data sets that replace those in the config.
        label_fraction: Share of the training labels, in (0, 1]; None leaves
            the config as it is. The seed chooses them.
        metadata: What the record says of it besides.
    """

    name: str
    config: str
    seed: int = 0
    start: str | None = None
    overrides: Mapping = _NOTHING
    epochs: int | None = None
    data: Mapping = _NOTHING
    label_fraction: float | None = None
    metadata: Mapping = _NOTHING


def sweep(
    runs: Sequence[Run],
    folder: str | Path,
    *,
    amp: bool = False,
    keep_checkpoints: bool = True,
    report: Callable[[str], None] = lambda line: None,
) -> list[dict]:
    """Train the runs that are not finished; return the records of all.

    After an interruption it resumes where it stopped. Several processes may
    work on the same folder, for example one for each GPU: they share the
    runs, and each returns all records.

    Args:
        runs: Runs with unique names.
        folder: Gets a folder for each of them.
        amp: Whether to train in mixed precision.
        keep_checkpoints: False removes the checkpoints of a finished run.
        report: Is given lines about the progress.

    Returns:
        For each run ``name``, ``config``, ``seed``, ``start``, its metadata,
        ``num_train`` (training samples), ``seconds`` (None of a resumed run)
        and ``validations``, each with ``epoch``, ``iter`` and ``metrics``.

    Raises:
        UsageError: If one of the runs cannot be trained: found for all of
            them before the first begins.
    """
    folder = Path(folder)
    prepared = [
        _prepare(run, folder, amp=amp, keep_checkpoints=keep_checkpoints)
        for run in runs
    ]
    records: dict[int, dict] = {}
    while len(records) < len(runs):
        before = len(records)
        for index, run in enumerate(runs):
            if index in records:
                continue
            with _claimed(folder / run.name) as free:
                if free:
                    title = f'[{index + 1}/{len(runs)}] {run.name}'
                    records[index] = _finish(
                        run, prepared[index], title, report
                    )
                    if not keep_checkpoints:
                        _remove_checkpoints(folder / run.name)
        if len(records) == before:
            # All that are left are being trained by other processes.
            time.sleep(WAIT_SECONDS)
    return [records[index] for index in range(len(runs))]


def read_records(runs: Sequence[Run], folder: str | Path) -> list[dict]:
    """Read the records of the runs that are finished.

    Raises:
        UsageError: If there is none.
    """
    found = [_read_json(Path(folder) / one.name / RECORD_FILE) for one in runs]
    records = [record for record in found if record is not None]
    if not records:
        raise launch.UsageError(
            f'no finished run in {folder}; train first, without --table'
        )
    return records


def _prepare(
    run: Run, folder: Path, *, amp: bool, keep_checkpoints: bool
) -> Config:
    """Adapt the config of a run; refuse a folder of other settings."""

    def adapt(cfg: Config) -> None:
        launch.require(cfg, _VALIDATED, run.config)
        cfg.log_level = 'WARNING'
        saving = (cfg.get('default_hooks') or {}).get('checkpoint')
        if saving and not keep_checkpoints:
            saving['max_keep_ckpts'] = 1
        if run.start is not None:
            set_pretrained(cfg, run.start, run.config)
        if run.data:
            _set_data(cfg, run.data, run.config)
        if run.label_fraction is not None:
            for node in iter_dataset_cfgs(cfg.train_dataloader['dataset']):
                node['label_fraction'] = run.label_fraction
                node['label_seed'] = run.seed

    place = folder / run.name
    cfg = prepare_config(
        run.config,
        str(place),
        options=dict(run.overrides),
        adapt=adapt,
        seed=run.seed,
        epochs=run.epochs or None,
        amp=amp,
    )
    _check_settings(cfg, place)
    return cfg


def _finish(
    run: Run,
    cfg: Config,
    title: str,
    report: Callable[[str], None],
) -> dict:
    """Read the record of a run, or train it and write one."""
    folder = Path(cfg.work_dir)
    record = _read_json(folder / RECORD_FILE)
    if record is not None:
        report(f'{title}: already finished')
        return record
    report(f'{title}: training')
    write_json(folder / SETTINGS_FILE, _outcome_settings(cfg))
    history = ValidationHistory(folder / HISTORY_FILE)
    resumed = find_checkpoint(folder) is not None
    begin = time.monotonic()
    if run.epochs == 0:
        metrics = scalars(validate(cfg))
        history.validations = [dict(epoch=0, iter=0, metrics=metrics)]
    else:
        _fit_batch(cfg, run.config)
        if resumed:
            launch.set_resume(cfg, 'auto')

        def tell(share: float, left: float, values: dict) -> None:
            loss = values.get('loss', float('nan'))
            report(f'{title}: {share:.0%}, loss {loss:.3f}, {left:.0f} s left')

        train(cfg, [history, RunProgress(tell, REPORT_SECONDS)])
    seconds = time.monotonic() - begin
    report(f'{title}: done in {seconds:.0f} s')
    record = dict(
        name=run.name,
        config=run.config,
        seed=run.seed,
        start=run.start,
        **run.metadata,
        seconds=None if resumed else seconds,
        num_train=history.num_train,
        validations=history.validations,
    )
    write_json(folder / RECORD_FILE, record)
    return record


@contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    """Lock a folder; False where another process has locked it.

    A process that is killed leaves no lock behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        # Processes that read samples may live on, with the file open.
        fcntl.flock(file, fcntl.LOCK_UN)


def _read_json(path: Path) -> dict | None:
    if not path.is_file():
        return None
    return json.loads(path.read_text(encoding='utf-8'))


def _remove_checkpoints(folder: Path) -> None:
    for path in folder.glob('*.pth'):
        path.unlink()
    (folder / launch.LAST_CHECKPOINT).unlink(missing_ok=True)


def set_pretrained(cfg: Config, start: str, config: str) -> None:
    """Choose where the weights of a config's backbone, or student, come from.

    Nothing else that the config says of weights is left.

    Args:
        cfg: The config, changed in place.
        start: A checkpoint or a work directory, or 'scratch'.
        config: Name of the config file, for messages.

    Raises:
        UsageError: If the model has no backbone, or there is no such
            checkpoint.
    """
    part = 'student' if 'student' in cfg.model else 'backbone'
    launch.require(cfg.model, [part], config)
    backbone = cfg.model[part]
    cfg.load_from = None
    for node in (cfg.model, backbone):
        # What reads a file, whatever its type.
        each = node.get('init_cfg') or []
        each = [each] if isinstance(each, Mapping) else each
        if each:
            kept = [one for one in each if 'checkpoint' not in one]
            node['init_cfg'] = kept or None
    if start != SCRATCH:
        path = resolve_checkpoint(start)
        pretrained = dict(type='Pretrained', checkpoint=path)
        kept = backbone.get('init_cfg')
        backbone['init_cfg'] = [*kept, pretrained] if kept else pretrained


def _set_data(cfg: Config, arguments: Mapping, config: str) -> None:
    """Replace arguments of the data sets that have all of them."""
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader') or {}
        found = [
            node
            for node in iter_typed(loader.get('dataset'))
            if isinstance(node, dict) and arguments.keys() <= node.keys()
        ]
        for node in found:
            node.update(arguments)
        if not found and part != 'test':
            raise launch.UsageError(
                f'no data set in {part}_dataloader of {config} has '
                f'{", ".join(arguments)}; give a config such as '
                'act_fewshot_modelnet40.py (with --fold-seed: ..._drawn.py)'
            )


def _fit_batch(cfg: Config, config: str) -> None:
    """Make one batch of training data that are fewer than a batch."""
    loader = cfg.train_dataloader
    if loader.get('drop_last') and 'batch_size' in loader:
        dataset = build_dataset(cfg, config, 'train')
        loader['batch_size'] = min(loader['batch_size'], len(dataset))


def _check_settings(cfg: Config, folder: Path) -> None:
    """Refuse to go on with a run that was begun with other settings."""
    noted = _read_json(folder / SETTINGS_FILE)
    if noted is None:
        return
    present = _outcome_settings(cfg)
    changed = [
        f'{key}: {noted.get(key, "absent")} then, '
        f'{present.get(key, "absent")} now'
        for key in sorted(noted.keys() | present.keys())
        if noted.get(key, '') != present.get(key, '')
    ]
    if changed:
        lines = '\n  '.join(changed[:_SHOWN_CHANGES])
        raise launch.UsageError(
            f'{folder} holds a run with {len(changed)} other settings:\n  '
            f'{lines}\n'
            'Choose another --work-dir, or remove that folder to train anew.'
        )


def _outcome_settings(cfg: Config) -> dict[str, str]:
    """List the settings that the outcome of a run depends on.

    Checkpoints are their sha256: they may be moved, but not changed.
    """
    parts = {key: cfg.get(key) for key in _OUTCOME_PARTS}
    if (cfg.get('auto_scale_lr') or {}).get('enable'):
        parts['auto_scale_lr'] = cfg.auto_scale_lr
    return dict(_flattened('', parts))


def _flattened(name: str, node: object) -> Iterator[tuple[str, str]]:
    if isinstance(node, list | tuple):
        node = dict(enumerate(node))
    if not isinstance(node, Mapping):
        path = find_checkpoint(node) if isinstance(node, str) else None
        is_weights = name.endswith(('checkpoint', 'load_from')) and path
        yield name, file_hash(path) if is_weights else str(node)
        return
    for key, value in node.items():
        if key not in _WITHOUT_EFFECT:
            yield from _flattened(f'{name}.{key}' if name else key, value)


class ValidationHistory(Hook):
    """Keeps the metrics of every validation of a training in a file."""

    priority = 'VERY_LOW'

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_train = 0
        self.validations: list[dict] = []

    def before_train(self, runner: Runner) -> None:
        """Begin the file, or complete that of a resumed training."""
        self.num_train = len(runner.train_dataloader.dataset)
        # What was validated after the checkpoint will be validated again; a
        # missed validation is made up for by MissedValidationHook.
        self.validations = [
            one
            for one in _read_json(self.path) or []
            if one['iter'] <= runner.iter
        ]

    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Keep the metrics that are single numbers."""
        self.validations = [
            one for one in self.validations if one['iter'] != runner.iter
        ]
        self.validations.append(
            dict(
                epoch=runner.epoch,
                iter=runner.iter,
                metrics=scalars(metrics or {}),
            )
        )
        write_json(self.path, self.validations)


def scalars(metrics: Mapping) -> dict[str, float]:
    """Select the metrics that are single numbers."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, int | float)
        or getattr(value, 'shape', None) == ()
    }
