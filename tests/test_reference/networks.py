"""Networks of this package with the weights of a fixture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmdet3d_act.converters import keys
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.distillers import Distiller, Objective
from mmdet3d_act.models.necks import MaskDecoder


def tensors(arrays: Mapping[str, np.ndarray], *names: str) -> list[Tensor]:
    """Return arrays of a fixture as tensors."""
    return [torch.from_numpy(arrays[name]) for name in names]


def fill(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load converted weights; only what has no published twin may lack."""
    result = module.load_state_dict(dict(state), strict=False)
    lacking = [
        name
        for name in result.missing_keys
        if not name.endswith(('position_code', 'frozen_source'))
    ]
    assert not lacking, f'not filled: {lacking}'
    assert not result.unexpected_keys, f'extra: {result.unexpected_keys}'


def student_of(config: Mapping[str, Any], **settings: Any) -> PointTransformer:
    """Return a student of a fixture's sizes.

    Args:
        config: ``num_groups``, ``group_size`` and the sizes of the blocks in
            the words of the published code.
        **settings: Further arguments.
    """
    return PointTransformer(
        embed_dims=config['width'],
        num_layers=config['depth'],
        num_heads=config['num_heads'],
        num_groups=config['num_group'],
        group_size=config['group_size'],
        patch_dims=config['patch_dims'],
        drop_path_rate=0.0,
        skip_origin=True,
        **settings,
    )


def grad_norms(
    module: nn.Module, rename: Mapping[str, Any]
) -> dict[str, float | None]:
    """Return gradient norms by official name.

    Args:
        module: After the backward pass.
        rename: Official name to ours, or to (ours, index) where ours stacks
            several official parameters.
    """
    own = dict(module.named_parameters())
    norms: dict[str, float | None] = {}
    for official, ours in rename.items():
        name, index = ours if isinstance(ours, tuple) else (ours, None)
        grad = own[name].grad
        if grad is None:
            norms[official] = None
        else:
            part = grad if index is None else grad[index]
            norms[official] = float(part.norm())
    return norms


def use_batch_statistics(model: nn.Module) -> None:
    """Put the batch norms into train mode, and nothing else."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.train()


class FixedMask(nn.Module):
    """Gives the mask of a fixture instead of drawing one."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, centers: Tensor) -> Tensor:
        """Return the mask, (B, G)."""
        return self.mask


def distiller_of(
    student: PointTransformer,
    target_generator: nn.Module,
    head: nn.Module,
    mask: Tensor,
    *,
    name: str,
    decoder: Mapping[str, Any],
    shallow_index: int | None = None,
) -> Distiller:
    """Return a distiller of a fixture's sizes with one objective."""
    neck = MaskDecoder(
        student.embed_dims,
        num_layers=decoder['decoder_depth'],
        num_heads=decoder['decoder_num_heads'],
        drop_path_rate=0.0,
        shallow_index=shallow_index,
    )
    objective = Objective(target_generator, neck, head)
    return Distiller(student, {name: objective}, mask=FixedMask(mask))


def renamed(names: list[str], rules: keys.Rules) -> dict[str, str]:
    """Return official name to ours, for the names that have one of ours."""
    pairs = {name: keys.translate(name, rules)[1] for name in names}
    return {name: new for name, new in pairs.items() if new is not None}


def without_depth(names: Iterable[str]) -> set[str]:
    """Return names with the numbers of blocks left out.

    Published lists are of networks of one depth, fixtures may be of another.
    """
    return {re.sub(r'\bblocks\.\d+\.', 'blocks.N.', name) for name in names}
