"""Sets of files made in several processes: resumed and grown."""

from __future__ import annotations

import dataclasses
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mmdet3d_act.io import write_bytes, write_json
from mmdet3d_act.processes import work_off
from mmdet3d_act.text import check_least


@dataclasses.dataclass(frozen=True)
class FileSet(ABC):
    """A set of files, described by options; equal options, equal files.

    What is made in one go is a task. No task depends on how many there are,
    so that a set can grow.
    """

    manifest: ClassVar[str]  # name of the file that holds the options
    version: ClassVar[int]  # rises when equal options give other files
    folders: ClassVar[tuple[str, ...]]  # empty before the set is begun
    counts: ClassVar[tuple[str, ...]]  # options that only say how many tasks
    least: ClassVar[dict[str, int]]  # the smallest value of other options

    def __post_init__(self) -> None:
        """Check the ranges."""
        values = self._options()
        least_of = {**dict.fromkeys(self.counts, 0), **self.least}
        for name, least in least_of.items():
            check_least(name, values[name], least)

    @abstractmethod
    def tasks(self) -> list:
        """List what is made."""

    @abstractmethod
    def files(self, task: Any) -> list[str]:  # noqa: ANN401
        """List the files of a task, relative to the set's folder."""

    @abstractmethod
    def make(self, root: Path, task: Any) -> None:  # noqa: ANN401
        """Make the files of a task below a folder."""

    @abstractmethod
    def make_lists(self, root: Path) -> None:
        """Make the files that depend on all tasks."""

    def write(
        self,
        out_dir: str | Path,
        *,
        num_workers: int = 1,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> bool:
        """Write what is missing.

        A complete set is left alone, an interrupted one is completed, and
        one with fewer tasks gets the others.

        Args:
            out_dir: Folder of the set; made where it does not exist.
            num_workers: Number of processes, at least 1.
            progress: Called with the number of tasks done and of all tasks,
                first before anything is made.

        Returns:
            Whether anything had to be written.

        Raises:
            ValueError: If the folder holds files of another origin, or a set
                with other options.
        """
        check_least('num_workers', num_workers, 1)
        root, tasks = Path(out_dir), self.tasks()
        complete = self._check_manifest(root)
        missing = [
            task
            for task in tasks
            if not all((root / name).exists() for name in self.files(task))
        ]
        if complete and not missing:
            return False
        state = self._options()
        write_json(root / self.manifest, {**state, 'complete': False})
        done = len(tasks) - len(missing)
        progress(done, len(tasks))
        make = partial(self.make, root)
        for step, _ in enumerate(work_off(make, missing, num_workers), 1):
            progress(done + step, len(tasks))
        self.make_lists(root)
        write_json(root / self.manifest, {**state, 'complete': True})
        return True

    def _options(self) -> dict[str, Any]:
        """Describe the set as JSON holds it."""
        options = json.loads(json.dumps(dataclasses.asdict(self)))
        scan = options.pop('scan')
        return {'version': self.version, **options, **scan}

    def _check_manifest(self, root: Path) -> bool:
        """Tell whether this very set is complete; refuse another one."""
        path = root / self.manifest
        if not path.exists():
            for folder in (root / name for name in self.folders):
                if folder.is_dir() and any(folder.iterdir()):
                    raise ValueError(
                        f'{folder} holds files that this tool did not write; '
                        'choose another folder'
                    )
            return False
        old, new = json.loads(path.read_text('utf-8')), self._options()
        complete = old.pop('complete', False)
        differ = [name for name in new if old.get(name) != new[name]]
        changed = [
            f'{name}: {old.get(name)} there, {new[name]} now'
            for name in differ
            if not (name in self.counts and old.get(name, 0) < new[name])
        ]
        if changed:
            raise ValueError(
                f'{root} holds a set with other options: '
                f'{", ".join(changed)}. A set can only grow; choose another '
                'folder, or remove this one'
            )
        return complete and not differ


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an `.npy` file such that it is complete or absent."""
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    write_bytes(path, content.getvalue())


def write_rows(path: Path, rows: np.ndarray, layout: str = '%.6f') -> None:
    """Write rows of numbers as text such that it is complete or absent."""
    content = io.BytesIO()
    np.savetxt(content, rows, layout)
    write_bytes(path, content.getvalue())
