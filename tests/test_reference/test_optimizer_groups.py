"""Learning rate, decay and what is decayed equal the published groups."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmdet3d_act.converters import keys
from mmdet3d_act.converters.keys import CLASSIFIER, teacher_names
from tests.config_files import CONFIGS, load
from tests.test_reference import networks
from tests.test_reference.harness import Reference, fixture_params, listed
from tests.test_reference.test_autoencoders import autoencoder_of
from tests.test_reference.test_classifiers import TRANSFERS, full_size
from tests.test_reference.test_distill import distiller_of

FILE = 'optimizer_groups.json'
SCHEDULES = CONFIGS / '_base_' / 'schedules'


def assert_groups(
    entry: Mapping, model: nn.Module, cfg: Config, ours: Mapping[str, str]
) -> None:
    """Compare an optimiser with a published one.

    Args:
        entry: The published groups.
        model: With all and only the parameters that are trained.
        cfg: Config of our optimiser wrapper.
        ours: Official name to ours.
    """
    optimizer = build_optim_wrapper(model, cfg).optimizer
    own = {id(param): name for name, param in model.named_parameters()}
    got = {
        group['weight_decay']: networks.without_depth(
            own[id(param)] for param in group['params']
        )
        for group in optimizer.param_groups
    }
    # Two official parameters may be one of ours: a set has it once.
    expected = {
        group['weight_decay']: networks.without_depth(own.values())
        & networks.without_depth(ours[n] for n in group['names'] if n in ours)
        for group in entry['groups']
    }
    assert got == expected
    assert {group['lr'] for group in optimizer.param_groups} == {entry['lr']}
    assert list(optimizer.defaults['betas']) == entry['betas']
    assert optimizer.defaults['eps'] == entry['eps']


@pytest.mark.parametrize('transfer', ['full', 'linear', 'bit-fit', 'side'])
def test_fine_tuning(transfer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = listed(FILE)[f'finetune_{transfer}']
    monkeypatch.setenv('ACT_TRANSFER', TRANSFERS[transfer])
    cfg = load('act/act_cls_modelnet40.py')
    names = [name for group in entry['groups'] for name in group['names']]
    ours = networks.renamed(names, CLASSIFIER)
    assert set(ours) == set(names)
    assert_groups(entry, full_size(transfer), cfg.optim_wrapper, ours)


def list_of(title: str) -> tuple[dict, list[str]]:
    """Return a published optimiser, and the names in it."""
    listing = listed(FILE)
    entry = next(v for k, v in listing.items() if k.startswith(title))
    return entry, [n for group in entry['groups'] for n in group['names']]


def is_of(meta: Mapping, names: list[str]) -> bool:
    """Whether a list is one of a fixture's network, up to its depth."""
    return networks.without_depth(meta['param_names']) >= (
        networks.without_depth(names)
    )


@pytest.mark.parametrize('name', fixture_params('autoencoder_vit'))
def test_stage_1(reference: Reference, name: str) -> None:
    entry, names = list_of('stage1_act_vit_deep')
    meta = reference.load(name)[1]
    if not (meta['config']['use_deep_prompt'] and is_of(meta, names)):
        pytest.skip('the list is of deep prompts')
    model, _ = autoencoder_of(reference, name)
    teacher = {
        name: new[0] if isinstance(new, tuple) else new
        for name, new in teacher_names(names).items()
    }
    rest = [name for name in names if name not in teacher]
    ours = {**teacher, **networks.renamed(rest, keys.AUTOENCODER)}
    assert set(ours) == set(names)
    cfg = Config.fromfile(SCHEDULES / 'act_dvae_300e.py')
    assert_groups(entry, model, cfg.optim_wrapper, ours)


@pytest.mark.parametrize('name', fixture_params('distill'))
def test_stage_2(reference: Reference, name: str) -> None:
    entry, names = list_of('stage2_distill')
    if reference.load(name)[1]['config']['transformer_config']['cls_loss']:
        pytest.skip('the list is without the class branch')
    ours = networks.renamed(names, keys.ACT_PRETRAINING)
    # The heads that no gradient reaches are not in our networks.
    assert all('_head.' in name for name in set(names) - set(ours))
    cfg = Config.fromfile(SCHEDULES / 'act_pretrain_300e.py')
    model = distiller_of(reference, name)
    assert_groups(entry, model, cfg.optim_wrapper, ours)
