"""Autoencoders of point patches."""

from mmdet3d_act.models.autoencoders.discrete_vae import (
    DiscreteVAE,
    Reconstruction,
)
