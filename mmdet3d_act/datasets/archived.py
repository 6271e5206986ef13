"""Data sets whose clouds lie together in one file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class ArchivedCloudsMixin:
    """Hands out clouds of a file that is read as a whole, for `BaseDataset`.

    Put it before `PointCloudDataset` in the bases. ``list_samples`` calls
    `list_archive`; a sample is then called ``file#number``. Processes that
    are forked share the clouds, others get a copy: pack large files.
    """

    _clouds: Sequence[np.ndarray] | None = None

    def list_archive(
        self,
        path: str,
        clouds: Sequence[np.ndarray],
        labels: Sequence[int],
        classes: Sequence[str],
        **info: object,
    ) -> list[dict]:
        """Return the information of every cloud of a file, and keep them.

        Args:
            path: The file.
            clouds: Arrays (N, 3 + F).
            labels: As many, in [0, number of classes).
            classes: Names of the classes.
            **info: What else the information of each holds.

        Returns:
            One dict per cloud, with ``lidar_path``, ``packed_index``,
            ``split``, ``gt_label`` and ``category``.

        Raises:
            ValueError: If a label is none of a class.
        """
        for index, label in enumerate(labels):
            if not 0 <= label < len(classes):
                raise ValueError(
                    f'{path}: expected labels in [0, {len(classes)}), got '
                    f'{label} for cloud {index}'
                )
        self._clouds = clouds
        return [
            dict(
                lidar_path=f'{path}#{index}',
                packed_index=index,
                **info,
                split=self.split,
                gt_label=label,
                category=classes[label],
            )
            for index, label in enumerate(labels)
        ]

    def get_data_info(self, idx: int) -> dict:
        """Return a sample's information, with its cloud where it is kept.

        Args:
            idx: Index of the sample.

        Returns:
            The information; ``raw_points`` is the array.
        """
        info = super().get_data_info(idx)
        if self._clouds is not None and 'raw_points' not in info:
            info['raw_points'] = self._clouds[info['packed_index']]
        return info
