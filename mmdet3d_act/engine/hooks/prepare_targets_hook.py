"""Shows a model the training set before its training."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.engine.hooks.iteration_seed_hook import seed_everything
from mmdet3d_act.engine.hooks.stored_target_hook import fit_to_stores
from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import inform

_TARGET_STREAM = 3


@HOOKS.register_module()
class PrepareTargetsHook(Hook):
    """Lets a model compute what it must know of all targets in advance.

    Target statistics and targets that are computed once per cloud come from
    the training clouds as they are before augmentation, which this hook's own
    data loader gives. Every process sees all of them, in the same order and
    with the same seed, so that all know the same. A model whose
    ``needs_preparation`` is False, such as one that was resumed with its
    statistics, is left alone.

    Args:
        dataloader: Config of the data loader: the training set without
            augmentation. Its sampler is this hook's.
    """

    # Before any hook that already runs the model.
    priority = 'HIGH'

    def __init__(self, dataloader: dict) -> None:
        sampler = dict(type='EpochSampler', shuffle=False, shared=True)
        self.dataloader = {**dataloader, 'sampler': sampler}

    def before_train(self, runner: Runner) -> None:
        """Prepare the model."""
        model = unwrapped(runner.model)
        if not model.needs_preparation:
            return
        loader = Runner.build_dataloader(self.dataloader, seed=runner.seed)
        fit_to_stores(model, [loader.dataset])
        inform(
            f'computing the targets of {len(loader.dataset)} clouds once '
            'before the training'
        )
        seed_everything(runner.seed, 0, 0, stream=_TARGET_STREAM)
        model.prepare(loader)
