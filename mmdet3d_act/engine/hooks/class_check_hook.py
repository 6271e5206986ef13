"""Compares the classes of data sets, the head and the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import shortened, warn

HEADS = ('head', 'decode_head', 'bbox_head')


def require_trained_classes(
    trained: Sequence[str], given: Sequence[str], what: str
) -> None:
    """Refuse data whose labels mean other classes than a checkpoint's.

    Args:
        trained: Classes that the checkpoint was trained on, none if unknown.
        given: Classes of the data, none if unknown.
        what: What the data are called in the message.

    Raises:
        UsageError: If a label differs.
    """
    pairs = enumerate(zip_longest(trained, given, fillvalue='no class'))
    for label, (old, new) in pairs if trained and given else ():
        if old != new:
            raise UsageError(
                f'label {label} is {old} in the checkpoint and {new} in the '
                f'{what} data; give the data the classes of the training, '
                f'{list(trained)}'
            )


@HOOKS.register_module()
class ClassCheckHook(Hook):
    """Refuses a head with too few outputs, and labels with two meanings.

    Of models with a head for classes; the data of a pretraining and of its
    probe may differ. Training that is resumed and tests have the classes
    that the checkpoint was trained on.
    """

    def __init__(self) -> None:
        self.trained: tuple[str, ...] = ()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember the classes that a checkpoint was trained on."""
        meta = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
        self.trained = tuple(meta.get('classes', ()))

    def before_train(self, runner: Runner) -> None:
        """Check training and validation data before the first step.

        Raises:
            UsageError: If training or validation cannot be right.
        """
        loaders = {'training': runner.train_dataloader}
        if runner.val_loop is not None:
            loaders['validation'] = runner.val_dataloader
        if not runner.iter:
            # Weights to start from may be of other classes.
            self.trained = ()
        self._check(runner, loaders)

    def before_test(self, runner: Runner) -> None:
        """Check the test data.

        Raises:
            UsageError: If the head has fewer outputs than there are classes,
                or was trained on others.
        """
        self._check(runner, {'test': runner.test_dataloader})

    def _check(self, runner: Runner, loaders: dict[str, DataLoader]) -> None:
        model = unwrapped(runner.model)
        heads = [getattr(model, name, None) for name in HEADS]
        outputs = [
            one.num_classes for one in heads if hasattr(one, 'num_classes')
        ]
        if not outputs:
            return
        classes = {}
        for name, loader in loaders.items():
            meta = getattr(loader.dataset, 'metainfo', None) or {}
            if meta.get('classes'):
                classes[name] = tuple(meta['classes'])
        for name, names in classes.items():
            require_trained_classes(self.trained, names, name)
            text = (
                f'the head has {outputs[0]} classes (num_classes), the {name} '
                f'data {len(names)}: {shortened(names)}'
            )
            if outputs[0] < len(names):
                raise UsageError(
                    f'{text}; set the num_classes of the head to {len(names)}'
                )
            if outputs[0] > len(names):
                warn(text)
        if len(set(classes.values())) > 1:
            shown = '; '.join(
                f'{name}: {shortened(names)}'
                for name, names in classes.items()
            )
            raise UsageError(
                'a label means another class in the training than in the '
                f'validation data ({shown}); give both the same classes'
            )
