"""Pictures of what a model makes of a few clouds, during its training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.dataset import pseudo_collate
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend
from torch import nn

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import inform
from mmdet3d_act.visualization.samples import sample_name, spread_indices

FOLDER = 'reconstructions'
# Width and height of one cloud's picture.
PANEL = 180


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Draws the same few clouds now and then, as the model reconstructs them.

    A picture is drawn before the training, after every ``interval`` epochs and
    at the end: a row per cloud, and a column per stage,
    see :func:`~mmdet3d_act.visualization.reconstructions.
    reconstruction_stages`. The clouds are of the validation data, or of the
    training data where there is none. A picture goes into
    ``reconstructions/`` of the work directory, and to the visualizer's other
    back ends, such as TensorBoard (``vis_backends =
    [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]``). One
    process draws; the training does not notice: weights, buffers and random
    numbers are those of a training without this hook.

    Args:
        interval: Epochs between two pictures.
        num_samples: Number of clouds, spread evenly over the data set.

    Raises:
        ValueError: At the start of training, if the model is not one whose
            reconstructions can be drawn.

    Example:
        >>> custom_hooks = [dict(type='ReconstructionHook', interval=50)]
    """

    # After the hooks that prepare the model; before the seeds of the epoch.
    priority = 'LOW'

    def __init__(self, interval: int = 10, *, num_samples: int = 4) -> None:
        self.interval = interval
        self.num_samples = num_samples
        self._batch: dict | None = None
        self._up_axis = 'y'

    def before_train(self, runner: Runner) -> None:
        """Draw what the model makes of the clouds before it is trained."""
        self._draw(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Draw, if it is time."""
        last = self.is_last_train_epoch(runner)
        if last or self.every_n_epochs(runner, self.interval):
            self._draw(runner, 1)

    def _draw(self, runner: Runner, done: int = 0) -> None:
        """Draw; so many epochs more than counted are done."""
        if not is_main_process():
            return
        # Drawing needs parts that other trainings should not wait for.
        from mmdet3d_act.visualization import render_sheet
        from mmdet3d_act.visualization.reconstructions import (
            check_drawable,
            reconstruction_stages,
            stage_rows,
        )

        model = unwrapped(runner.model)
        check_drawable(model)
        names, inputs = self._inputs(runner, model)
        stages, note = reconstruction_stages(model, inputs)
        picture = render_sheet(
            stage_rows(stages, names, self._up_axis),
            up_axis=self._up_axis,
            panel=PANEL,
            notes=[note],
        )
        self._save(runner, picture, runner.epoch + done)

    def _inputs(
        self, runner: Runner, model: nn.Module
    ) -> tuple[list[str], dict]:
        """Give names and stacked inputs of the clouds, read only once."""
        from mmdet3d_act.visualization.reconstructions import undisturbed

        with undisturbed(model):
            if self._batch is None:
                loader = runner.train_dataloader
                if runner.val_loop is not None:
                    loader = runner.val_dataloader
                dataset = loader.dataset
                indices = spread_indices(len(dataset), self.num_samples)
                self._batch = pseudo_collate([dataset[i] for i in indices])
                meta = getattr(dataset, 'metainfo', {})
                self._up_axis = meta.get('up_axis', 'y')
            data = model.data_preprocessor(self._batch, False)
        names = [sample_name(sample) for sample in data['data_samples']]
        return names, data['inputs']

    def _save(self, runner: Runner, picture: np.ndarray, epoch: int) -> None:
        from PIL import Image

        path = Path(runner.work_dir) / FOLDER / f'epoch_{epoch}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
        for backend in runner.visualizer._vis_backends.values():
            # It would only store the same file once more.
            if not isinstance(backend, LocalVisBackend):
                backend.add_image('reconstruction', picture, epoch)
        inform(f'reconstructions drawn: {path}')
