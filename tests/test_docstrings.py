"""The examples in the docstrings run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

import mmdet3d_act

# Packages without which a module may fail to import.
EXTRAS = {'mmcv', 'mmdet', 'mmdet3d', 'timm', 'transformers', 'open_clip'}

# Examples that show a data set on disk, or what a network predicted.
NEED_MORE = {
    'mmdet3d_act.datasets.transforms.images': 'frames and renders',
    'mmdet3d_act.evaluation.classification_metric': 'predictions',
    'mmdet3d_act.evaluation.linear_probe_metric': 'features',
    'mmdet3d_act.evaluation.reconstruction_metric': 'reconstructions',
}


def module_names() -> list[str]:
    found = pkgutil.walk_packages(
        mmdet3d_act.__path__, 'mmdet3d_act.', onerror=lambda name: None
    )
    return ['mmdet3d_act', *(info.name for info in found)]


def import_or_skip(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or '').split('.')[0] in EXTRAS:
            pytest.skip(f'{name} needs {error.name}')
        raise


def test_examples_are_found() -> None:
    module = import_or_skip('mmdet3d_act.models.layers.masking')
    examples = doctest.DocTestFinder().find(module)
    assert sum(len(example.examples) for example in examples) >= 2


def loaded_sample(name: str) -> dict:
    """Return what ``results`` stands for in the examples of transforms."""
    if not name.startswith('mmdet3d_act.datasets.transforms'):
        return {}
    structures = pytest.importorskip('mmdet3d.structures.points')
    coords = np.random.default_rng(0).normal(size=(1024, 3))
    points = structures.LiDARPoints(coords.astype(np.float32))
    return dict(results=dict(points=points, split='train', sample_idx=0))


@pytest.mark.parametrize('name', module_names())
def test_examples_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in NEED_MORE:
        pytest.skip(f'the example needs {NEED_MORE[name]}')
    module = import_or_skip(name)
    np.save(tmp_path / 'cloud.npy', np.ones((8192, 3), dtype=np.float32))
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    np.random.seed(0)
    # Its handler keeps the stream it finds: not that of the examples.
    MMLogger.get_current_instance()
    result = doctest.testmod(
        module,
        extraglobs=dict(torch=torch, nn=torch.nn, **loaded_sample(name)),
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert result.failed == 0, f'{result.failed} examples of {name} failed'
