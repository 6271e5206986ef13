"""A classifier with a backbone, and folds of points, for toy experiments.

Registered in MMEngine's root registries; configs import this module.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import DATASETS, METRICS, MODELS
from torch import Tensor, nn
from torch.utils.data import Dataset

from tests.small_data import ROOT

NUM_CLASSES = 4
CHANNELS = 3


@MODELS.register_module()
class ToyBackbone(BaseModule):
    """One layer, perhaps with weights that no ``init_cfg`` names."""

    def __init__(
        self, init_cfg: dict | None = None, weights: str | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.layer = nn.Linear(CHANNELS, 8)
        if weights is not None:
            state = torch.load(weights, weights_only=True)['state_dict']
            self.load_state_dict(state)

    def forward(self, points: Tensor) -> Tensor:
        return self.layer(points).relu()


@MODELS.register_module()
class ToyClassifier(BaseModel):
    """Backbone and linear head."""

    def __init__(self, backbone: dict) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.head = nn.Linear(8, NUM_CLASSES)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        logits = self.head(self.backbone(torch.stack(list(inputs))))
        labels = torch.as_tensor(data_samples)
        if mode == 'loss':
            return dict(loss=nn.functional.cross_entropy(logits, labels))
        return (logits.argmax(dim=1) == labels).tolist()


@DATASETS.register_module()
class ToyFolds(Dataset):
    """Points around class centres; each fold has its own."""

    def __init__(
        self,
        split: str,
        way: int = 2,
        shot: int = 8,
        fold: int = 0,
        label_fraction: float = 1.0,
        label_seed: int = 0,
    ) -> None:
        self.metainfo = {}
        self.label_seed = label_seed
        rng = np.random.default_rng((fold, split == 'train', label_seed))
        count = max(1, round(shot * label_fraction))
        labels = np.repeat(np.arange(way), count)
        centers = np.random.default_rng(fold).normal(size=(way, CHANNELS))
        points = centers[labels] + 0.5 * rng.normal(size=(len(labels), 3))
        self.points = torch.from_numpy(points.astype(np.float32))
        self.labels = labels.tolist()

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Report a fold with too many classes."""
        way = cfg.get('way', 2)
        wrong = f'way must be <= {NUM_CLASSES}, got {way}'
        return [wrong] if way > NUM_CLASSES else []

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        index = int(index)
        return dict(inputs=self.points[index], data_samples=self.labels[index])


@METRICS.register_module()
class ToyAccuracy(BaseMetric):
    """Accuracy and error, in percent, and a table that is no number."""

    default_prefix = ''

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        accuracy = 100 * float(np.mean(results))
        return dict(accuracy=accuracy, error=100 - accuracy, table=results)


CONFIG = f"""
_base_ = [{str(ROOT / 'configs/_base_/default_runtime.py')!r}]
custom_imports = dict(
    imports=['mmdet3d_act', 'tests.test_apis.experimenting'],
    allow_failed_imports=False)
model = dict(type='ToyClassifier', backbone=dict(type='ToyBackbone'))
train_dataloader = dict(
    batch_size=8, num_workers=0, drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(type='ToyFolds', split='train', way=2, shot=8, fold=0))
val_dataloader = dict(
    batch_size=8, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ToyFolds', split='test', way=2, shot=8, fold=0))
test_dataloader = val_dataloader
val_evaluator = dict(type='ToyAccuracy')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.05))
param_scheduler = []
default_hooks = dict(
    logger=dict(interval=2), checkpoint=dict(interval=1, max_keep_ckpts=5))
visualizer = dict(vis_backends=[])
"""


def write_experiment(folder: Path, name: str = 'toy.py', extra: str = ''):
    """Write a config and ``backbone.pth``, weights of its backbone."""
    (folder / name).write_text(CONFIG + extra, encoding='utf-8')
    torch.manual_seed(7)
    state = {
        f'layer.{k}': v for k, v in nn.Linear(CHANNELS, 8).state_dict().items()
    }
    torch.save(dict(state_dict=state), folder / 'backbone.pth')
