"""From a published file to ours: nothing is lost without a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import mmdet3d_act  # noqa: F401 (registers the networks)
from mmdet3d_act.converters import conversion
from mmdet3d_act.converters.model_configs import build_network
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.layers.frozen import FROZEN_SOURCE
from tests.test_converters import published

# Key list, task, and how many of its tensors are used and left.
FULL_SIZE = [
    ('act_dvae_vitb', 'autoencoder', 233, 0),
    ('act_dvae_clip_vitb16', 'autoencoder', 235, 0),
    ('act_dvae_bert_base_shallow', 'autoencoder', 277, 0),
    ('act_dvae_plain', 'autoencoder', 75, 0),
    ('act_pretrain_cls', 'distiller', 423, 6),
    ('act_pretrain_cls', 'backbone', 158, 271),
    ('act_pretrain_cls', 'autoencoder', 233, 196),
    ('act_cls_modelnet40_full', 'classifier', 174, 0),
    ('act_cls_modelnet40_full', 'backbone', 158, 16),
    ('act_cls_modelnet40_linear', 'classifier', 160, 0),
    ('act_cls_modelnet40_side', 'classifier', 194, 0),
    ('act_partseg', 'part_seg', 192, 0),
    ('act_partseg', 'backbone', 156, 36),
    ('act_semseg_s3dis', 'semantic_seg', 186, 0),
    ('pointmae_pretrain', 'distiller', 209, 0),
    ('pointmae_pretrain', 'backbone', 156, 53),
    ('pointmae_partseg', 'part_seg', 192, 0),
    ('pointbert_pretrain', 'backbone', 160, 251),
    ('pointbert_pretrain', 'autoencoder', 75, 336),
    ('pointbert_cls_modelnet40', 'backbone', 160, 4),
    ('maskpoint_pretrain_shapenet', 'backbone', 160, 206),
    ('maskpoint_cls_scanobjectnn', 'backbone', 160, 16),
    ('recon_pretrain_base', 'backbone', 156, 506),
    ('recon_cls_modelnet40', 'backbone', 156, 166),
]
SMALL = {'student.num_heads': 4, 'objectives.point_mae.neck.num_heads': 3}


@pytest.fixture
def point_mae(tmp_path: Path) -> Path:
    """A small Point-MAE file with all that released ones hold."""
    state = published.values(published.shapes('small_pointmae'))
    return published.write(tmp_path / 'pretrain.pth', state)


@pytest.mark.parametrize(('name', 'task', 'used', 'ignored'), FULL_SIZE)
def test_full_size(
    tmp_path: Path, name: str, task: str, used: int, ignored: int
) -> None:
    """Every name has a place of its shape, or a reason not to have one."""
    path = published.write(tmp_path / 'a.pth', published.hollow(name))
    result = conversion.plan_conversion(path, task)
    assert not result.missing
    assert not result.unexpected
    assert (len(result.used), len(result.ignored)) == (used, ignored)
    assert all(result.ignored.values())
    result.check()
    assert result.meta['converted']['task'] == task
    if 'backbone' in result.meta:
        code = [k for k in result.state if k.endswith('position_code')]
        assert len(code) == 1
        assert result.meta['backbone']['num_heads'] == 6


def test_stage2_and_pretrained_names_are_the_published_list(
    tmp_path: Path,
) -> None:
    """The decoder's ``cls_pos`` is not taken for the student's."""
    folders = (
        published.harness.chosen_folder(),
        published.harness.DEFAULT_FOLDERS[-1],
    )
    files = [one / 'load_stage2_into_classifier.json' for one in folders]
    listed = next((one for one in files if one.is_file()), None)
    if listed is None:
        pytest.skip('load_stage2_into_classifier.json is in no folder')
    state = published.values(published.shapes('small_distill_cls'))
    path = published.write(tmp_path / 'a.pth', state)
    result = conversion.plan_conversion(path, 'backbone')
    want = published.harness.read_json(listed)['cls_loss=True']['loaded']
    got = {name.removeprefix('ACT_encoder.') for name in result.used}
    assert got == set(want)
    assert 'cls_pos' in result.ignored
    same = result.state['cls_pos'] == state['ACT_encoder.cls_pos']
    assert same.all()


def test_a_whole_file(point_mae: Path, tmp_path: Path) -> None:
    result = conversion.plan_conversion(point_mae, options=SMALL)
    out = tmp_path / 'sub' / 'out.pth'
    conversion.write_checkpoint(out, result.state, result.meta)
    assert [one.name for one in out.parent.iterdir()] == ['out.pth']
    loaded = torch.load(out, weights_only=True)
    assert set(loaded) == {'meta', 'state_dict'}
    model = build_network(result.config)
    model.load_state_dict(loaded['state_dict'], strict=True)
    origin = loaded['meta']['converted']
    assert origin['source'] == 'pretrain.pth'
    assert origin['sha256'] == conversion.read_published(point_mae).sha256
    assert origin['format'] == 'point_mae_pretrain'
    assert (origin['group_size'], origin['num_groups']) == (16, 64)
    assert (origin['position'], origin['num_heads']) == ('before', 4)
    assert loaded['meta']['dataset_meta'] == dict(
        up_axis='y', normalization='unit_sphere'
    )
    config = Config.fromstring(loaded['meta']['cfg'], '.py')
    assert config.model.student.skip_origin is True
    assert config.model.type == 'Distiller'


def test_what_is_known_better_is_kept(point_mae: Path) -> None:
    result = conversion.plan_conversion(
        point_mae,
        'backbone',
        options={'num_heads': 4, 'num_groups': 20},
        dataset_meta={'up_axis': 'z'},
    )
    assert result.meta['dataset_meta']['up_axis'] == 'z'
    assert result.meta['backbone']['num_groups'] == 20
    assert result.meta['converted']['num_groups'] == 20


def test_scanobjectnn_has_more_patches(tmp_path: Path) -> None:
    for classes, groups, norm in ((15, 128, 'none'), (40, 64, 'unit_sphere')):
        state = published.hollow('act_cls_modelnet40_full')
        state['cls_head_finetune.8.weight'] = torch.zeros(classes, 256)
        state['cls_head_finetune.8.bias'] = torch.zeros(classes)
        path = published.write(tmp_path / 'a.pth', state)
        meta = conversion.plan_conversion(path).meta
        assert meta['backbone']['num_groups'] == groups
        assert meta['dataset_meta']['normalization'] == norm


NECK = 'objectives.point_mae.neck.norm.bias'


@pytest.mark.parametrize(
    ('changes', 'missing', 'unexpected'),
    [
        ({'MAE_encoder.norm.bias': None}, ['student.norm.bias'], []),
        (
            {'MAE_decoder.norm.bias': torch.zeros(5)},
            [f'{NECK}: expected (48,), got (5,)'],
            [],
        ),
        ({'extra.weight': torch.zeros(2)}, [], ['extra.weight']),
        (
            {'MAE_encoder.blocks.blocks.0.ls1.gamma': torch.zeros(48)},
            [],
            ['MAE_encoder.blocks.blocks.0.ls1.gamma'],
        ),
        ({'version': 3}, [], ['version (int)']),
    ],
)
def test_other_parameters(
    point_mae: Path, changes: dict, missing: list, unexpected: list
) -> None:
    """What is missing is an error, what is unexpected unless allowed."""
    state = conversion.read_published(point_mae).state | changes
    kept = {name: v for name, v in state.items() if v is not None}
    published.write(point_mae, kept)
    result = conversion.plan_conversion(point_mae, options=SMALL)
    assert (result.missing, result.unexpected) == (missing, unexpected)
    assert not set(changes) & set(result.used) - {'MAE_decoder.norm.bias'}
    assert 'student.blocks.0.ls1.gamma' not in result.state
    (name,) = missing or unexpected
    assert f'1\n    {name}' in result.report()
    with pytest.raises(ValueError, match=re.escape(name)):
        result.check(allow_unexpected=bool(missing))
    if unexpected:
        result.check(allow_unexpected=True)


def test_recon_has_residuals_of_its_own(tmp_path: Path) -> None:
    path = published.write(
        tmp_path / 'a.pth', published.hollow('recon_pretrain_base')
    )
    result = conversion.plan_conversion(path)
    assert result.config['residual'] == 'normed'
    assert result.config['with_cls_token'] is False
    conversion.write_checkpoint(tmp_path / 'b.pth', result.state, result.meta)
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'b.pth'))
    plain = PointTransformer(with_cls_token=False, init_cfg=init)
    with pytest.raises(ValueError, match="trained with residual='normed'"):
        plain.init_weights()


def test_the_teacher_comes_along(tmp_path: Path) -> None:
    state = published.values(published.shapes('small_distill'))
    path = published.write(tmp_path / 'a.pth', state)
    result = conversion.plan_conversion(path)
    inner = 'objectives.act.target_generator.autoencoder.module.'
    prompts = result.state[f'{inner}teacher.prompts.tokens']
    first = state['dvae_tokenizer.visual_prompt_token']
    assert torch.equal(prompts[:1], first)
    assert not any(FROZEN_SOURCE in name for name in result.state)
    assert 'dvae_tokenizer.deep_prompt_tokens' in result.used
