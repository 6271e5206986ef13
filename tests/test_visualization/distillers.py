"""Tiny distillers of every kind of objective, ready to predict."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.distillers import Distiller
from mmdet3d_act.models.heads import CodeHead, CoordinateHead, FeatureHead
from mmdet3d_act.models.layers import RandomPatchMask
from mmdet3d_act.models.necks import MaskDecoder
from mmdet3d_act.models.target_generators import (
    AutoencoderCodes,
    AutoencoderTarget,
    CachedTarget,
    PatchCoordinates,
    TargetNorm,
)
from tests.test_models import toys

KINDS = ('points', 'raw', 'whiten', 'local', 'codes', 'cached')


class Centered(nn.Module):
    """Subtracts each code's mean logit, so that patches differ in code."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def mix(self, tokens: Tensor, centers: Tensor) -> Tensor:
        return self.module.mix(tokens, centers)

    def project(self, mixed: Tensor) -> Tensor:
        logits = self.module.project(mixed)
        return logits - logits.mean(dim=1, keepdim=True)


def autoencoder() -> DiscreteVAE:
    """Return one that tells the patches of a cloud apart."""
    model = toys.randomize(toys.vae()).eval()
    model.to_logits = Centered(model.to_logits)
    return model


def neck() -> MaskDecoder:
    return MaskDecoder(toys.DIMS, num_layers=1, num_heads=4)


def norm(mode: str, generator: AutoencoderTarget) -> TargetNorm:
    fitted = TargetNorm(mode, toys.DIMS)
    batches = [toys.patches(8, seed=seed) for seed in (1, 2)]
    fitted.fit(generator({}, patches) for patches in batches)
    return fitted


def objective(kind: str) -> dict:
    """Return the parts of an objective of one of the kinds."""
    if kind == 'points':
        head = CoordinateHead(toys.DIMS, toys.GROUP_SIZE)
        return dict(
            target_generator=PatchCoordinates(), neck=neck(), head=head
        )
    if kind == 'codes':
        return dict(
            target_generator=AutoencoderCodes(autoencoder()),
            neck=neck(),
            head=CodeHead(toys.DIMS, toys.NUM_CODES),
        )
    generator = AutoencoderTarget(autoencoder(), local=kind == 'local')
    wraps = kind == 'cached'
    return dict(
        target_generator=CachedTarget(generator) if wraps else generator,
        neck=neck(),
        head=FeatureHead(toys.DIMS, toys.DIMS),
        target_norm=norm('whiten', generator) if kind == 'whiten' else None,
    )


def distiller(*kinds: str, ratio: float | None = 0.5) -> Distiller:
    torch.manual_seed(0)
    return Distiller(
        toys.student(),
        {kind: objective(kind) for kind in kinds},
        mask=None if ratio is None else RandomPatchMask(ratio),
    )
