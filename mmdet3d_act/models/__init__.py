"""Models: building blocks, teachers, students and what trains them."""

from mmdet3d_act.models import (
    autoencoders,
    backbones,
    data_preprocessors,
    distillers,
    heads,
    layers,
    losses,
    necks,
    target_generators,
    teachers,
)

__all__ = [
    'autoencoders',
    'backbones',
    'data_preprocessors',
    'distillers',
    'heads',
    'layers',
    'losses',
    'necks',
    'target_generators',
    'teachers',
]
