"""3DETR networks with the weights of a fixture, and its true boxes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import nn

from mmdet3d_act.converters import keys
from mmdet3d_act.converters.keys import DETECTOR
from mmdet3d_act.datasets.scannet import DETECTION_IDS
from mmdet3d_act.models.backbones import ThreeDETREncoder
from mmdet3d_act.models.heads import ThreeDETRHead
from mmdet3d_act.models.losses import DetectionSetLoss
from mmdet3d_act.models.task_modules import HungarianSetAssigner
from mmdet3d_act.registry import depth_boxes
from tests.test_reference import networks
from tests.test_reference.harness import Reference


def detector_of(
    args: Mapping[str, Any], layers: int, classes: int, bins: int
) -> nn.Module:
    """Return the network of a fixture's command line.

    Args:
        args: The command line.
        layers: Of the encoder; 3DETR-m's number is not on the command line.
        classes: Their number.
        bins: Number of angle bins.
    """
    masked = args['enc_type'] == 'masked'
    network = nn.Module()
    network.backbone = ThreeDETREncoder(
        embed_dims=args['enc_dim'],
        num_layers=layers,
        num_heads=args['enc_nhead'],
        feedforward_dims=args['enc_ffn_dim'],
        num_groups=args['preenc_npoints'],
        masking_radii=(0.4, 0.8, 1.2) if masked else (),
        downsample_radius=0.4 if masked else None,
        downsample_channels=(256, 256),
        dropout=0.0,
        skip_origin=True,
    )
    hidden = (args['enc_dim'],) * (1 if masked else 2)
    network.bbox_head = ThreeDETRHead(
        classes,
        in_channels=args['enc_dim'],
        embed_dims=args['dec_dim'],
        num_queries=args['nqueries'],
        num_layers=args['dec_nlayers'],
        num_heads=args['dec_nhead'],
        feedforward_dims=args['dec_ffn_dim'],
        dropout=0.0,
        head_dropout=0.0,
        projection_channels=hidden,
        num_angle_bins=bins,
        skip_origin=True,
        **training_parts(args, classes),
    )
    return network


def training_parts(args: Mapping[str, Any], classes: int) -> dict[str, Any]:
    """Return assignment and loss of a fixture's command line."""
    return dict(
        assigner=HungarianSetAssigner(
            cls_cost=args['matcher_cls_cost'],
            giou_cost=args['matcher_giou_cost'],
            center_cost=args['matcher_center_cost'],
            objectness_cost=args['matcher_objectness_cost'],
            rotation='released',
        ),
        loss=DetectionSetLoss(
            classes,
            cls_weight=args['loss_sem_cls_weight'],
            giou_weight=args['loss_giou_weight'],
            center_weight=args['loss_center_weight'],
            size_weight=args['loss_size_weight'],
            angle_cls_weight=args['loss_angle_cls_weight'],
            angle_residual_weight=args['loss_angle_reg_weight'],
            no_object_weight=args['loss_no_object_weight'],
            rotation='released',
        ),
    )


def filled(reference: Reference, name: str) -> nn.Module:
    """Return the network of a fixture with its weights, in eval mode."""
    arrays, meta = reference.load(name)
    logits = arrays['out_sem_cls_logits']
    bins = arrays.get('out_angle_logits', logits[..., :1]).shape[-1]
    weights = reference.weights(name)
    layers = {
        int(found[1])
        for key in weights
        if (found := re.match(r'encoder\.layers\.(\d+)\.', key))
    }
    state, unknown = keys.convert(weights, DETECTOR)
    assert not unknown
    network = detector_of(
        meta['args'], len(layers), logits.shape[-1] - 1, bins
    )
    networks.fill(network, state)
    return network.eval()


def raw_outputs(reference: Reference, name: str) -> dict[str, Any]:
    """Return the raw predictions of all decoder layers, (L, B, Q, ...)."""
    network = filled(reference, name)
    points = networks.tensors(reference.load(name)[0], 'point_clouds')[0]
    with torch.no_grad():
        return network.bbox_head(network.backbone(points))


def true_instances(arrays: Mapping, bins: int) -> list[InstanceData]:
    """Return the annotations of a fixture as data samples hold them."""
    instances = []
    for scene in range(len(arrays['point_clouds'])):
        raw = torch.from_numpy(arrays[f'raw_boxes_scene{scene}']).float()
        if bins > 1:  # SUN RGB-D: half sizes, clockwise headings
            boxes = torch.cat(
                [raw[:, :3], 2 * raw[:, 3:6], -raw[:, 6:7]], dim=1
            )
            labels = raw[:, 7].long()
        else:
            boxes = raw[:, :6]
            labels = torch.tensor(
                [DETECTION_IDS.index(int(one)) for one in raw[:, 7]],
                dtype=torch.int64,
            )
        instances.append(
            InstanceData(
                bboxes_3d=depth_boxes(boxes, turned=bins > 1),
                labels_3d=labels,
            )
        )
    return instances
