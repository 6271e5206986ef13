"""Models: building blocks, teachers, students and what trains them."""

from mmdet3d_act.models import (
    autoencoders,
    backbones,
    classifiers,
    data_preprocessors,
    detectors,
    distillers,
    heads,
    layers,
    losses,
    necks,
    segmentors,
    target_generators,
    task_modules,
    teachers,
)
