"""Ways of using ACT's teacher that compare_pretraining.py asks about.

Letters: B batch, G patches, D width of the teacher, R rows and columns of the
teacher's image.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import build_sincos2d_pos_embed
from torch import Tensor, nn

from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.models.target_generators import AutoencoderTarget
from mmdet3d_act.models.teachers import TeacherEncoder, TimmTeacher
from mmdet3d_act.models.teachers.timm_teacher import (
    build_network,
    current_name,
    extract_encoder,
)
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class PlacedTeacher(TimmTeacher):
    """A ViT whose tokens have the positions that it knows, those of an image.

    Patches are seen from the front: x of a centre in the unit sphere is its
    place along a row of the image, y that along a column. Give
    ``position='once'``, as the ViT has it.

    Args:
        *args: See the base class.
        sines: Whether the table of positions is one of sines and cosines, as
            large as ViT-Tiny's; for random weights, whose own is noise.
        **kwargs: See the base class.
    """

    def __init__(self, *args: Any, sines: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # `_run` gets the centres themselves.
        self.pos_embed = nn.Identity()
        table = self.transformer.table
        if sines:
            side = math.isqrt(table.shape[1])
            found = build_sincos2d_pos_embed([side, side], table.shape[2])
            table.data[0, -side * side :] = found * (0.47 / found.std())

    @classmethod
    def build_encoder(
        cls,
        model_name: str,
        num_layers: int | None = None,
        model_args: dict | None = None,
    ) -> TeacherEncoder:
        """Build blocks, norms and the table of positions."""
        name = current_name(model_name)
        network = build_network(name, **(model_args or {}))
        encoder = extract_encoder(network, name, num_layers)
        encoder.register_parameter('table', network.pos_embed)
        encoder.names = encoder._names_in(network)
        return encoder

    def _run(self, x: Tensor, pos: Tensor) -> Tensor:
        return super()._run(x, self.place(pos).to(x.dtype))

    def place(self, centers: Tensor) -> Tensor:
        """Look up the positions of centres (B, G, 3): (B, G, D)."""
        table = self.transformer.table
        side = math.isqrt(table.shape[1])
        # Without the class token, (1, R * R, D) -> (B, D, R, R)
        image = table[:, -side * side :].unflatten(1, (side, side))
        image = image.permute(0, 3, 1, 2).expand(len(centers), -1, -1, -1)
        grid = torch.stack([centers[..., 0], -centers[..., 1]], dim=-1)
        found = F.grid_sample(
            image.float(),
            grid.unsqueeze(1).float(),
            padding_mode='border',
            align_corners=False,
        )
        return found.squeeze(2).transpose(1, 2)


@MODELS.register_module()
class BlocksTarget(AutoencoderTarget):
    """The mean of what every block of the teacher says of a patch.

    Each output is brought to zero mean and unit variance over its channels
    first, as in data2vec (Baevski et al., ICML 2022, section 3.3).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.target_channels = self.autoencoder.module.teacher.embed_dims

    def _target(self, patches: PointPatches) -> Tensor:
        """Compute the mean, (B, G, D)."""
        module = self.autoencoder.module
        teacher, outputs = module.teacher, []
        find = teacher._prompted_block

        def keep(block: nn.Module, *args: Tensor | None) -> Tensor:
            outputs.append(find(block)(block, *args))
            return outputs[-1]

        teacher._prompted_block = lambda block: keep
        module.encode(patches, noise=self.noise, local=True)
        del teacher._prompted_block
        normed = [F.layer_norm(x.float(), x.shape[-1:]) for x in outputs]
        return torch.stack(normed).mean(dim=0)
