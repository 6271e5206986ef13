"""ShapeNet-55 as the published code lays it out."""

from __future__ import annotations

import os
from typing import ClassVar

from mmdet3d_act.datasets.base import read_lines
from mmdet3d_act.datasets.packs import PackableDataset
from mmdet3d_act.registry import DATASETS

_SYNSETS = (
    '02691156 airplane, 02747177 trash bin, 02773838 bag, 02801938 basket, '
    '02808440 bathtub, 02818832 bed, 02828884 bench, 02843684 birdhouse, '
    '02871439 bookshelf, 02876657 bottle, 02880940 bowl, 02924116 bus, '
    '02933112 cabinet, 02942699 camera, 02946921 can, 02954340 cap, '
    '02958343 car, 02992529 cellphone, 03001627 chair, 03046257 clock, '
    '03085013 keyboard, 03207941 dishwasher, 03211117 display, 03261776 '
    'earphone, 03325088 faucet, 03337140 file cabinet, 03467517 guitar, '
    '03513137 helmet, 03593526 jar, 03624134 knife, 03636649 lamp, 03642806'
    ' laptop, 03691459 loudspeaker, 03710193 mailbox, 03759954 microphone, '
    '03761084 microwave, 03790512 motorbike, 03797390 mug, 03928116 piano, '
    '03938244 pillow, 03948459 pistol, 03991062 flowerpot, 04004475 '
    'printer, 04074963 remote, 04090263 rifle, 04099429 rocket, 04225987 '
    'skateboard, 04256520 sofa, 04330267 stove, 04379243 table, 04401088 '
    'telephone, 04460130 tower, 04468005 train, 04530566 watercraft, '
    '04554684 washer'
)
SYNSET_NAMES: dict[str, str] = dict(
    entry.split(' ', 1) for entry in _SYNSETS.split(', ')
)
POINT_FOLDERS = ('shapenet_pc', 'shapenet_pc_masksurf_with_normal')


@DATASETS.register_module()
class ShapeNet55(PackableDataset):
    """ShapeNet-55: 52 470 object clouds of 55 categories, 8192 points each.

    A file's category is known from the WordNet synset that its name begins
    with; ``gt_label`` and ``category`` are absent where the synset is none
    of the 55.

    Args:
        data_root: Folder with ``ShapeNet-55/`` and the points.
        split: ``'train'``, ``'test'``, or ``'trainval'``, both in this order
            (each sample keeps the split of its list).
        **kwargs: Arguments of `PackableDataset`.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=tuple(SYNSET_NAMES.values()),
        categories=dict(SYNSET_NAMES),
        up_axis='y',
        normalization='unit_sphere',
    )
    SPLITS = ('train', 'test', 'trainval')
    TRAINVAL = ('train', 'test')
    LAYOUT = (
        'ShapeNet-55/{train,test}.txt with one <synset>-<id>.npy per line, '
        'and those files, (8192, 3) float32, in shapenet_pc/ or '
        'shapenet_pc_masksurf_with_normal/'
    )
    REMEDY = (
        'ShapeNet-55 is distributed with Point-BERT and Point-MAE; a '
        'stand-in of generated shapes is made by: python '
        'tools/dataset_converters/make_synthetic_shapes.py OUT, then set '
        'ACT_DATA_ROOT=OUT.'
    )

    def _list_files(self) -> dict[str, str]:
        folder = os.path.join(self.data_root, 'ShapeNet-55')
        return {
            part: os.path.join(folder, f'{part}.txt') for part in self.parts
        }

    def _point_folder(self) -> str:
        paths = [os.path.join(self.data_root, name) for name in POINT_FOLDERS]
        return next(filter(os.path.isdir, paths), paths[0])

    def required(self) -> list[tuple[str, str]]:
        """Name the folder of points and the lists."""
        lists = self._list_files().items()
        return [
            ('its points', self._point_folder()),
            *((f'its list of {part} files', path) for part, path in lists),
        ]

    def list_samples(self) -> list[dict]:
        """List file, split and category of every cloud."""
        folder = self._point_folder()
        classes = self._metainfo['classes']
        samples = []
        for part, path in self._list_files().items():
            for name in read_lines(path):
                sample = dict(
                    lidar_path=os.path.join(folder, name), split=part
                )
                category = SYNSET_NAMES.get(name.partition('-')[0])
                if category in classes:
                    sample['category'] = category
                    sample['gt_label'] = classes.index(category)
                samples.append(sample)
        return samples
