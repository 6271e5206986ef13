"""Networks of 3DETR equal the published ones, losses and gradients too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmdet3d_act.converters.keys import DETECTOR
from mmdet3d_act.registry import HAS_MMDET3D
from tests.test_reference import networks
from tests.test_reference.detectors import filled, true_instances
from tests.test_reference.harness import Reference, fixture_params
from tests.test_reference.test_published_files import network_of

COVERS = ('detector',)
# The full-size fixture keeps a part of the feature arrays.
CHANNEL_STEP, POINT_STEP = 8, 16
needs_boxes = pytest.mark.skipif(
    not HAS_MMDET3D, reason='MMDetection3D is not installed'
)


def parts(arrays: Mapping[str, np.ndarray], network: nn.Module) -> dict:
    """Return what the network computes on its way, by published name."""
    backbone, head = network.backbone, network.bbox_head
    (points,) = networks.tensors(arrays, 'point_clouds')
    pre = backbone.set_abstraction(points)
    feats = backbone(points)
    outputs = head(feats)
    scene_range = outputs['scene_range']
    _, queries, query_pos = head.get_queries(feats['centers'], scene_range)
    scene = head.project(feats['features'])
    decoded = head.decoder(
        query_pos, scene, head.pos_embed(feats['centers'], scene_range)
    )
    return {
        'dims_min': scene_range[0],
        'dims_max': scene_range[1],
        'pre_xyz': pre.centers,
        'pre_inds': pre.indices,
        'pre_features': pre.features.transpose(1, 2),
        'enc_xyz': feats['centers'],
        'enc_inds': places(feats['sa_indices'][-1], pre.indices),
        'enc_features': feats['features'].permute(2, 0, 1),
        'enc_projected': scene.transpose(1, 2),
        'query_xyz': queries,
        'query_embed': query_pos.transpose(1, 2),
        'decoder_last': decoded[-1].transpose(0, 1),
        **predictions(outputs),
    }


def places(rows: Tensor, among: Tensor) -> Tensor:
    """Return where rows stand among others: the published ones count so."""
    return (among[:, None] == rows[..., None]).int().argmax(-1)


def predictions(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {
        'sem_cls_logits': outputs['cls_logits'],
        'angle_logits': outputs['angle_logits'],
        'angle_residual_normalized': outputs['angle_residual'],
    }
    last = {f'out_{key}': value[-1] for key, value in named.items()}
    logits = outputs['cls_logits'][:-1]
    return last | {
        f'aux{layer}_sem_cls_logits': value
        for layer, value in enumerate(logits)
    }


def thinned(results: dict, arrays: Mapping[str, np.ndarray]) -> dict:
    """Return results in the shapes of a fixture that keeps parts of them."""
    cut = {
        'pre_features': (1, 2),
        'enc_projected': (1, 2),
        'enc_features': (2, 0),
        'query_embed': (1, None),
        'decoder_last': (2, None),
    }
    for name, (channel, point) in cut.items():
        if name not in arrays or arrays[name].shape == results[name].shape:
            continue
        slices = [slice(None)] * 3
        slices[channel] = slice(None, None, CHANNEL_STEP)
        if point is not None:
            slices[point] = slice(None, None, POINT_STEP)
        results[name] = results[name][tuple(slices)]
    return {key: value for key, value in results.items() if key in arrays}


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_network(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    network = filled(reference, name)
    with torch.no_grad():
        results = thinned(parts(arrays, network), arrays)
    reference.assert_some(name, results)


@needs_boxes
@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_loss_and_gradients(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    network = filled(reference, name)
    (points,) = networks.tensors(arrays, 'point_clouds')
    feats = network.backbone(points)
    head = network.bbox_head
    truth = true_instances(arrays, head.box_coder.num_angle_bins)
    samples = [BaseDataElement(gt_instances_3d=own) for own in truth]
    losses = head.loss(feats, samples)
    total = sum(value for key, value in losses.items() if 'loss' in key)
    total.backward()
    rename = networks.renamed(meta['param_names'], DETECTOR)
    norms = networks.grad_norms(network, rename)
    assert None not in norms.values()
    results = {'loss_total': total}
    if 'grad_norm' in arrays:
        results['grad_norm'] = reference.grad_array(name, norms)
    reference.assert_some(name, results)


@needs_boxes
@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_file(reference: Reference, name: str, tmp_path: Path) -> None:
    """A published file, converted and loaded, gives the detections."""
    arrays, meta = reference.load(name)
    args = meta['args']
    options = {
        'backbone.num_groups': args['preenc_npoints'],
        'backbone.num_heads': args['enc_nhead'],
        'bbox_head.num_heads': args['dec_nhead'],
        'bbox_head.num_queries': args['nqueries'],
    }
    model = network_of(reference, name, tmp_path, options)
    assert type(model).__name__ == 'ThreeDETR'
    (points,) = networks.tensors(arrays, 'point_clouds')
    samples = [BaseDataElement() for _ in points]
    with torch.no_grad():
        outputs = model({'points': points})
        model({'points': points}, samples, mode='predict')
    reference.assert_matches(
        name, 'out_sem_cls_logits', outputs['cls_logits'][-1]
    )
    if 'det_count' in arrays:
        found = [sample.pred_instances_3d for sample in samples]
        assert [len(one.scores_3d) for one in found] == (
            arrays['det_count'].tolist()
        )
        scores = torch.cat([one.scores_3d for one in found]).sort().values
        wanted = torch.from_numpy(arrays['det_score']).sort().values
        torch.testing.assert_close(scores, wanted, atol=2e-5, rtol=0)
