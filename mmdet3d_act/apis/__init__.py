"""Whole jobs as functions, for tools and notebooks."""

from mmdet3d_act.apis.embedding import Embedder
from mmdet3d_act.apis.exporting import export
from mmdet3d_act.apis.feature_files import (
    draw_neighbors,
    embed_files,
    search,
)
from mmdet3d_act.apis.loading import build_dataset, build_folder, load_model
from mmdet3d_act.apis.pictures import draw_model
from mmdet3d_act.apis.prediction import (
    load_predictor,
    open_scans,
    predict_scans,
)
from mmdet3d_act.apis.probing import (
    extract_features,
    load_encoder,
    probe_features,
)
from mmdet3d_act.apis.report import write_report
from mmdet3d_act.apis.students import (
    from_pretrained,
    load_concepts,
    push_to_hub,
    save_pretrained,
)
from mmdet3d_act.apis.sweeping import Run, sweep
from mmdet3d_act.apis.training import (
    RunProgress,
    prepare_config,
    train,
    validate,
)
from mmdet3d_act.apis.words import name_clouds, text_vectors
from mmdet3d_act.students import list_students
