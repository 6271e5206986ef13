"""Compares the weights that a run reads with its model and its data."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner
from torch import nn

from mmdet3d_act.checkpoint import (
    REMEDY,
    CheckpointError,
    load_matching,
    weights_of,
)
from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.models.backbones.pretrained import (
    backbone_settings,
    checkpoint_settings,
)
from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import warn

COMPARED_META = ('up_axis', 'normalization')


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Refuses, or reports, weights that stay unfilled or have no place.

    MMEngine loads what fits and leaves the rest as initialised, also where
    that is everything, and tests the result.

    A difference is an error in a test and where a training is resumed. A
    training may start from a part, which is a warning, but not from nothing.
    Checkpoints keep the backbone's settings, which are compared where they
    are loaded.
    """

    def before_train(self, runner: Runner) -> None:
        """Warn of data unlike those that the backbone was pretrained on."""
        known = getattr(backbone_of(runner), 'pretrained_meta', {})
        dataset = runner.train_dataloader.dataset
        present = getattr(dataset, 'metainfo', {})
        other = [
            f'{key}={known[key]!r} (here {present[key]!r})'
            for key in COMPARED_META
            if key in known and key in present and known[key] != present[key]
        ]
        if not other:
            return
        text = f'the backbone was pretrained with {", ".join(other)}'
        if present.get('normalization') == 'none':
            # Scenes stay in metres, and their data sets turn them.
            logger = runner.logger
            logger.info(f'{text}; a student of scenes would fit better')
            return
        warn(f'{text}; rotate or normalise the clouds alike for full benefit')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the settings of the backbone."""
        settings = backbone_settings(backbone_of(runner))
        if settings:
            checkpoint['meta']['backbone'] = settings

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the weights just read with the model's.

        Raises:
            CheckpointError: If they differ and must not.
        """
        source = str(runner._load_from or runner.work_dir)
        self._compare_settings(runner, checkpoint, source)
        self._compare_length(runner, checkpoint, source)
        state = {
            name.removeprefix('module.'): value
            for name, value in weights_of(checkpoint, source).items()
        }
        match = load_matching(unwrapped(runner.model), state)
        if match.is_complete:
            return
        text = f'{source} does not fit the model of the config: '
        # The training loop is built before weights are loaded to train with.
        trains = isinstance(runner._train_loop, BaseLoop)
        if runner._resume or not trains:
            raise CheckpointError(f'{text}{match.report()}; {REMEDY}')
        if not match.filled:
            raise CheckpointError(
                f'{text}nothing of it is filled, {match.report()}; a '
                'pretrained backbone is given as model.backbone.init_cfg='
                "dict(type='Pretrained', checkpoint=...), not as load_from"
            )
        warn(text + match.report())

    @staticmethod
    def _compare_length(runner: Runner, checkpoint: dict, source: str) -> None:
        """Warn where a training that is resumed is over already."""
        loop = runner._train_loop
        if not runner._resume or not isinstance(loop, EpochBasedTrainLoop):
            return
        done = checkpoint['meta']['epoch']
        if done >= loop.max_epochs:
            warn(
                f'{source} is already at epoch {done} of {loop.max_epochs}, '
                'nothing to train; a larger train_cfg.max_epochs goes on'
            )

    @staticmethod
    def _compare_settings(
        runner: Runner, checkpoint: Mapping, source: str
    ) -> None:
        """Warn where the backbone was another one than the config's."""
        theirs = checkpoint_settings(checkpoint)
        ours = backbone_settings(backbone_of(runner))
        other = [
            f'{key}={theirs[key]!r} instead of {ours[key]!r}'
            for key in theirs
            if key in ours and theirs[key] != ours[key]
        ]
        if other:
            warn(
                f'{source} was trained with other settings of the backbone: '
                f'{", ".join(other)}; the shapes agree but the outputs would '
                'not'
            )


def backbone_of(runner: Runner) -> nn.Module | None:
    """Find the backbone of a runner's model; None where it has none.

    Args:
        runner: The runner.
    """
    model = unwrapped(runner.model)
    return getattr(model, 'student', getattr(model, 'backbone', None))
