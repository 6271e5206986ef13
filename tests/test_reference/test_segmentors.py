"""Part and semantic segmentation networks equal the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmdet3d_act.checkpoint import under_prefix
from mmdet3d_act.converters import keys
from mmdet3d_act.converters.keys import (
    PART_SEGMENTOR,
    SEMANTIC_SEGMENTOR,
)
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.heads import PartSegHead, SemanticSegHead
from mmdet3d_act.models.segmentors import PointSegmentor
from mmdet3d_act.registry import point_data
from tests.test_reference import networks
from tests.test_reference.harness import Reference, fixture_params

COVERS = ('partseg', 'semseg')
TAPS = (3, 7, 11)


def segmentor(arrays: Mapping[str, np.ndarray], **options: Any) -> Any:
    """Return a network of the published sizes."""
    num_classes = arrays['log_prob_sub'].shape[-1]
    head = (
        PartSegHead(num_classes, num_categories=16)
        if 'shape_class' in arrays
        else SemanticSegHead(num_classes, class_weight=arrays['class_weight'])
    )
    backbone = PointTransformer(
        num_groups=arrays['center'].shape[1],
        with_cls_token=False,
        drop_path_rate=0.0,
        skip_origin=True,
        out_indices=TAPS,
        **options,
    )
    return PointSegmentor(backbone, head)


def inputs_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    (points,) = networks.tensors(arrays, 'points')
    inputs = {'points': points}
    if 'shape_class' in arrays:
        inputs['shape_label'] = torch.from_numpy(arrays['shape_class']).long()
    return inputs


def samples_of(arrays: Mapping[str, np.ndarray]) -> list[BaseDataElement]:
    targets = torch.from_numpy(arrays['target']).long()
    return [
        BaseDataElement(gt_pts_seg=point_data(pts_semantic_mask=target))
        for target in targets
    ]


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_segmentor(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    rules = PART_SEGMENTOR if 'shape_class' in arrays else SEMANTIC_SEGMENTOR
    state, unknown = keys.convert(reference.weights(name), rules)
    assert not unknown
    model = segmentor(arrays, norm_hidden_states=True)
    networks.fill(model, state)
    model.eval()
    inputs = inputs_of(arrays)

    feats = model.extract_feat(inputs)
    head = model.decode_head
    concat = torch.cat(feats['hidden_states'], dim=1)  # (B, C, G)
    tokens = concat.transpose(1, 2)
    spread = head.propagation(inputs['points'], feats['centers'], tokens)
    logits = head(feats)
    log_prob = logits.log_softmax(1).transpose(1, 2)
    losses = head.loss(feats, samples_of(arrays))
    losses['loss_sem_seg'].backward()
    right = logits.argmax(1) == torch.from_numpy(arrays['target'])
    assert losses['accuracy'] == right.float().mean()

    rename = networks.renamed(meta['param_names'], rules)
    is_center = torch.zeros(arrays['is_centre_point'].shape, dtype=torch.bool)
    is_center.scatter_(1, feats['sa_indices'][-1], True)
    reference.assert_all(
        name,
        {
            'center': feats['centers'],
            'is_centre_point': is_center,
            'concat_taps_sub': concat[:, ::6, ::8],
            'fp_out_sub': spread.transpose(1, 2)[:, ::16, ::32],
            'log_prob_sub': log_prob[:, ::4],
            # Our distances are the exact ones; both are within tolerance.
            'log_prob_sub_exact_distances': log_prob[:, ::4],
            'pred': logits.argmax(1).to(torch.uint8),
            'loss': losses['loss_sem_seg'],
            'grad_norm': reference.grad_array(
                name, networks.grad_norms(model, rename)
            ),
            **interpolation_alone(model, arrays),
            **taps(arrays, state, inputs['points']),
        },
    )


def interpolation_alone(
    model: PointSegmentor, arrays: Mapping[str, np.ndarray]
) -> dict[str, Tensor]:
    """Return what the interpolation module makes of its own inputs."""
    points, centers, features = (
        value.transpose(1, 2)
        for value in networks.tensors(arrays, 'fp_xyz1', 'fp_xyz2', 'fp_feat2')
    )
    propagation = model.decode_head.propagation
    spread = propagation(points, centers, features)
    single = propagation(points, centers[:, :1], features[:, :1])
    return {
        'fp_alone': spread.transpose(1, 2)[:, ::8],
        'fp_single_source': single.transpose(1, 2)[:, ::8],
    }


def taps(
    arrays: Mapping[str, np.ndarray],
    state: Mapping[str, Tensor],
    points: Tensor,
) -> dict[str, Tensor]:
    """Return the outputs of the blocks before the norm."""
    backbone = segmentor(arrays).backbone
    networks.fill(backbone, under_prefix(state, 'backbone.'))
    with torch.no_grad():
        states = backbone.eval()(points)['hidden_states']
    return {
        f'tap_{index}': hidden.transpose(1, 2)[:, ::8]
        for index, hidden in zip(TAPS, states, strict=True)
    }
