"""Says what of a checkpoint and a model does not fit together."""

from __future__ import annotations

import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner
from torch import nn

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.files import CheckpointError
from mmdet3d_act.models.backbones.settings import read_config_text
from mmdet3d_act.registry import HOOKS

_SHOWN = 3


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Refuses, or reports, weights that stay unfilled or have no place.

    MMEngine loads what fits and leaves the rest as initialised, also where
    that is everything, and tests the result.

    A difference is an error in a test and where a training is resumed. A
    training may start from a part: that is a warning, and so is the end of a
    training that is resumed.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the weights just read with the model's.

        Args:
            runner: The runner; its model is filled as far as they fit.
            checkpoint: What the file holds.

        Raises:
            CheckpointError: If they differ and must not.
        """
        state = checkpoint.get('state_dict', checkpoint)
        source = runner._load_from or runner.work_dir
        self._compare_converted(runner, checkpoint, source)
        self._compare_length(runner, checkpoint, source)
        problem = misfit(unwrapped(runner.model), state)
        if problem is None:
            return
        text = f'{source} does not fit the model of the config: {problem}'
        # The training loop is built before weights are loaded to train with.
        trains = isinstance(runner._train_loop, BaseLoop)
        if runner._resume or not trains:
            raise CheckpointError(
                f'{text}. Give the config (and the --cfg-options) that it was '
                'trained with; a published file is converted first: `python '
                'tools/model_converters/convert_checkpoint.py SRC DST`'
            )
        print_log(text, logger='current', level=logging.WARNING)

    @staticmethod
    def _compare_length(runner: Runner, checkpoint: dict, source: str) -> None:
        """Warn where a training that is resumed is over already."""
        loop = runner._train_loop
        if not runner._resume or not isinstance(loop, BaseLoop):
            return
        # A loop of the user's own may count otherwise.
        unit, end = 'iter', getattr(loop, 'max_iters', None)
        if isinstance(loop, EpochBasedTrainLoop):
            unit, end = 'epoch', loop.max_epochs
        done = (checkpoint.get('meta') or {}).get(unit, 0)
        if end is not None and done >= end:
            print_log(
                f'{source} is already at {unit} {done} of {end}, nothing to '
                f'train; a larger train_cfg.max_{unit}s goes on',
                logger='current',
                level=logging.WARNING,
            )

    @staticmethod
    def _compare_converted(
        runner: Runner, checkpoint: dict, source: str
    ) -> None:
        """Warn where a converted network was another one than the config's."""
        meta = checkpoint.get('meta') or {}
        if 'converted' not in meta:
            return
        theirs = read_config_text(meta.get('cfg')).get('model') or {}
        other = other_settings(
            theirs.get('backbone') or {}, unwrapped(runner.model)
        )
        if other:
            print_log(
                f'{source} was trained with other settings of the backbone: '
                f'{other}; the shapes agree but the outputs would not. '
                '--model-config of the converter writes those that fit',
                logger='current',
                level=logging.WARNING,
            )


def other_settings(theirs: dict, model: nn.Module) -> str | None:
    """Return which settings of a backbone are not those of a checkpoint.

    Args:
        theirs: The backbone's config in the checkpoint.
        model: The model; attributes of its backbone are compared.
    """
    backbone = getattr(model, 'backbone', None)
    found = [
        f'{key}={value!r} instead of {getattr(backbone, key)!r}'
        for key, value in theirs.items()
        if isinstance(getattr(backbone, key, None), bool | int | float | str)
        and isinstance(value, bool | int | float | str)
        and getattr(backbone, key) != value
    ]
    return ', '.join(found) or None


def misfit(model: nn.Module, state: dict) -> str | None:
    """Return what a model lacks in a state dict, and what it has no place for.

    Args:
        model: Filled with what fits.
        state: Names and tensors, perhaps with ``module.`` before all names.
    """
    state = {name.removeprefix('module.'): t for name, t in state.items()}
    own = model.state_dict()
    other = [
        f'{name} {tuple(state[name].shape)} instead of {tuple(value.shape)}'
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]
    fitting = {
        name: value
        for name, value in state.items()
        if name not in own or own[name].shape == value.shape
    }
    missing, unexpected = model.load_state_dict(fitting, strict=False)
    missing = [name for name in missing if name not in state]
    faults = [
        f'{len(names)} weights {what} ({_some(names)})'
        for names, what in (
            (missing, 'missing'),
            (unexpected, 'without a place'),
            (other, 'of another shape'),
        )
        if names
    ]
    return '; '.join(faults) or None


def _some(names: list[str]) -> str:
    more = ', ...' if len(names) > _SHOWN else ''
    return ', '.join(names[:_SHOWN]) + more
