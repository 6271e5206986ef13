"""Metrics: numbers from predictions, on the CPU; no models in here."""

from mmdet3d_act.evaluation.linear_probe_metric import LinearProbeMetric
from mmdet3d_act.evaluation.reconstruction_metric import ReconstructionMetric

__all__ = ['LinearProbeMetric', 'ReconstructionMetric']
