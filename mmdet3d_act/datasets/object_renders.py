"""Clouds of objects with renders of them, or with vectors of the renders."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from mmcv.transforms import BaseTransform

from mmdet3d_act.datasets.base import build_transforms, read_lines
from mmdet3d_act.datasets.paired import PairedDataset
from mmdet3d_act.datasets.readers.arrays import read_vectors
from mmdet3d_act.datasets.readers.images import IMAGE_SUFFIXES
from mmdet3d_act.registry import DATASETS


class _ChooseView(BaseTransform):
    """Takes one of an object's views, and its vector.

    Args:
        draw: Whether at random; the first one otherwise.
    """

    def __init__(self, draw: bool) -> None:
        self.draw = draw

    def transform(self, results: dict) -> dict:
        """Put one view's image and vector into the sample."""
        views = results.pop('views')
        view = views[np.random.randint(len(views)) if self.draw else 0]
        results.update(view)
        return results


@DATASETS.register_module()
class ObjectRenders(PairedDataset):
    """Objects as clouds, with renders of them or vectors of the renders.

    In training one of an object's views is drawn for each (seed, epoch,
    index), in testing it is the first. A pair's name is ``<id>/<view>``.

    Args:
        data_root: The folder, such as ``object_renders``.
        split: ``'train'``, ``'test'``, or ``'trainval'``, both lists in this
            order (each sample keeps the split of its list).
        vectors: Name of a file in ``vectors/``, ``azure`` for ``azure.npz``:
            its vectors of the views are the samples' ``vectors`` (D,).
        pipeline: Transforms of each access.
        **kwargs: Arguments of `PointCloudDataset`.
    """

    METAINFO: ClassVar[dict] = dict(up_axis='y', normalization='unit_sphere')
    SPLITS = ('train', 'test', 'trainval')
    TRAINVAL = ('train', 'test')
    LAYOUT = (
        'points/<id>.npy, images/<id>/<view>.png and, for precomputed '
        'vectors, vectors/<name>.npz; {train,test}.txt with an id per line'
    )

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        *,
        vectors: str | None = None,
        pipeline: Sequence[dict | Callable] | None = None,
        **kwargs: Any,
    ) -> None:
        self.vectors = vectors
        self._rows: dict[str, np.ndarray] = {}
        choose = _ChooseView(draw=not kwargs.get('test_mode', False))
        super().__init__(
            data_root,
            split,
            pipeline=[choose, *build_transforms(pipeline)],
            **kwargs,
        )

    def required(self) -> list[tuple[str, str]]:
        """Name the folder of points, the lists, and the vectors in use."""
        lists = self._list_files().items()
        needed = [
            ('its points', os.path.join(self.data_root, 'points')),
            *((f'its list of {part} objects', path) for part, path in lists),
        ]
        if self.vectors is not None:
            needed.append(('its vectors', self._vector_file()))
        return needed

    def list_samples(self) -> list[dict]:
        """List every object.

        Raises:
            FileNotFoundError: If an object has no view.
        """
        if self.vectors is not None:
            self._rows = read_vectors(self._vector_file(), 'image')
        of_object: dict[str, list[str]] = {}
        for key in sorted(self._rows):
            of_object.setdefault(key.partition('/')[0], []).append(key)
        samples, without = [], []
        for part, path in self._list_files().items():
            for name in read_lines(path):
                views = self._find_views(name, of_object.get(name, []))
                if not views:
                    without.append(name)
                    continue
                file = os.path.join('points', f'{name}.npy')
                samples.append(
                    dict(
                        lidar_path=os.path.join(self.data_root, file),
                        split=part,
                        object_id=name,
                        views=views,
                    )
                )
        if without and self.on_error == 'raise':
            wanted = 'a vector' if self.vectors else 'an image'
            raise FileNotFoundError(
                f'{type(self).__name__}: {len(without)} objects in '
                f'{self.data_root} have no view with {wanted}, for example '
                f'{without[0]}. Expected layout: {self.LAYOUT}. '
                "on_error='skip' leaves them out."
            )
        return samples

    def get_data_info(self, idx: int) -> dict:
        """Give an object's information."""
        info = super().get_data_info(idx)
        info['views'] = [
            view
            for view in info['views']
            if view['pair_key'] not in self._without
        ]
        for view in info['views']:
            if view['pair_key'] in self._rows:
                view['vectors'] = self._rows[view['pair_key']]
        return info

    def pairs_of(self, info: dict) -> list[dict]:
        """List the views of an object."""
        return info['views']

    def _find_views(self, name: str, keys: list[str]) -> list[dict]:
        """List the views of an object, by their names."""
        folder = os.path.join(self.data_root, 'images', name)
        files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        views = []
        for file in files:
            stem, suffix = os.path.splitext(file)
            if suffix.lower() in IMAGE_SUFFIXES:
                path = os.path.join(folder, file)
                views.append(dict(pair_key=f'{name}/{stem}', img_path=path))
        if self.vectors is None:
            return views
        views = views or [dict(pair_key=key) for key in keys]
        return [view for view in views if view['pair_key'] in self._rows]

    def _list_files(self) -> dict[str, str]:
        return {
            part: os.path.join(self.data_root, f'{part}.txt')
            for part in self.parts
        }

    def _vector_file(self) -> str:
        return os.path.join(self.data_root, 'vectors', f'{self.vectors}.npz')
