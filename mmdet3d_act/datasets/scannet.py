"""ScanNet as MMDetection3D prepares it, for detection and segmentation."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from mmengine.dataset import BaseDataset

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.arrays import read_npy
from mmdet3d_act.datasets.readers.errors import reading
from mmdet3d_act.datasets.readers.pickles import read_arrays_pickle
from mmdet3d_act.datasets.readers.scenes import read_scene_infos
from mmdet3d_act.registry import DATASETS
from mmdet3d_act.text import check_choice, check_least, log_once

# Names and order are those of MMDetection3D's data sets, misspellings
# included. Ids are those of the NYU40 label set, which mask files hold.
# Of the boxes, in the order of their labels.
_DETECTION = (
    'cabinet bed chair sofa table door window bookshelf picture counter '
    'desk curtain refrigerator showercurtrain toilet sink bathtub '
    'garbagebin'
)
DETECTION_CLASSES = tuple(_DETECTION.split())
DETECTION_IDS = (
    3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39,
)  # fmt: skip

# Of the points: walls, floors, and other furniture for the last box class.
SEGMENTATION_IDS = (1, 2, *DETECTION_IDS)

BOX_TYPE = 'Depth'
_FOLDERS = dict(
    pts='points',
    pts_instance_mask='instance_mask',
    pts_semantic_mask='semantic_mask',
)


@DATASETS.register_module()
class ScanNetScenes(PointCloudDataset):
    """ScanNet: scenes in metres, z up, with boxes or classes of points.

    The samples are those of MMDetection3D's `ScanNetDataset` (18 classes of
    boxes) or `ScanNetSegDataset` (20 classes of points), which it builds and
    asks for each scene's annotations, so that all transforms and metrics of
    MMDetection3D work on them. Different are: what a sample looks like
    depends on (seed, epoch, index) alone; scenes that have boxes and no
    masks, or masks and no boxes, can be used; files are checked, and faults
    are named; a part of the scenes can be taken. `LoadScene` reads them.

    Args:
        data_root: The folder ``scannet``.
        split: ``'train'`` or ``'val'``.
        ann_file: List of the scenes, from the folder. None:
            ``scannet_infos_<split>.pkl``.
        task: ``'detection'`` or ``'segmentation'``.
        samples_per_scene: Samples of a scene in an epoch, each with its own
            random choices: other crops of it.
        scene_idxs: A sample per entry: the number of its scene in the list,
            so that large scenes come more often; or a ``.npy`` file of them,
            from the folder. None: every scene once.
        metainfo: May hold ``classes``, some of those of the task; boxes of
            others are left out, points of others get the label for none.
        box_type_3d: ``'Depth'``; MMDetection3D's `inference_detector` looks
            for it in a config.
        **kwargs: Arguments of `PointCloudDataset`; a ``label_fraction`` is
            one of the scenes.

    Source: Dai et al., ScanNet: Richly-annotated 3D Reconstructions of
    Indoor Scenes, CVPR 2017; format of MMDetection3D 1.x.
    """

    METAINFO: ClassVar[dict] = dict(up_axis='z', normalization='none')
    SPLITS = ('train', 'val')
    NAME = 'scannet'
    # The data set of MMDetection3D that knows a task's annotations.
    SOURCES: ClassVar[dict] = dict(
        detection='ScanNetDataset', segmentation='ScanNetSegDataset'
    )
    LAYOUT = (
        'scannet_infos_<train|val>.pkl, points/<scene>.bin and, for '
        'segmentation, semantic_mask/<scene>.bin'
    )
    REMEDY = (
        'To prepare ScanNet: data/scannet/README.md of MMDetection3D and its '
        'tools/create_data.py scannet. Synthetic rooms of this layout: '
        'tools/dataset_converters/make_synthetic_scenes.py.'
    )

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        *,
        ann_file: str | None = None,
        task: str = 'detection',
        samples_per_scene: int = 1,
        scene_idxs: str | Sequence[int] | None = None,
        metainfo: dict | None = None,
        box_type_3d: str = BOX_TYPE,
        **kwargs: Any,
    ) -> None:
        check_choice('box_type_3d', box_type_3d, (BOX_TYPE,))
        check_choice('task', task, tuple(self.SOURCES))
        check_least('samples_per_scene', samples_per_scene, 1)
        self.task = task
        if task == 'segmentation':
            self.FILES = ('lidar_path', 'pts_semantic_mask_path')
        self.samples_per_scene = samples_per_scene
        self.scene_idxs = scene_idxs
        self._num_listed = 0
        super().__init__(
            data_root,
            split,
            ann_file=ann_file or f'{self.NAME}_infos_{split}.pkl',
            metainfo=metainfo,
            **kwargs,
        )

    @classmethod
    def known_classes(cls, cfg: dict) -> dict:
        """Name classes and colours of a configured data set."""
        named = (cfg.get('metainfo') or {}).get('classes')
        return cls._class_meta(cfg.get('task', 'detection'), named)

    def describe(self) -> None:
        """Name classes and colours, which `init_model` asks for."""
        named = self._metainfo.get('classes')
        self._metainfo = {
            **self._class_meta(self.task, named),
            **self._metainfo,
        }

    def label_of(self, sample: dict) -> str:
        """Name the kind by which ``label_fraction`` divides: one of all."""
        return 'scene'

    def required(self) -> list[tuple[str, str]]:
        """Name the list of scenes and the folders."""
        needed = [
            ('the list of its scenes', self.ann_file),
            ('the folder of points', self._folder('pts')),
        ]
        if self.task == 'segmentation':
            path = self._folder('pts_semantic_mask')
            needed.append(('the folder of classes', path))
        if isinstance(self.scene_idxs, str):
            path = os.path.join(self.data_root, self.scene_idxs)
            needed.append(('the list scene_idxs', path))
        return needed

    def list_samples(self) -> list[dict]:
        """List every scene as MMDetection3D does."""
        source = self._build_source()
        known = type(source).METAINFO['classes']
        infos = self._read_infos(known)
        self._metainfo = {
            **source.metainfo,
            **self._class_meta(self.task, source.metainfo['classes']),
            **self._metainfo,
            'box_type_3d': BOX_TYPE,
        }
        self._num_listed = len(infos)
        samples = []
        for number, info in enumerate(infos):
            sample = source.parse_data_info(info)
            sample = {**sample['lidar_points'], **sample}
            # Of SUN RGB-D; not read.
            sample.pop('images', None)
            for key in ('ann_info', 'eval_ann_info'):
                if 'gt_labels_3d' in sample.get(key, ()):
                    _drop_other_classes(sample[key])
            samples.append(dict(sample, split=self.split, scene=number))
        return samples

    def load_data_list(self) -> list[dict]:
        """List every sample; those of a scene are alike."""
        scenes = super().load_data_list()
        if self.scene_idxs is not None:
            by_number = {scene['scene']: scene for scene in scenes}
            numbers = self._read_scene_idxs()
            scenes = [by_number[n] for n in numbers if n in by_number]
            if not scenes:
                raise ValueError(
                    f'scene_idxs={self.scene_idxs!r} names none of the '
                    f'{len(by_number)} scenes in {self.ann_file} that '
                    f'label_fraction={self.label_fraction} keeps; raise it, '
                    'or set scene_idxs to None'
                )
        repeats = range(self.samples_per_scene)
        return [dict(scene) for scene in scenes for _ in repeats]

    def get_data_info(self, idx: int) -> dict:
        """Give a sample's information."""
        from mmdet3d.structures import get_box_type

        info = super().get_data_info(idx)
        info['box_type_3d'], info['box_mode_3d'] = get_box_type(BOX_TYPE)
        return info

    @classmethod
    def _class_meta(cls, task: str, named: Sequence[str] | None) -> dict:
        """Give names and colours of all or some classes of a task."""
        meta = DATASETS.get(cls.SOURCES[task]).METAINFO
        colors = dict(zip(meta['classes'], meta['palette'], strict=False))
        classes = tuple(named or meta['classes'])
        if not colors.keys() >= {*classes}:
            return dict(classes=classes)
        return dict(classes=classes, palette=[colors[one] for one in classes])

    def _folder(self, name: str) -> str:
        return os.path.join(self.data_root, _FOLDERS[name])

    def _build_source(self) -> BaseDataset:
        """Build MMDetection3D's data set, without its list."""
        cls = DATASETS.get(self.SOURCES[self.task])
        known = cls.METAINFO['classes']
        classes = self._metainfo.get('classes', known)
        for name in classes:
            check_choice('each of metainfo.classes', name, known)
        return cls(
            data_root=self.data_root,
            ann_file=self.ann_file,
            metainfo=dict(classes=tuple(classes)),
            data_prefix=dict(_FOLDERS),
            modality=dict(use_lidar=True, use_camera=False),
            test_mode=self.test_mode,
            lazy_init=True,
        )

    def _read_infos(self, known: Sequence[str]) -> list[dict]:
        """Read the list; number boxes as its own categories say."""
        content = read_arrays_pickle(self.ann_file)
        content = content if isinstance(content, dict) else {}
        categories = (content.get('metainfo') or {}).get('categories')
        categories = categories or {n: i for i, n in enumerate(known)}
        infos = read_scene_infos(self.ann_file, len(categories))
        names = {number: name for name, number in categories.items()}
        numbers = {name: number for number, name in enumerate(known)}
        unknown: Counter = Counter()
        for box in (box for info in infos for box in info['instances']):
            name = names.get(box['bbox_label_3d'])
            box['bbox_label_3d'] = numbers.get(name, -1)
            unknown[name] += name is not None and name not in numbers
        unknown = +unknown
        if unknown:
            log_once(
                f'{self.ann_file}: left out {sum(unknown.values())} boxes of '
                f'categories that are none of {self.SOURCES[self.task]}: '
                f'{dict(unknown)}'
            )
        missing = sum(
            'axis_align_matrix' not in info for info in content['data_list']
        )
        if missing and self.NAME == 'scannet':
            log_once(
                f'{self.ann_file}: {missing} of {len(infos)} scenes have no '
                'axis_align_matrix, their points are taken as aligned with '
                'the boxes'
            )
        return infos

    def _read_scene_idxs(self) -> list[int]:
        """Read the number of the scene of every sample."""
        numbers, path = np.asarray(self.scene_idxs), 'scene_idxs'
        if isinstance(self.scene_idxs, str):
            path = os.path.join(self.data_root, self.scene_idxs)
            with reading(path, 'a NumPy array'):
                numbers = read_npy(path).points
        count = self._num_listed
        sound = numbers.ndim == 1 and numbers.dtype.kind in 'iu'
        if not sound or not np.isin(numbers, range(count)).all():
            raise BadSampleError(
                path,
                f'expected numbers from 0 to {count - 1}, of the scenes in '
                f'{self.ann_file}, got {numbers!r}',
            )
        return numbers.tolist()


def _drop_other_classes(annotations: dict) -> None:
    """Leave out boxes with the label -1, those of classes not asked for."""
    kept = annotations['gt_labels_3d'] >= 0
    for key in ('gt_labels_3d', 'gt_bboxes_3d'):
        annotations[key] = annotations[key][kept]
    annotations.pop('instances', None)
