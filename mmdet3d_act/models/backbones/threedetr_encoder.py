"""The encoders of 3DETR: set abstraction and a Transformer.

Letters: B batch, N points, G patches, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.checkpoint import pretrained_part
from mmdet3d_act.models.backbones.pretrained import load_backbone
from mmdet3d_act.models.layers import (
    SetAbstraction,
    ThreeDETREncoderLayer,
    xavier_matrices,
)
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class ThreeDETREncoder(BaseModule):
    """Set abstraction, then pre-norm layers without positions.

    With ``masking_radii`` it is that of 3DETR-m: patches attend to those
    nearby only, and are abstracted once more after the first layer.

    Source: Misra et al., An End-to-End Transformer Model for 3D Object
    Detection, ICCV 2021.

    Example:
        >>> encoder = ThreeDETREncoder(num_groups=32, num_layers=1)
        >>> encoder(torch.rand(2, 200, 3))['features'].shape
        torch.Size([2, 256, 32])

    Args:
        in_channels: Channels of a point, coordinates included.
        embed_dims: Width C.
        num_layers: Number of layers.
        num_heads: Attention heads.
        feedforward_dims: Hidden width of the layers' MLPs.
        dropout: Of attention weights, hidden values and branches.
        num_groups: Patches G of the set abstraction.
        group_size: Points of a patch.
        radius: Of a patch, in the units of the points.
        channels: Widths of the set abstraction before the last, which is C.
        masking_radii: How far each layer attends, in the units of the points;
            none attends everywhere where empty.
        squared_radii: Whether distances are compared with the squares of the
            radii, as in published 3DETR-m, whose weights are trained so: 0.16,
            0.64 and 1.44 m.
        downsample_radius: Radius of the patches of the second abstraction,
            to half as many after the first layer; there is none where None.
        downsample_size: Points of such a patch.
        downsample_channels: Widths of the second abstraction before the last;
            None means C, C.
        skip_origin: Whether farthest point sampling skips points close to the
            origin, as published code does.
        init_cfg: ``dict(type='Pretrained', checkpoint=..., prefix=None)``
            fills every parameter or fails.

    Raises:
        ValueError: If there are not as many ``masking_radii`` as layers.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        embed_dims: int = 256,
        num_layers: int = 3,
        num_heads: int = 4,
        feedforward_dims: int = 128,
        dropout: float = 0.1,
        num_groups: int = 2048,
        group_size: int = 64,
        radius: float = 0.2,
        channels: Sequence[int] = (64, 128),
        masking_radii: Sequence[float] = (),
        squared_radii: bool = True,
        downsample_radius: float | None = None,
        downsample_size: int = 32,
        downsample_channels: Sequence[int] | None = None,
        skip_origin: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if masking_radii and len(masking_radii) != num_layers:
            raise ValueError(
                f'masking_radii must be one for each of {num_layers} layers, '
                f'got {tuple(masking_radii)}'
            )
        self.in_channels = in_channels
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.num_groups = num_groups
        self.group_size = group_size
        self.reaches = tuple(
            radius**2 if squared_radii else radius for radius in masking_radii
        )
        self.skip_origin = skip_origin
        self.set_abstraction = SetAbstraction(
            num_groups,
            radius,
            group_size,
            channels=(*channels, embed_dims),
            in_channels=in_channels - 3,
            skip_origin=skip_origin,
        )
        self.layers = nn.ModuleList(
            ThreeDETREncoderLayer(
                embed_dims, num_heads, feedforward_dims, dropout
            )
            for _ in range(num_layers)
        )
        xavier_matrices(self.layers)
        self.downsample = None
        if downsample_radius is not None:
            inner = downsample_channels or (embed_dims, embed_dims)
            self.downsample = SetAbstraction(
                num_groups // 2,
                downsample_radius,
                downsample_size,
                channels=(*inner, embed_dims),
                in_channels=embed_dims,
                skip_origin=skip_origin,
            )

    def init_weights(self) -> None:
        """Load the pretrained weights where ``init_cfg`` names them."""
        cfg = pretrained_part(self.init_cfg)
        if cfg is None:
            super().init_weights()
            return
        if self.is_init:
            return
        load_backbone(
            self,
            cfg,
            anchor='set_abstraction.fcs.0.weight',
            describe=_describe,
        )
        self._is_init = True

    def forward(self, points: Tensor) -> dict:
        """Return features that MMDetection3D's heads can read.

        Args:
            points: (B, N, in_channels), coordinates first.

        Returns:
            The dict of :meth:`PointTransformer.forward`; there are neither a
            class token nor hidden states.

        Raises:
            ValueError: If the points do not have ``in_channels`` channels, or
                are fewer than patches.
        """
        if points.shape[-1] != self.in_channels:
            raise ValueError(
                f'expected points with in_channels={self.in_channels} '
                f'channels, got {points.shape[-1]}; choose them with '
                'use_dim in the pipeline or change in_channels'
            )
        xyz = points[..., :3].contiguous()
        beside = points[..., 3:] if self.in_channels > 3 else None
        centers, x, indices = self.set_abstraction(xyz, beside)
        for index, layer in enumerate(self.layers):
            x = layer(x, self._mask(centers, index))
            if index == 0 and self.downsample is not None:
                centers, x, kept = self.downsample(centers, x)
                indices = indices.gather(1, kept)
        features = x.transpose(1, 2).contiguous()
        rows = torch.arange(points.shape[1], device=points.device)
        raw = None if beside is None else beside.transpose(1, 2).contiguous()
        return {
            'sa_xyz': [xyz, centers],
            'sa_features': [raw, features],
            'sa_indices': [rows.expand(points.shape[0], -1), indices],
            'fp_xyz': [centers],
            'fp_features': [features],
            'fp_indices': [indices],
            'centers': centers,
            'features': features,
            'cls_token': None,
            'hidden_states': [],
        }

    def _mask(self, centers: Tensor, index: int) -> Tensor | None:
        """Find which patches a layer does not attend to, (B, G, G)."""
        if not self.reaches:
            return None
        return torch.cdist(centers, centers) >= self.reaches[index]


def _describe(state: Mapping[str, Tensor]) -> str:
    """Return the sizes of an encoder's weights for an error message."""
    layers = {key.split('.')[1] for key in state if key.startswith('layers.')}
    fcs = sorted(
        key
        for key in state
        if key.startswith('set_abstraction.fcs.') and key.endswith('.weight')
    )
    return (
        f'num_layers={len(layers)}, set abstraction of widths '
        f'{[len(state[key]) for key in fcs]}, '
        f'{"with" if "downsample.fcs.0.weight" in state else "without"} a '
        'second one'
    )
