"""Whole jobs as functions, for tools and notebooks."""

from mmdet3d_act.apis.loading import build_dataset, build_folder, load_model
from mmdet3d_act.apis.pictures import draw_model
from mmdet3d_act.apis.probing import (
    extract_features,
    load_encoder,
    probe_features,
)
from mmdet3d_act.apis.scene_inference import infer_scenes, open_scenes
from mmdet3d_act.apis.sweeping import Run, sweep
from mmdet3d_act.apis.training import (
    RunProgress,
    prepare_config,
    train,
    validate,
)

__all__ = [
    'Run',
    'RunProgress',
    'build_dataset',
    'build_folder',
    'draw_model',
    'extract_features',
    'infer_scenes',
    'load_encoder',
    'load_model',
    'open_scenes',
    'prepare_config',
    'probe_features',
    'sweep',
    'train',
    'validate',
]
