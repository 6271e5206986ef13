"""Weighs the classes of a segmentor's loss by how rare they are."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdet3d_act.datasets.base import iter_datasets
from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import inform


@HOOKS.register_module()
class ClassWeightHook(Hook):
    """Gives the decode head the class weights of the training set.

    The data set computes them (``class_weights()``), so that they are right
    for whatever rooms or labels are trained on; the head uses them in its
    loss (``set_class_weight``). They are not stored in checkpoints: a resumed
    training computes them again.

    Example:
        >>> custom_hooks = [dict(type='ClassWeightHook')]

    Source: the published semantic segmentation of ACT, which weighs a class
    by the cube root of the largest class's share by its own.
    """

    def before_train(self, runner: Runner) -> None:
        """Hand the weights over.

        Raises:
            ValueError: If the data set has no class weights.
        """
        whole = runner.train_dataloader.dataset
        # Wrappers that repeat a data set know nothing of its classes.
        known = [
            d for d in iter_datasets(whole) if hasattr(d, 'class_weights')
        ]
        if not known:
            raise ValueError(
                'ClassWeightHook needs a training set with class_weights(), '
                f'such as S3DISBlocks, got {type(whole).__name__}; remove the '
                'hook, or set class_weight of the head'
            )
        weights = known[0].class_weights()
        unwrapped(runner.model).decode_head.set_class_weight(weights)
        shown = ', '.join(f'{weight:.3f}' for weight in weights)
        inform(f'class weights of the loss: {shown}')
