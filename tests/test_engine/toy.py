"""A model and a data set that train in milliseconds.

Registered in MMEngine's root registries, so that a config reaches them by
``custom_imports = dict(imports=[..., 'tests.test_engine.toy'])``.
"""

from __future__ import annotations

import os
import signal
from hashlib import pbkdf2_hmac
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset

ROOT = Path(__file__).resolve().parents[2]
NUM_FEATURES = 4


@MODELS.register_module()
class ToyRegressor(BaseModel):
    """Two layers, batch norm, dropout; and a temperature to schedule."""

    def __init__(self, needs: str | None = None) -> None:
        super().__init__()
        self.needs = needs
        self.temperature = 1.0
        self.losses: list[float] = []
        self.net = nn.Sequential(
            nn.Linear(NUM_FEATURES, 8),
            nn.BatchNorm1d(8),
            nn.Dropout(0.5),
            nn.Linear(8, 1),
        )

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Report the file that ``needs`` names, where it is absent."""
        path = cfg.get('needs')
        if path is None or Path(path).exists():
            return []
        return [f'{path} is missing; get it with: touch {path}']

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            losses = self.loss(inputs, data_samples)
            # Here, as `loss` may be compiled.
            self.losses.append(losses['loss'].item() / self.temperature)
            return losses
        return self.net(torch.stack(list(inputs)))

    def loss(self, inputs, data_samples):
        pred = self.net(torch.stack(list(inputs)))
        target = torch.stack(list(data_samples))
        loss = (pred.squeeze(-1) - target).square().mean()
        return dict(
            loss=loss * self.temperature,
            dtype_bits=torch.tensor(float(torch.finfo(pred.dtype).bits)),
        )


@DATASETS.register_module()
class ToyPoints(Dataset):
    """Samples with noise that depends on (seed, epoch, index)."""

    def __init__(self, length: int = 16) -> None:
        self.length = length
        self.metainfo = {}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        key = (getattr(index, 'seed', 0), getattr(index, 'epoch', 0))
        noise = np.random.default_rng((*key, int(index)))
        point = noise.normal(size=NUM_FEATURES).astype(np.float32)
        return dict(
            inputs=torch.from_numpy(point),
            data_samples=torch.tensor(float(point.sum())),
        )


@METRICS.register_module()
class ToyMean(BaseMetric):
    """Mean of all predictions, and their number."""

    def process(self, data_batch, data_samples):
        self.results.extend(float(pred) for pred in data_samples)

    def compute_metrics(self, results):
        return dict(mean=float(np.mean(results)), count=len(results))


@METRICS.register_module()
class ToyEndless(ToyMean):
    """Asks the last process to end, then computes for minutes in C."""

    def process(self, data_batch, data_samples):
        super().process(data_batch, data_samples)
        if get_rank() == get_world_size() - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def compute_metrics(self, results):
        return dict(mean=float(len(pbkdf2_hmac('sha1', b'', b'', 10**9))))


@HOOKS.register_module()
class ToyKill(Hook):
    """Ends the process's training in the middle of an epoch."""

    def __init__(self, at_iter: int) -> None:
        self.at_iter = at_iter

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        if runner.iter + 1 == self.at_iter:
            raise InterruptedError(f'killed at iteration {self.at_iter}')


@HOOKS.register_module()
class ToyRates(Hook):
    """Notes the learning rate of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append(runner.optim_wrapper.param_groups[0]['lr'])


@HOOKS.register_module()
class ToyDump(Hook):
    """Writes each process's losses, buffers and parameters at the end."""

    def after_train(self, runner):
        model = getattr(runner.model, 'module', runner.model)
        path = Path(runner.work_dir) / f'rank{get_rank()}.pth'
        losses = dict(running_losses=torch.tensor(model.losses))
        torch.save({**model.state_dict(), **losses}, path)


CONFIG = f"""
_base_ = [{str(ROOT / 'configs/_base_/default_runtime.py')!r}]
custom_imports = dict(
    imports=['mmdet3d_act', 'tests.test_engine.toy'],
    allow_failed_imports=False)
model = dict(type='ToyRegressor')
train_dataloader = dict(
    batch_size=4, num_workers=0, drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(type='ToyPoints'))
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=10)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=4, end=4)]
default_hooks = dict(
    logger=dict(interval=2), checkpoint=dict(interval=1, max_keep_ckpts=2))
test_dataloader = dict(
    batch_size=4, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ToyPoints', length=6))
test_evaluator = dict(type='ToyMean')
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=8)
visualizer = dict(vis_backends=[])
"""


def write_config(folder: Path, extra: str = '') -> Path:
    """Return the path of a toy config, with more lines at its end."""
    path = Path(folder) / 'toy.py'
    path.write_text(CONFIG + extra, encoding='utf-8')
    return path
