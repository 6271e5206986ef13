"""Compares the classes of the data sets with each other and the head's."""

from __future__ import annotations

import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

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
        outputs = _outputs(runner)
        if outputs is None:
            return
        classes = {
            name: found
            for name, loader in loaders.items()
            if (found := _classes(loader.dataset))
        }
        for name, names in classes.items():
            self._check_head(outputs, name, names)
        first, *others = classes.values() or [()]
        if any(other != first for other in others):
            shown = '; '.join(
                f'{name}: {_some(names)}' for name, names in classes.items()
            )
            raise UsageError(
                'a label means another class in the training than in the '
                f'validation data ({shown}); give both the same classes'
            )

    @staticmethod
    def _check_head(outputs: int, name: str, classes: tuple[str, ...]) -> None:
        text = (
            f'the head has {outputs} classes (num_classes), the {name} data '
            f'{len(classes)}: {_some(classes)}'
        )
        if outputs < len(classes):
            raise UsageError(
                f'{text}; set the num_classes of the head to {len(classes)}'
            )
        if outputs > len(classes):
            print_log(text, logger='current', level=logging.WARNING)


def _outputs(runner: Runner) -> int | None:
    model = unwrapped(runner.model)
    for name in HEADS:
        size = getattr(getattr(model, name, None), 'num_classes', None)
        if isinstance(size, int):
            return size
    return None


def _classes(dataset: Dataset) -> tuple[str, ...]:
    return tuple((getattr(dataset, 'metainfo', None) or {}).get('classes', ()))


def _some(names: tuple[str, ...]) -> str:
    more = ', ...' if len(names) > _SHOWN else ''
    return ', '.join(names[:_SHOWN]) + more
