"""Pretraining algorithms."""

from mmdet3d_act.models.distillers.distiller import Distiller, Objective

__all__ = ['Distiller', 'Objective']
