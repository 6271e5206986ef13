"""Configs and checkpoints of tiny pretrainings, on labelled clouds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.small_data import ROOT
from tests.test_models import toys
from tests.test_visualization.distillers import distiller

CLASSES = ('blob', 'stick')
NUM_POINTS = 64
MODELS = {
    'dvae.py': toys.VAE,
    'mae.py': dict(
        type='Distiller',
        student=toys.STUDENT,
        mask=dict(type='RandomPatchMask', ratio=0.5),
        objectives=dict(
            points=dict(
                target_generator=dict(type='PatchCoordinates'),
                neck=dict(
                    type='MaskDecoder',
                    embed_dims=toys.DIMS,
                    num_layers=1,
                    num_heads=4,
                ),
                head=dict(
                    type='CoordinateHead',
                    embed_dims=toys.DIMS,
                    group_size=toys.GROUP_SIZE,
                ),
            )
        ),
    ),
}
CONFIG = f"""
_base_ = [{str(ROOT / 'configs/_base_/default_runtime.py')!r}]
pipeline = [
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points={NUM_POINTS}, method='fps'),
    dict(type='NormalizeToUnitSphere'),
    dict(type='PackPointInputs')]
val_dataloader = dict(
    batch_size=4,
    dataset=dict(type='ConcatDataset', datasets=[
        dict(type='PointFolder', data_root='clouds', split=split,
             classes='folders', test_mode=True, pipeline=pipeline)
        for split in ('train', 'test')]))
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        type='PointFolder', data_root='clouds', split='train', up_axis='z',
        static_pipeline=pipeline[:-1],
        pipeline=[dict(type='RandomPointScaleShift'), pipeline[-1]]))
"""


def write_pretrainings(folder: Path, train: int = 6, test: int = 3) -> None:
    """Write configs, checkpoints and clouds of two easy classes."""
    rng = np.random.default_rng(0)
    for split, count in (('train', train), ('test', test)):
        for label, name in enumerate(CLASSES):
            place = folder / 'clouds' / split / name
            place.mkdir(parents=True)
            for index in range(count):
                cloud = rng.normal(size=(80, 3)) * (1, 1 - 0.9 * label, 1)
                cloud[:, 2] *= 1 - 0.9 * label
                np.save(place / f'{name}{index}.npy', cloud)
    for name, model in MODELS.items():
        text = f'{CONFIG}\nmodel = {model!r}\n'
        (folder / name).write_text(text, encoding='utf-8')
    states = {
        'dvae.pth': toys.vae().state_dict(),
        'mae.pth': distiller('points').state_dict(),
    }
    for name, state in states.items():
        torch.save(dict(state_dict=state), folder / name)
