"""Targets that are computed once per cloud."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.registry import MODELS, build_module


@MODELS.register_module()
class CachedTarget(BaseModule):
    """Keeps the targets of another target generator, one for each sample.

    Where the patches of a sample are the same in every epoch (a fixed sample
    of its points, ``GroupPoints`` before the augmentation), so is the target
    of the cloud without augmentation, and computing it once saves the
    teacher's forward pass in every step. ``PrepareTargetsHook`` fills it.

    Args:
        generator: The target generator (config or module) whose targets are
            kept.
    """

    def __init__(self, generator: dict | nn.Module) -> None:
        super().__init__()
        self.generator = build_module(generator)
        self._targets: dict[int, Tensor] = {}
        self._centers: dict[int, Tensor] = {}

    def store(
        self, target: Tensor, patches: PointPatches, data_samples: list
    ) -> None:
        """Keep the targets of these samples, on the CPU.

        Args:
            target: (B, ...), one row a sample.
            patches: The patches that they belong to.
            data_samples: Their ``sample_idx`` names them.
        """
        for row, centers, sample in zip(
            target, patches.center_indices, data_samples, strict=True
        ):
            index = int(sample.sample_idx)
            self._targets[index] = row.detach().cpu()
            self._centers[index] = centers.cpu()

    def forward(
        self,
        inputs: dict,
        patches: PointPatches,
        data_samples: list | None = None,
    ) -> Tensor:
        """Return the kept targets of the samples, (B, ...).

        Args:
            inputs: Not used.
            patches: Must be the patches whose targets are kept.
            data_samples: Their ``sample_idx`` says which targets.

        Raises:
            RuntimeError: If a sample's target was never computed, or belongs
                to other patches than these.
        """
        indices = [int(sample.sample_idx) for sample in data_samples]
        missing = [index for index in indices if index not in self._targets]
        if missing:
            raise RuntimeError(
                f'no target was computed for the samples {missing[:5]} '
                f'({len(self._targets)} are kept); PrepareTargetsHook must '
                'run over the same data set as the training'
            )
        centers = torch.stack([self._centers[index] for index in indices])
        if not torch.equal(centers, patches.center_indices.cpu()):
            raise RuntimeError(
                'the patches of a sample are not those whose targets are '
                'kept; sample the points with per_epoch=False, put '
                'GroupPoints before the augmentation, and let '
                'PrepareTargetsHook read the same data set'
            )
        rows = torch.stack([self._targets[index] for index in indices])
        return rows.to(patches.centers.device)
