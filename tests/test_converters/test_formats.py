"""Every published list of names is recognised, and as nothing else."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.converters import formats
from tests.test_converters import published
from tests.test_models import toys

# Key list to format.
KNOWN = {
    'act_dvae_vitb': 'act_stage1',
    'act_dvae_clip_vitb16': 'act_stage1',
    'act_dvae_bert_base_shallow': 'act_stage1',
    'act_dvae_plain': 'point_bert_dvae',
    'act_pretrain_cls': 'act_stage2',
    'act_cls_modelnet40_full': 'classifier',
    'act_cls_modelnet40_linear': 'classifier',
    'act_cls_modelnet40_side': 'classifier',
    'act_partseg': 'part_segmentation',
    'act_semseg_s3dis': 'semantic_segmentation',
    'pointmae_pretrain': 'point_mae_pretrain',
    'pointmae_partseg': 'part_segmentation',
    'pointbert_pretrain': 'point_bert_pretrain',
    'pointbert_cls_modelnet40': 'other_classifier',
    'maskpoint_pretrain_shapenet': 'maskpoint_pretrain',
    'maskpoint_cls_scanobjectnn': 'other_classifier',
    'recon_pretrain_base': 'recon_pretrain',
    'recon_cls_modelnet40': 'recon_classifier',
    'maskpoint_pretrain_scannet_enc3': 'maskpoint_scannet',
    '3detr_scannet': '3detr',
    '3detr_m_scannet_color': '3detr',
    '3detr_sunrgbd': '3detr',
    '3detr_maskpoint_enc12_scannet': '3detr',
}


@pytest.mark.parametrize('name', KNOWN)
def test_published_lists(name: str) -> None:
    assert formats.recognize(published.hollow(name)) == KNOWN[name]


def test_every_format_that_converts_was_tried() -> None:
    assert set(formats.FORMATS) == set(KNOWN.values())


def test_heads_of_other_shapes_are_not_ours() -> None:
    head = 'cls_head_finetune.{}.weight'.format
    ours = {head(0): torch.ones(15, 768)}
    assert formats.recognize(ours) == 'classifier'
    deep = {head(i): torch.ones(256, 256) for i in (0, 1, 4, 5, 8)}
    assert formats.recognize(deep) == 'classifier'
    uneven = {**deep, head(0): torch.ones(512, 768)}
    assert formats.recognize(uneven) == 'other_classifier'
    shallow = {head(i): torch.ones(256, 256) for i in (0, 3)}
    assert formats.recognize(shallow) == 'other_classifier'


@pytest.mark.parametrize(
    ('state', 'reason'),
    [
        # Our own need no conversion.
        (lambda: toys.student().state_dict(), 'extract_backbone'),
        (lambda: toys.vae().state_dict(), 'extract_backbone'),
        (lambda: torch.nn.Linear(2, 2).state_dict(), r'weight, bias, .* \(2'),
    ],
)
def test_what_is_not_converted(state, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        formats.recognize(state())
