"""RGB-D frames of ScanNet: a cloud and the image of the same view."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from mmdet3d_act.datasets.base import read_lines
from mmdet3d_act.datasets.paired import PairedDataset
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.frames import (
    is_scene,
    list_frames,
    list_scenes,
)
from mmdet3d_act.datasets.transforms import LoadFrame, NormalizeToUnitSphere
from mmdet3d_act.datasets.transforms.images import COORDINATES
from mmdet3d_act.registry import DATASETS
from mmdet3d_act.text import check_least, inform

# Folders in which the lists of scenes are looked for.
_LIST_FOLDERS = ('', 'meta_data', os.path.join('..', 'scannet', 'meta_data'))


@DATASETS.register_module()
class ScanNetFrames(PairedDataset):
    """Every k-th frame of ScanNet's videos, as a cloud with its image.

    Scenes are folders as ScanNet's exporter writes them. Frames whose pose is
    invalid are left out, and counted in the log and in ``skipped``. A pair's
    name is ``<scene>/<number of six digits>``.

    Args:
        data_root: Folder of the scenes.
        split: ``'train'``, ``'val'``, ``'test'``, ``'trainval'``, the scenes
            in ``scannetv2_<split>.txt``, which is looked for in the folder,
            its ``meta_data/`` and ``../scannet/meta_data/``; ``'all'``: all
            scenes there are.
        frame_stride: Frames are taken whose number is a multiple of it.
        holdout: Where no list is found: the share of each scene's frames,
            its last ones, that are ``'val'``, the others ``'train'``. None
            makes the missing list an error.
        **kwargs: Arguments of `PointCloudDataset`.

    Source: Dai et al., ScanNet: Richly-annotated 3D Reconstructions of Indoor
    Scenes, CVPR 2017.
    """

    SPLITS = ('train', 'val', 'test', 'trainval', 'all')
    METAINFO: ClassVar[dict] = {}
    LAYOUT = (
        '<scene>/{color/I.jpg, depth/I.png, pose/I.txt, intrinsic/'
        'intrinsic_{color,depth}.txt} as ScanNet exports it'
    )
    REMEDY = (
        'To prepare frames from .sens files: python '
        'tools/dataset_converters/scannet_frames.py SCANS OUT. Synthetic '
        'rooms of this layout: '
        'tools/dataset_converters/make_synthetic_scenes.py.'
    )

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        *,
        frame_stride: int = 25,
        holdout: float | None = None,
        **kwargs: Any,
    ) -> None:
        check_least('frame_stride', frame_stride, 1)
        if holdout is not None and not 0 < holdout < 1:
            raise ValueError(f'holdout must be in (0, 1), got {holdout}')
        self.frame_stride = frame_stride
        self.holdout = holdout
        self.skipped: Counter = Counter()
        super().__init__(data_root, split, **kwargs)

    def describe(self) -> None:
        """Say in the meta information what clouds are after the pipeline."""
        load = self.first_transform(LoadFrame)
        coordinates = 'camera' if load is None else load.coordinates
        normalized = self.first_transform(NormalizeToUnitSphere) is not None
        stated = dict(
            up_axis=COORDINATES[coordinates],
            normalization='unit_sphere' if normalized else 'none',
        )
        self._metainfo = {**stated, **self._metainfo}

    def label_of(self, sample: dict) -> str:
        """Name the kind by which ``label_fraction`` divides: one of all."""
        return 'frame'

    def find_problems(self) -> list[str]:
        """Say what of the layout is missing."""
        root = self.data_root
        if not os.path.isdir(root) or not list_scenes(root):
            return [self.describe_missing('its frames', root)]
        absent, count = [], 0
        for part, names in self._scenes().items():
            if names is None:
                path = os.path.join(root, f'scannetv2_{part}.txt')
                text = self.describe_missing(
                    f'the list of {part} scenes', path
                )
                return [
                    f"{text} Without lists: split='all', or holdout=0.2, the "
                    'last fifth of the frames of each scene for validation.'
                ]
            count += len(names)
            absent += [name for name in names if not is_scene(root, name)]
        if not absent or (self.on_error == 'skip' and len(absent) < count):
            return []
        return [
            f'{type(self).__name__}: {len(absent)} of {count} listed scenes '
            f'are not in {root}, for example {absent[0]}. Complete the data, '
            "or set on_error='skip' in the data set's config to go on without "
            'them.'
        ]

    def list_samples(self) -> list[dict]:
        """List every frame."""
        self.skipped = Counter()
        samples = []
        for part, names in self._scenes().items():
            for scene in names or ():
                samples += [
                    dict(
                        pair_key=f'{scene}/{int(Path(color).stem):06d}',
                        scene_path=os.path.join(self.data_root, scene),
                        img_path=color,
                        lidar_path=color,
                        split=part,
                    )
                    for color in self._frames(scene, part)
                ]
        left_out = ', '.join(f'{n} {why}' for why, n in self.skipped.items())
        scenes = len({sample['scene_path'] for sample in samples})
        inform(
            f'{type(self).__name__} ({self.split}): {len(samples)} frames of '
            f'{scenes} scenes; left out: {left_out or "none"}'
        )
        return samples

    def _frames(self, scene: str, part: str) -> list[str]:
        """List a scene's frames of a part; none of a damaged scene."""
        if not is_scene(self.data_root, scene):
            self.skipped['scenes that are not there'] += 1
            return []
        path = os.path.join(self.data_root, scene)
        try:
            frames = list_frames(path, self.frame_stride, self.skipped)
        except BadSampleError:
            if self.on_error == 'raise':
                raise
            self.skipped['scenes that cannot be read'] += 1
            return []
        if self._holds_out:
            first = len(frames) - max(1, round(self.holdout * len(frames)))
            return frames[:first] if part == 'train' else frames[first:]
        return frames

    def _scenes(self) -> dict[str, list[str] | None]:
        """List the scenes of each part; None where their list is missing."""
        lists = {part: self._find_list(part) for part in self.parts}
        self._holds_out = (
            self.holdout is not None
            and self.split in ('train', 'val', 'trainval')
            and not any(map(self._find_list, ('train', 'val')))
        )
        if self._holds_out or self.split == 'all':
            return dict.fromkeys(lists, list_scenes(self.data_root))
        return {
            part: None if path is None else read_lines(path)
            for part, path in lists.items()
        }

    def _find_list(self, part: str) -> str | None:
        name = f'scannetv2_{part}.txt'
        paths = [
            os.path.normpath(os.path.join(self.data_root, folder, name))
            for folder in _LIST_FOLDERS
        ]
        return next(filter(os.path.isfile, paths), None)
