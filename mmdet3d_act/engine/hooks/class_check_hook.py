"""Compares the classes of the data sets with each other and the head's."""

from __future__ import annotations

import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.registry import HOOKS

HEADS = ('head', 'decode_head', 'bbox_head')
_SHOWN = 5


@HOOKS.register_module()
class ClassCheckHook(Hook):
    """Refuses a head with too few outputs, and labels with two meanings.

    Of models with a head for classes; the data of a pretraining and of its
    probe may differ.
    """

    def before_train(self, runner: Runner) -> None:
        """Check training and validation data before the first step.

        Raises:
            UsageError: If training or validation cannot be right.
        """
        loaders = {'training': runner.train_dataloader}
        if runner.val_loop is not None:
            loaders['validation'] = runner.val_dataloader
        self._check(runner, loaders)

    def before_test(self, runner: Runner) -> None:
        """Check the test data.

        Raises:
            UsageError: If the head has fewer outputs than there are classes.
        """
        self._check(runner, {'test': runner.test_dataloader})

    def _check(self, runner: Runner, loaders: dict[str, DataLoader]) -> None:
        model = unwrapped(runner.model)
        heads = [getattr(model, name, None) for name in HEADS]
        outputs = [
            one.num_classes for one in heads if hasattr(one, 'num_classes')
        ]
        metainfo = {
            name: getattr(loader.dataset, 'metainfo', None) or {}
            for name, loader in loaders.items()
        }
        classes = {
            name: tuple(meta['classes'])
            for name, meta in metainfo.items()
            if meta.get('classes')
        }
        if not outputs:
            return
        for name, names in classes.items():
            text = (
                f'the head has {outputs[0]} classes (num_classes), the {name} '
                f'data {len(names)}: {_some(names)}'
            )
            if outputs[0] < len(names):
                raise UsageError(
                    f'{text}; set the num_classes of the head to {len(names)}'
                )
            if outputs[0] > len(names):
                print_log(text, logger='current', level=logging.WARNING)
        if len(set(classes.values())) > 1:
            shown = '; '.join(
                f'{name}: {_some(names)}' for name, names in classes.items()
            )
            raise UsageError(
                'a label means another class in the training than in the '
                f'validation data ({shown}); give both the same classes'
            )


def _some(names: tuple[str, ...]) -> str:
    more = ', ...' if len(names) > _SHOWN else ''
    return ', '.join(names[:_SHOWN]) + more
