"""Checkpoints that a kill or a full disk cannot take away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from mmengine.fileio import register_backend
from mmengine.fileio.backends import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmdet3d_act.registry import HOOKS


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """Local files that are either the old or the new one, never a part."""

    def __init__(self) -> None:
        self._outdated: list[tuple[str, int]] | None = None

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write to a temporary name, flush to the disk, rename.

        Args:
            obj: What the file holds.
            filepath: Its path.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f'{path.name}.part')
        try:
            with part.open('wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def remove(self, filepath: str | Path) -> None:
        """Delete a file; inside :meth:`deleting_last` at its end.

        Args:
            filepath: Its path.
        """
        if self._outdated is None:
            super().remove(filepath)
        else:
            self._outdated.append((str(filepath), os.stat(filepath).st_ino))

    @contextmanager
    def deleting_last(self) -> Iterator[None]:
        """Delete when what was saved meanwhile is on the disk."""
        outdated: list[tuple[str, int]] = []
        self._outdated = outdated
        try:
            yield
        finally:
            self._outdated = None
        for path, inode in outdated:
            # A file that was replaced since is the new one.
            if os.path.exists(path) and os.stat(path).st_ino == inode:
                super().remove(path)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's `CheckpointHook`, but nothing is lost when it is killed.

    MMEngine deletes an outdated checkpoint before it writes the new one, and
    writes in place: with ``max_keep_ckpts=1`` a kill at that moment leaves
    nothing. Here a checkpoint is written under a temporary name and renamed,
    and outdated ones are deleted after that.

    Args:
        *args: Arguments of `CheckpointHook`.
        backend_args: Its argument; None writes local files as described.
        **kwargs: Further arguments of `CheckpointHook`.
    """

    def __init__(
        self, *args: Any, backend_args: dict | None = None, **kwargs: Any
    ) -> None:
        remote = '://' in str(kwargs.get('out_dir') or '')
        if backend_args is None and not remote:
            backend_args = dict(backend='atomic')
        super().__init__(*args, backend_args=backend_args, **kwargs)

    def after_train_epoch(self, runner: Runner) -> None:
        """Save where the epoch is one to save, then delete."""
        with self._deleting_last():
            super().after_train_epoch(runner)

    def after_train_iter(
        self, runner: Runner, *args: Any, **kwargs: Any
    ) -> None:
        """Save where the iteration is one to save, then delete."""
        with self._deleting_last():
            super().after_train_iter(runner, *args, **kwargs)

    def after_val_epoch(self, runner: Runner, metrics: dict | None) -> None:
        """Save the best checkpoint of a training; delete the one before."""
        if not hasattr(self, 'file_backend'):
            return  # a validation alone
        with self._deleting_last():
            super().after_val_epoch(runner, metrics)

    def _deleting_last(self) -> AbstractContextManager:
        backend = self.file_backend
        if isinstance(backend, AtomicBackend):
            return backend.deleting_last()
        return nullcontext()
