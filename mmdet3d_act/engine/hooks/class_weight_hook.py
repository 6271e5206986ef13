"""Weighs the classes of a segmentor's loss by how rare they are."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.registry import HOOKS


@HOOKS.register_module()
class ClassWeightHook(Hook):
    """Gives the decode head the class weights of the training set.

    The data set computes them (``class_weights()``), so that they are right
    for whatever rooms or labels are trained on; the head uses them in its
    loss (``set_class_weight``). They are not stored in checkpoints: a resumed
    training computes them again.

    Example:
        >>> custom_hooks = [dict(type='ClassWeightHook')]

    Source: the released semantic segmentation of ACT, which weighs a class
    by the cube root of the largest class's share by its own.
    """

    def before_train(self, runner: Runner) -> None:
        """Hand the weights over.

        Raises:
            ValueError: If the data set has no class weights.
        """
        dataset = runner.train_loop.dataloader.dataset
        # Wrappers that repeat a data set know nothing of its classes.
        while not hasattr(dataset, 'class_weights'):
            dataset = getattr(dataset, 'dataset', None)
            if dataset is None:
                raise ValueError(
                    'ClassWeightHook needs a training set with '
                    'class_weights(), such as S3DISBlocks, got '
                    f'{type(runner.train_loop.dataloader.dataset).__name__}; '
                    'remove the hook, or set class_weight of the head'
                )
        weights = dataset.class_weights()
        unwrapped(runner.model).decode_head.set_class_weight(weights)
        shown = ', '.join(f'{weight:.3f}' for weight in weights)
        print_log(f'class weights of the loss: {shown}', 'current')
