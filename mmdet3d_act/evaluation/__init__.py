"""Metrics: numbers from predictions, on the CPU; no models in here."""

from mmdet3d_act.evaluation.classification_metric import ClassificationMetric
from mmdet3d_act.evaluation.detection_metric import (
    PresentIndoorMetric,
    PublishedIndoorMetric,
)
from mmdet3d_act.evaluation.distillation_loss_metric import (
    DistillationLossMetric,
)
from mmdet3d_act.evaluation.linear_probe_metric import LinearProbeMetric
from mmdet3d_act.evaluation.part_seg_metric import PartSegMetric
from mmdet3d_act.evaluation.reconstruction_metric import ReconstructionMetric
from mmdet3d_act.evaluation.retrieval_metric import RetrievalMetric
from mmdet3d_act.evaluation.semantic_seg_metric import SemanticSegMetric
from mmdet3d_act.evaluation.zero_shot_metric import ZeroShotMetric
