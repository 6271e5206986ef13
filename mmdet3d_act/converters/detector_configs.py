"""Configs of the detectors that converted weights fill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmdet3d_act.converters.keys import with_prefix

State = Mapping[str, Tensor]
# What weights do not tell is that of the released command lines.
NUM_HEADS = 4
NUM_GROUPS = 2048
NUM_QUERIES = {'scannet': 256, 'sunrgbd': 128}
MASKING_RADII = (0.4, 0.8, 1.2)
DOWNSAMPLE_RADIUS = 0.4


def encoder_config(
    state: State, num_groups: int = NUM_GROUPS, **_: Any
) -> dict[str, Any]:
    """Return the config of an encoder of 3DETR.

    Args:
        state: Our name to tensor.
        num_groups: Of the published training.

    Raises:
        ValueError: If it is masked and has another number of layers than the
            release has radii.
    """
    widths = _widths(state, 'set_abstraction.fcs.')
    layers = {key.split('.')[1] for key in state if key.startswith('layers.')}
    config = dict(
        type='ThreeDETREncoder',
        in_channels=state['set_abstraction.fcs.0.weight'].shape[1],
        embed_dims=widths[-1],
        num_layers=len(layers),
        num_heads=NUM_HEADS,
        feedforward_dims=len(state['layers.0.mlp.fc1.weight']),
        num_groups=num_groups,
        group_size=64,
        radius=0.2,
        channels=tuple(widths[:-1]),
        skip_origin=True,
    )
    if 'downsample.fcs.0.weight' in state:
        if len(layers) != len(MASKING_RADII):
            raise ValueError(
                f'expected the {len(MASKING_RADII)} layers of released '
                f'3DETR-m, got {len(layers)}; which radii these have is not '
                'in the file'
            )
        config.update(
            masking_radii=MASKING_RADII,
            downsample_radius=DOWNSAMPLE_RADIUS,
            downsample_size=32,
            downsample_channels=tuple(_widths(state, 'downsample.fcs.')[:-1]),
        )
    return config


def detector_config(state: State, **known: Any) -> dict[str, Any]:
    """Return the config of a 3DETR detector.

    Args:
        state: Our name to tensor.
        **known: See :func:`encoder_config`.
    """
    head = with_prefix(state, 'bbox_head.')
    num_classes = len(head['cls_mlp.fc3.weight']) - 1
    num_angle_bins = len(head['angle_cls_mlp.fc3.weight'])
    turned = num_angle_bins > 1
    layers = {
        key.split('.')[2] for key in head if key.startswith('decoder.layers.')
    }
    config = dict(
        type='ThreeDETRHead',
        num_classes=num_classes,
        in_channels=head['projection.fcs.0.weight'].shape[1],
        embed_dims=len(head['decoder.norm.weight']),
        num_queries=NUM_QUERIES['sunrgbd' if turned else 'scannet'],
        num_layers=len(layers),
        num_heads=NUM_HEADS,
        feedforward_dims=len(head['decoder.layers.0.mlp.fc1.weight']),
        projection_channels=tuple(_widths(head, 'projection.fcs.')[:-1]),
        num_angle_bins=num_angle_bins,
        skip_origin=True,
    )
    if turned:
        config.update(_sunrgbd(num_classes))
    backbone = encoder_config(with_prefix(state, 'backbone.'), **known)
    return dict(type='ThreeDETR', backbone=backbone, bbox_head=config)


def _sunrgbd(num_classes: int) -> dict[str, Any]:
    """Return assignment and loss of the release's training on SUN RGB-D."""
    return dict(
        assigner=dict(
            type='HungarianSetAssigner',
            cls_cost=1.0,
            giou_cost=3.0,
            center_cost=5.0,
            objectness_cost=5.0,
            rotation='released',
        ),
        loss=dict(
            type='DetectionSetLoss',
            num_classes=num_classes,
            giou_weight=0.0,
            no_object_weight=0.1,
            rotation='released',
        ),
    )


def _widths(state: State, prefix: str) -> list[int]:
    """Return the widths of numbered layers."""
    layers = with_prefix(state, prefix)
    return [len(layers[f'{index}.weight']) for index in range(len(layers))]
