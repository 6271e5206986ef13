"""Pictures of what a model makes of a few clouds, during its training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import pseudo_collate
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend
from torch import nn
from torch.utils.data import Dataset

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.registry import HOOKS
from mmdet3d_act.visualization.browsing import sample_name, spread_indices

PARTS = ('val', 'train')
FOLDER = 'reconstructions'


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Draws the same few clouds now and then, as the model reconstructs them.

    A picture is drawn before the training, after every ``interval`` epochs
    (or iterations) and at the end: a row per cloud, and a column per stage,
    see :func:`~mmdet3d_act.visualization.reconstructions.
    reconstruction_stages`. It goes into ``reconstructions/`` of the work
    directory, and to the visualizer's other back ends, such as TensorBoard
    (``vis_backends = [dict(type='LocalVisBackend'),
    dict(type='TensorboardVisBackend')]``). One process draws; the training
    does not notice: weights, buffers and random numbers are those of a
    training without this hook.

    Args:
        interval: Epochs (or iterations) between two pictures.
        by_epoch: Whether ``interval`` counts epochs.
        num_samples: Number of clouds, spread evenly over the data set.
        indices: Which clouds instead, counted from 0.
        part: ``'val'``: clouds of the validation data, of the training data
            where there is none; ``'train'``: of the training data.
        seed: Seed of the masks, >= 0.
        panel: Width and height of one cloud's picture.

    Raises:
        ValueError: If an argument is out of range; at the start of training,
            if the model is not one whose reconstructions can be drawn.

    Example:
        >>> custom_hooks = [dict(type='ReconstructionHook', interval=50)]
    """

    # After the hooks that prepare the model; before the seeds of the epoch.
    priority = 'LOW'

    def __init__(
        self,
        interval: int = 10,
        *,
        by_epoch: bool = True,
        num_samples: int = 4,
        indices: Sequence[int] | None = None,
        part: str = 'val',
        seed: int = 0,
        panel: int = 180,
    ) -> None:
        if interval < 1 or part not in PARTS:
            raise ValueError(
                f'interval must be >= 1 and part one of {PARTS}, got '
                f'{interval} and {part!r}'
            )
        self.interval = interval
        self.by_epoch = by_epoch
        self.num_samples = num_samples
        self.indices = indices
        self.part = part
        self.seed = seed
        self.panel = panel
        self._batch: dict | None = None
        self._up_axis = 'y'

    def before_train(self, runner: Runner) -> None:
        """Draw what the model makes of the clouds before it is trained."""
        self._draw(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Draw, if it is time."""
        last = self.is_last_train_epoch(runner)
        if self.by_epoch and (
            last or self.every_n_epochs(runner, self.interval)
        ):
            self._draw(runner, 1)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Draw, if it is time."""
        last = self.is_last_train_iter(runner)
        if not self.by_epoch and (
            last or self.every_n_train_iters(runner, self.interval)
        ):
            self._draw(runner, 1)

    def _draw(self, runner: Runner, done: int = 0) -> None:
        """Draw; so many epochs or iterations more than counted are done."""
        if not is_main_process():
            return
        # Drawing needs parts that other trainings should not wait for.
        from mmdet3d_act.visualization import render_sheet
        from mmdet3d_act.visualization.reconstructions import (
            check_drawable,
            reconstruction_stages,
        )
        from mmdet3d_act.visualization.stages import stage_rows

        model = unwrapped(runner.model)
        check_drawable(model)
        names, inputs = self._inputs(runner, model)
        shown = reconstruction_stages(model, inputs, seed=self.seed)
        picture = render_sheet(
            stage_rows(shown.stages, names, self._up_axis),
            up_axis=self._up_axis,
            panel=self.panel,
            notes=shown.notes,
        )
        unit = 'epoch' if self.by_epoch else 'iter'
        step = (runner.epoch if self.by_epoch else runner.iter) + done
        self._save(runner, picture, f'{unit}_{step}.png', step)

    def _inputs(
        self, runner: Runner, model: nn.Module
    ) -> tuple[list[str], dict]:
        """Return names and stacked inputs of the clouds, read only once."""
        from mmdet3d_act.visualization.reconstructions import undisturbed

        with undisturbed(model, self.seed):
            if self._batch is None:
                dataset = _dataset(runner, self.part)
                indices = self.indices
                if indices is None:
                    indices = spread_indices(len(dataset), self.num_samples)
                self._batch = pseudo_collate([dataset[i] for i in indices])
                meta = getattr(dataset, 'metainfo', {})
                self._up_axis = meta.get('up_axis', 'y')
            data = model.data_preprocessor(self._batch, False)
        names = [sample_name(sample) for sample in data['data_samples']]
        return names, data['inputs']

    def _save(
        self, runner: Runner, picture: np.ndarray, name: str, step: int
    ) -> None:
        from PIL import Image

        path = Path(runner.work_dir) / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
        for backend in runner.visualizer._vis_backends.values():
            # It would only store the same file once more.
            if not isinstance(backend, LocalVisBackend):
                backend.add_image('reconstruction', picture, step)
        print_log(f'reconstructions drawn: {path}', logger='current')


def _dataset(runner: Runner, part: str) -> Dataset:
    if part == 'val' and runner.val_loop is not None:
        return runner.val_dataloader.dataset
    return runner.train_dataloader.dataset
