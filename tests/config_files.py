"""The configs of the repository, and their parts, for the tests of them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

from mmdet3d_act.datasets.base import iter_dataset_cfgs
from tests.small_data import ROOT

CONFIGS = ROOT / 'configs'
LEAVES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
VARIABLES = (
    'ACT_CLOUDS',
    'ACT_DATA_ROOT',
    'ACT_PRETRAINED',
    'CONCEPT_PRETRAINED',
    'POINT_MAE_PRETRAINED',
)
SMALL = ('tiny', 'demo')
FULL_SIZE = [name for name in LEAVES if not Path(name).stem.endswith(SMALL)]
STEPS = (
    'dvae|pretrain|probe-reconstruction|cls|fewshot|partseg|semseg|'
    '3detr(?:-m)?'
)
WORD = r'[a-z0-9]+(?:-[a-z0-9]+)*'
# Point-BERT's tokenizer is a step without a method's name; it is ACT's first.
NAME = re.compile(
    rf'(?:(?P<method>{WORD})_)?(?P<step>{STEPS})_(?P<data>{WORD})'
    rf'(?:_(?P<variant>{WORD}))?'
)
RUN = {
    'train_cfg.max_epochs': 1,
    'train_cfg.val_interval': 1,
    'default_hooks.logger.interval': 1,
    # Processes would take longer to start than to work.
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
}


def load(name: str) -> Config:
    return Config.fromfile(CONFIGS / name)


@cache
def peek(name: str) -> Config:
    """Return a config that is read once, and only looked at.

    Without the environment's variables, which differ between tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        for variable in VARIABLES:
            patch.delenv(variable, raising=False)
        return load(name)


def step_of(name: str) -> str:
    """Return which step of a method a config is."""
    return NAME.fullmatch(Path(name).stem)['step']


def bases(path: Path) -> list[Path]:
    """Return the files of ours that a config names as its bases."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            value = ast.literal_eval(node.value)
            names = [value] if isinstance(value, str) else value
            own = [name for name in names if '::' not in name]
            return [(path.parent / name).resolve() for name in own]
    return []


def inheritance(path: Path) -> int:
    return max((1 + inheritance(base) for base in bases(path)), default=0)


def loaders(cfg: Config) -> list[dict]:
    own = [v for k, v in cfg.items() if k.endswith('_dataloader') and v]
    hooks = [hook.get('dataloader') for hook in cfg.custom_hooks]
    return own + [loader for loader in hooks if loader]


def data_sets(cfg: Config) -> list[dict]:
    tops = [loader['dataset'] for loader in loaders(cfg)]
    return [one for top in tops for one in iter_dataset_cfgs(top)]
