"""The point Transformer: student of the pretraining, backbone of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.checkpoint import CheckpointError, pretrained_part
from mmdet3d_act.models.backbones.pretrained import (
    describe_sizes,
    load_backbone,
)
from mmdet3d_act.models.layers import (
    POSITION_MODES,
    MiniPointNet,
    PointPatches,
    PositionMLP,
    TransformerEncoder,
    init_linears,
    make_patches,
    select,
)
from mmdet3d_act.registry import MODELS


class EncodedPatches(NamedTuple):
    """What the student makes of the patches it sees.

    Attributes:
        features: After the final norm, (B, V, C), in the patches' order.
        cls_token: After the final norm, (B, C), or None.
        hidden_states: Outputs of the ``out_indices`` blocks by their index,
            without the class token, each (B, V, C), not normalised unless
            ``norm_hidden_states``.
    """

    features: Tensor
    cls_token: Tensor | None
    hidden_states: dict[int, Tensor]

    def pooled(self) -> dict[str, Tensor]:
        """Return a feature per cloud by pooling, each (B, C).

        ``max`` and ``mean`` over the patches, and ``cls`` where there is a
        class token.
        """
        pooled = {
            'max': self.features.amax(dim=1),
            'mean': self.features.mean(dim=1),
        }
        if self.cls_token is not None:
            pooled['cls'] = self.cls_token
        return pooled


@MODELS.register_module()
class PointTransformer(BaseModule):
    """Plain Transformer over the patches of a point cloud.

    Not to be confused with Zhao et al.'s Point Transformer (ICCV 2021), which
    attends over neighbouring points. Patches of farthest-point-sampled
    centres are embedded by a mini-PointNet, get a class token, and pass
    pre-norm blocks with the position added at each of them.

    Source: Yu et al., Point-BERT, CVPR 2022; Pang et al., Point-MAE,
    ECCV 2022; Dong et al., ACT, ICLR 2023.

    Example:
        >>> student = PointTransformer(num_layers=2, num_groups=16)
        >>> student(torch.rand(2, 256, 3))['features'].shape
        torch.Size([2, 384, 16])

    Args:
        in_channels: Channels of a point, coordinates included.
        ignore_features: Whether further channels of the points (colours,
            heights) are left out instead of being an error.
        embed_dims: Width C.
        num_layers: Number of blocks.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the blocks' MLPs as a multiple of C.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path_rate: Stochastic depth of the last block, growing linearly
            from 0.
        num_groups: Patches G per cloud.
        group_size: Points K per patch.
        patch_dims: Width of the mini-PointNet; where it differs from C a
            linear layer follows. None means C.
        patch_channels: See :class:`~mmdet3d_act.models.layers.MiniPointNet`.
        with_cls_token: Whether there is a class token.
        embed_masked: Whether masked patches are embedded too, as in published
            code, where they only count in the batch norm's statistics; False
            leaves them out, which is several times faster at high mask
            ratios.
        position: ``'before'``: the position is added to every block's input
            (ACT, Point-MAE); ``'after'``: to every block's output (concept
            distillation). The parameters have the same shapes, so the
            checkpoint says which, and loading the other is an error.
        residual: See :class:`~mmdet3d_act.models.layers.TransformerBlock`;
            loading a checkpoint of the other is an error.
        skip_origin: Whether farthest point sampling skips points close to the
            origin, as published code does.
        out_indices: Blocks whose output is returned as ``hidden_states``.
        norm_hidden_states: Whether these pass the final norm too, as in
            published segmentation networks.
        frozen_stages: -1 freezes nothing, 0 the embeddings, n > 0 also the
            first n blocks.
        with_cp: Recompute activations in the backward pass to save memory.
        init_cfg: ``dict(type='Pretrained', checkpoint=..., prefix=None)``
            fills every parameter or fails.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        ignore_features: bool = False,
        embed_dims: int = 384,
        num_layers: int = 12,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = False,
        drop_path_rate: float = 0.1,
        num_groups: int = 64,
        group_size: int = 32,
        patch_dims: int | None = None,
        patch_channels: tuple[int, int, int] = (128, 256, 512),
        with_cls_token: bool = True,
        embed_masked: bool = True,
        position: str = 'before',
        residual: str = 'input',
        skip_origin: bool = False,
        out_indices: Sequence[int] = (),
        norm_hidden_states: bool = False,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if any(not 0 <= index < num_layers for index in out_indices):
            raise ValueError(
                f'out_indices must be between 0 and num_layers - 1 = '
                f'{num_layers - 1}, got {tuple(out_indices)}'
            )
        if not -1 <= frozen_stages <= num_layers:
            raise ValueError(
                f'frozen_stages must be between -1 and num_layers = '
                f'{num_layers}, got {frozen_stages}'
            )
        self.in_channels = in_channels
        self.ignore_features = ignore_features
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.position = position
        self.residual = residual
        self.num_groups = num_groups
        self.group_size = group_size
        self.skip_origin = skip_origin
        self.embed_masked = embed_masked
        self.out_indices = tuple(out_indices)
        self.norm_hidden_states = norm_hidden_states
        self.frozen_stages = frozen_stages
        self.patch_channels = tuple(patch_channels)
        patch_dims = patch_dims or embed_dims
        self.patch_embed = MiniPointNet(
            patch_dims, in_channels, self.patch_channels
        )
        self.reduce_dim = (
            nn.Linear(patch_dims, embed_dims)
            if patch_dims != embed_dims
            else nn.Identity()
        )
        self.pos_embed = PositionMLP(embed_dims)
        if with_cls_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
            self.cls_pos = nn.Parameter(torch.randn(1, 1, embed_dims))
        else:
            self.cls_token = self.cls_pos = None
        self.blocks = TransformerEncoder(
            embed_dims,
            num_layers,
            num_heads,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            drop_path_rate=drop_path_rate,
            position=position,
            residual=residual,
            with_cp=with_cp,
        )
        self.norm = nn.LayerNorm(embed_dims)
        code = torch.tensor(POSITION_MODES.index(position), dtype=torch.uint8)
        self.register_buffer('position_code', code)
        # Of the data that the weights were trained on.
        self.pretrained_meta: dict = {}
        self._reset_parameters()
        self._freeze_stages()

    def _reset_parameters(self) -> None:
        init_linears(self)
        if self.cls_token is not None:
            nn.init.trunc_normal_(self.cls_token, std=0.02)
            nn.init.trunc_normal_(self.cls_pos, std=0.02)

    def init_weights(self) -> None:
        """Load the pretrained weights where ``init_cfg`` names them."""
        cfg = pretrained_part(self.init_cfg)
        if cfg is None:
            super().init_weights()
            return
        if self.is_init:
            return
        # It fills every parameter, whatever other initialisations there are.
        self.pretrained_meta = load_backbone(
            self,
            cfg,
            anchor='patch_embed.conv1.weight',
            describe=describe_sizes,
            optional=('cls_token', 'cls_pos'),
        )
        self._is_init = True

    def train(self, mode: bool = True) -> PointTransformer:
        """Switch the mode; frozen stages stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def group(
        self,
        points: Tensor,
        center_indices: Tensor | None = None,
        neighbor_indices: Tensor | None = None,
    ) -> PointPatches:
        """Return the patches of ``points``.

        Args:
            points: (B, N, in_channels), coordinates first.
            center_indices: Known centres, see
                :func:`~mmdet3d_act.models.layers.make_patches`.
            neighbor_indices: Their known neighbours.

        Raises:
            ValueError: If the points do not have ``in_channels`` channels.
        """
        if self.ignore_features:
            points = points[..., : self.in_channels]
        if points.shape[-1] != self.in_channels:
            raise ValueError(
                f'expected points with in_channels={self.in_channels} '
                f'channels, got {points.shape[-1]}; choose them with use_dim '
                'in the pipeline, change in_channels, or set ignore_features'
            )
        return make_patches(
            points,
            self.num_groups,
            self.group_size,
            skip_origin=self.skip_origin,
            center_indices=center_indices,
            neighbor_indices=neighbor_indices,
        )

    def encode(
        self,
        patches: PointPatches,
        mask: Tensor | None = None,
        mask_token: Tensor | None = None,
        num_masked: int | None = None,
    ) -> EncodedPatches:
        """Encode the visible patches.

        Args:
            patches: From :meth:`group`.
            mask: Bool (B, G), True = masked; None shows all patches. The same
                number must be masked in every cloud.
            mask_token: (1, 1, C). Without it masked patches are left out;
                with it they take part as this token.
            num_masked: M, where it is known, see `select`.

        Returns:
            The encoded patches: V = G - M of them, or all G with a mask
            token.
        """
        # Patches are found in single precision, whatever the weights have.
        dtype = self.norm.weight.dtype
        neighborhoods = patches.neighborhoods.to(dtype)
        centers = patches.centers.to(dtype)
        num_visible = None
        if num_masked is not None:
            num_visible = centers.shape[1] - num_masked
        visible = None
        drop = mask is not None and mask_token is None
        if drop:
            visible = ~mask
            centers = select(centers, visible, num_visible)
            counted = self.embed_masked and self.patch_embed.uses_statistics
            if not counted:
                neighborhoods = select(neighborhoods, visible, num_visible)
                visible = None
        tokens = self.patch_embed(neighborhoods, visible, num_visible)
        tokens = self.reduce_dim(tokens)
        if mask is not None and not drop:
            tokens = torch.where(mask.unsqueeze(-1), mask_token, tokens)
        pos = self.pos_embed(centers)
        if self.cls_token is not None:
            batch = tokens.shape[0]
            tokens = torch.cat(
                [self.cls_token.expand(batch, -1, -1), tokens], dim=1
            )
            pos = torch.cat([self.cls_pos.expand(batch, -1, -1), pos], dim=1)
        x, hidden = self.blocks(tokens, pos, self.out_indices)
        x = self.norm(x)
        if self.norm_hidden_states:
            hidden = {
                index: self.norm(state) for index, state in hidden.items()
            }
        first = int(self.cls_token is not None)
        return EncodedPatches(
            x[:, first:],
            x[:, 0] if first else None,
            {index: value[:, first:] for index, value in hidden.items()},
        )

    def forward(
        self,
        points: Tensor,
        center_indices: Tensor | None = None,
        neighbor_indices: Tensor | None = None,
    ) -> dict:
        """Return features that MMDetection3D's heads can read.

        Args:
            points: (B, N, in_channels), coordinates first.
            center_indices: See :meth:`group`, as the next.
            neighbor_indices: Known patches.

        Returns:
            ``sa_xyz``, ``sa_features``, ``sa_indices``: lists of the raw
            points and of the patches; ``fp_xyz``, ``fp_features``,
            ``fp_indices``: lists that end with the patches' centres, features
            (B, C, G) and rows among the raw points. By name: ``centers`` (B,
            G, 3), ``features`` (B, C, G), ``cls_token`` (B, C) or None,
            ``hidden_states``: a list of (B, C, G), one for each of
            ``out_indices``.
        """
        patches = self.group(points, center_indices, neighbor_indices)
        encoded = self.encode(patches)
        features = encoded.features.transpose(1, 2).contiguous()
        batch, num_points = points.shape[:2]
        rows = torch.arange(num_points, device=points.device)
        raw = (
            points[..., 3:].transpose(1, 2).contiguous()
            if points.shape[-1] > 3
            else None
        )
        return {
            'sa_xyz': [points[..., :3].contiguous(), patches.centers],
            'sa_features': [raw, features],
            'sa_indices': [rows.expand(batch, -1), patches.center_indices],
            'fp_xyz': [patches.centers],
            'fp_features': [features],
            'fp_indices': [patches.center_indices],
            'centers': patches.centers,
            'features': features,
            'cls_token': encoded.cls_token,
            'hidden_states': [
                encoded.hidden_states[index].transpose(1, 2)
                for index in self.out_indices
            ],
        }

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        embeddings = [self.patch_embed, self.reduce_dim, self.pos_embed]
        return embeddings + list(self.blocks)[: self.frozen_stages]

    def _freeze_stages(self) -> None:
        for module in self._frozen_modules():
            module.eval()
            module.requires_grad_(False)
        if self.frozen_stages >= 0 and self.cls_token is not None:
            self.cls_token.requires_grad_(False)
            self.cls_pos.requires_grad_(False)

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, *args: object
    ) -> None:
        code = state_dict.get(prefix + 'position_code')
        if code is not None and int(code) != int(self.position_code):
            it, own = POSITION_MODES[int(code)], self.blocks.position
            raise CheckpointError(
                f'the checkpoint was trained with position={it!r}, this has '
                f'position={own!r}; set position={it!r} in the config'
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
