"""Models with their weights, and data to look at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from mmdet3d_act.apis import build_dataset, build_folder, load_model
from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.engine.launch import UsageError, load_config
from tests.test_apis.pretraining import NUM_POINTS
from tests.test_models import toys

pytestmark = pytest.mark.usefixtures('pretrained')


def test_all_weights_are_the_checkpoints(capsys) -> None:
    model = load_model(load_config('dvae.py'), 'dvae.pth', 'dvae.py')
    expected = torch.load('dvae.pth', weights_only=True)['state_dict']
    assert not model.training
    got = model.state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[key], expected[key]) for key in got)
    assert 'same before and after' not in capsys.readouterr().out
    assert MMLogger.get_current_instance().level != 30  # as it was


@pytest.mark.parametrize(
    ('config', 'checkpoint', 'message'),
    [
        ('dvae.py', 'mae.pth', 'DiscreteVAE.*dvae.py'),
        ('mae.py', 'dvae.pth', 'Distiller.*mae.py'),
        ('mae.py', 'student.pth', 'norm.weight.*extra.*mae.py'),
        ('dvae.py', 'wide.pth', 'shape.*dvae.py'),
    ],
)
def test_wrong_checkpoints_are_explained(config, checkpoint, message) -> None:
    state = torch.load('mae.pth', weights_only=True)['state_dict']
    state['student.extra'] = state.pop('student.norm.weight')
    torch.save(dict(state_dict=state), 'student.pth')
    wide = toys.vae(num_codes=2 * toys.NUM_CODES).state_dict()
    torch.save(wide, 'wide.pth')
    with pytest.raises(CheckpointError, match=f'(?s){message}'):
        load_model(load_config(config), checkpoint, config)


def test_data_sets_of_a_config() -> None:
    cfg = load_config('dvae.py')
    assert len(build_dataset(cfg, 'dvae.py')) == 18
    train = build_dataset(cfg, 'dvae.py', 'train')
    assert len(train) == 12
    assert train.metainfo['up_axis'] == 'z'
    with pytest.raises(UsageError, match='has no test_dataloader'):
        build_dataset(cfg, 'dvae.py', 'test')
    cfg.train_dataloader.dataset.data_root = 'absent'
    with pytest.raises(UsageError, match='absent'):
        build_dataset(cfg, 'dvae.py', 'train')


def test_a_folder_is_prepared_for_the_model(pretrained) -> None:
    cfg = load_config('dvae.py')
    # Fewer points than the model is fed are repeated.
    np.save('clouds/test/stick/few.npy', np.random.rand(40, 3))
    dataset = build_folder(
        cfg, 'clouds/test', classes=['blob', 'stick'], up_axis='x'
    )
    assert len(dataset) == 7
    assert dataset.metainfo['up_axis'] == 'x'
    for sample in dataset:
        points = sample['inputs']['points']
        assert points.shape == (NUM_POINTS, 3)
        assert points.norm(dim=1).max() <= 1.0001
    labels = [int(s['data_samples'].gt_label) for s in dataset]
    assert labels == [0, 0, 0, 1, 1, 1, 1]
    with pytest.raises(UsageError, match='no such folder: nowhere'):
        build_folder(cfg, 'nowhere')
    (pretrained / 'bare').mkdir()
    with pytest.raises(UsageError, match='bare cannot be used'):
        build_folder(cfg, 'bare')
