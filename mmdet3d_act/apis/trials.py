"""One training of an experiment: from what it varies to its record."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from mmengine.config import Config

from mmdet3d_act.apis.loading import build_dataset
from mmdet3d_act.apis.runs import RunProgress, prepare_config, train
from mmdet3d_act.apis.variations import (
    reads_checkpoint,
    set_data,
    set_epochs,
    set_labels,
    set_start,
)
from mmdet3d_act.checkpoint import find_checkpoint
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.hooks.metric_history_hook import (
    HISTORY_FILE,
    read_history,
)
from mmdet3d_act.files import file_hash, write_json

RECORD_FILE = 'record.json'
SETTINGS_FILE = 'settings.json'
NEEDED_PARTS = (
    'model',
    'train_dataloader',
    'train_cfg',
    'val_dataloader',
    'val_evaluator',
)
# What a training's outcome depends on.
_OUTCOME_PARTS = (
    'model',
    'train_dataloader',
    'train_cfg',
    'val_dataloader',
    'val_evaluator',
    'val_cfg',
    'optim_wrapper',
    'param_scheduler',
    'custom_hooks',
    'randomness',
)
_WITHOUT_EFFECT = ('num_workers', 'persistent_workers', 'pin_memory')
_SHOWN_CHANGES = 4
_NOTHING: Mapping = MappingProxyType({})


class Trial(NamedTuple):
    """One training of an experiment.

    Attributes:
        name: Its folder below that of the experiment, unique.
        config: A config file.
        seed: Seed of everything, >= 0.
        start: Where the backbone's weights come from: a checkpoint or a work
            directory; 'scratch'; None leaves the config as it is.
        options: Dotted names and values that replace the config's.
        epochs: Length of the training; None leaves the config as it is.
        data: Arguments of its data sets that replace those in the config.
        label_fraction: Share of the training labels, in (0, 1]; None leaves
            the config as it is. The seed chooses them.
        facts: What the record says of it besides.
    """

    name: str
    config: str
    seed: int = 0
    start: str | None = None
    options: Mapping = _NOTHING
    epochs: int | None = None
    data: Mapping = _NOTHING
    label_fraction: float | None = None
    facts: Mapping = _NOTHING


def prepare_trial(
    trial: Trial,
    folder: str | Path,
    *,
    amp: bool = False,
    keep_checkpoints: bool = True,
) -> Config:
    """Return the config of a trial, ready to run.

    Args:
        trial: The trial.
        folder: Its folder.
        amp: Whether to train in mixed precision.
        keep_checkpoints: False keeps no more of them than resuming needs.

    Raises:
        UsageError: If the config has no validation or lacks what the trial
            changes, or something that it needs is missing.
    """

    def adapt(cfg: Config) -> None:
        launch.require(cfg, NEEDED_PARTS, trial.config)
        cfg.log_level = 'WARNING'
        _add_history(cfg)
        _limit_checkpoints(cfg, keep_checkpoints)
        if trial.epochs is not None:
            set_epochs(cfg, trial.epochs, trial.config)
        if trial.start is not None:
            set_start(cfg, trial.start, trial.config)
        if trial.data:
            set_data(cfg, trial.data, trial.config)
        if trial.label_fraction is not None:
            set_labels(cfg, trial.label_fraction, trial.seed)

    return prepare_config(
        trial.config,
        str(folder),
        seed=trial.seed,
        amp=amp,
        options=dict(trial.options),
        adapt=adapt,
    )


def _limit_checkpoints(cfg: Config, keep: bool) -> None:
    """Let the last two stay: one is there while the next is being written."""
    hooks = cfg.get('default_hooks') or {}
    hook = hooks.get('checkpoint') or dict(type='CheckpointHook')
    if not keep or hook.get('max_keep_ckpts') == 1:
        hook['max_keep_ckpts'] = 2
    cfg.default_hooks = dict(hooks, checkpoint=hook)


def _add_history(cfg: Config) -> None:
    hooks = cfg.get('custom_hooks') or []
    if not any(hook.get('type') == 'MetricHistoryHook' for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type='MetricHistoryHook')]


def run_trial(
    trial: Trial,
    folder: str | Path,
    *,
    amp: bool = False,
    keep_checkpoints: bool = True,
    progress: RunProgress | None = None,
) -> dict:
    """Return the record of a trial, which is trained where there is none.

    A training that was interrupted goes on from its last checkpoint.

    Args:
        trial: The trial.
        folder: Its folder.
        amp: Whether to train in mixed precision.
        keep_checkpoints: False removes them once the record is written.
        progress: Reports the progress.

    Returns:
        ``name``, ``config``, ``seed``, ``start``, the trial's facts,
        ``num_train`` (training samples), ``seconds`` (None of an interrupted
        training) and ``records``, its validations.

    Raises:
        UsageError: As :func:`prepare_trial`, and if the folder holds the
            trial with other settings.
    """
    folder = Path(folder)
    cfg = prepare_trial(
        trial, folder, amp=amp, keep_checkpoints=keep_checkpoints
    )
    _fit_batch(cfg, trial)
    check_settings(cfg, folder)
    record = read_record(folder)
    if record is not None:
        return record
    resumed = launch.last_checkpoint(folder) is not None
    if resumed:
        launch.set_resume(cfg, 'auto')
    begin = time.monotonic()
    train(cfg, progress)
    seconds = None if resumed else time.monotonic() - begin
    record = dict(
        name=trial.name,
        config=trial.config,
        seed=trial.seed,
        start=trial.start,
        **trial.facts,
        seconds=seconds,
        **read_history(folder / HISTORY_FILE),
    )
    write_json(folder / RECORD_FILE, record)
    if not keep_checkpoints:
        for path in folder.glob('*.pth'):
            path.unlink()
        (folder / launch.LAST_CHECKPOINT).unlink(missing_ok=True)
    return record


def read_record(folder: str | Path) -> dict | None:
    """Return the record of a finished trial, None of any other.

    Args:
        folder: The trial's folder.
    """
    path = Path(folder) / RECORD_FILE
    if not path.is_file():
        return None
    return json.loads(path.read_text(encoding='utf-8'))


def _fit_batch(cfg: Config, trial: Trial) -> None:
    """Make one batch of training data that are fewer than a batch."""
    loader = cfg.train_dataloader
    if not loader.get('drop_last') or 'batch_size' not in loader:
        return
    dataset = build_dataset(cfg, trial.config, 'train')
    loader['batch_size'] = min(loader['batch_size'], len(dataset))


def check_settings(cfg: Config, folder: str | Path) -> None:
    """Note what a trial's outcome depends on, or compare it with the note.

    Args:
        cfg: The trial's config.
        folder: The trial's folder.

    Raises:
        UsageError: If the trial was begun with other settings.
    """
    path = Path(folder) / SETTINGS_FILE
    present = outcome_settings(cfg)
    if not path.is_file():
        write_json(path, present)
        return
    noted = json.loads(path.read_text(encoding='utf-8'))
    changed = [
        f'{key}: {noted.get(key, "absent")} then, '
        f'{present.get(key, "absent")} now'
        for key in sorted(noted.keys() | present.keys())
        if noted.get(key, '') != present.get(key, '')
    ]
    if changed:
        more = len(changed) - _SHOWN_CHANGES
        rest = [f'... and {more} more'] if more > 0 else []
        lines = '\n  '.join([*changed[:_SHOWN_CHANGES], *rest])
        raise launch.UsageError(
            f'{folder} holds a training with other settings:\n  {lines}\n'
            'Choose another --work-dir, or remove that folder to train anew.'
        )


def outcome_settings(cfg: Config) -> dict[str, str]:
    """Return the settings that the outcome of a training depends on.

    Args:
        cfg: A config.

    Returns:
        Dotted names and values as text; of pretrained weights the sha256, so
        that a file may be moved, but not changed.
    """
    found = {}
    for key in _OUTCOME_PARTS:
        _flatten(key, cfg.get(key), found)
    if cfg.get('load_from'):
        found['load_from'] = _digest(cfg.load_from)
    scaling = cfg.get('auto_scale_lr') or {}
    if scaling.get('enable'):
        _flatten('auto_scale_lr', scaling, found)
    return found


def _flatten(name: str, node: object, found: dict[str, str]) -> None:
    if isinstance(node, Mapping):
        pretrained = reads_checkpoint(node)
        for key, value in node.items():
            if pretrained and key == 'checkpoint':
                value = _digest(value)
            if key not in _WITHOUT_EFFECT:
                _flatten(f'{name}.{key}', value, found)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            _flatten(f'{name}.{index}', value, found)
    else:
        found[name] = str(node)


def _digest(checkpoint: str) -> str:
    """Return the sha256 of a file, or of a folder's last checkpoint."""
    path = find_checkpoint(checkpoint)
    return checkpoint if path is None else file_hash(path)
