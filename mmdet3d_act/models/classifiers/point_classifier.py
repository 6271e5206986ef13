"""Classification of point clouds by a pretrained backbone.

Letters: B batch, N points, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdet3d_act.models.layers.lora import add_lora
from mmdet3d_act.models.necks import SideTuning
from mmdet3d_act.models.point_model import PointModel
from mmdet3d_act.registry import MODELS, build_module
from mmdet3d_act.text import check_choice

TRANSFERS = ('full', 'linear', 'mlp3', 'bitfit', 'side', 'lora')
CLASS_TOKEN = ('cls_token', 'cls_pos')
POOLINGS = ('cls', 'max')


@MODELS.register_module()
class PointClassifier(PointModel):
    """A point Transformer and a head on [class token, maximum of patches].

    ``transfer`` is the one switch of the transfer protocols:

    ========== ========================================= ==================
    transfer   trained                                   head
    ========== ========================================= ==================
    full       everything                                three layers
    linear     head, class token                         linear
    mlp3       head, class token                         three layers
    bitfit     head, class token, all biases             three layers
    side       head, class token, side network           three layers
    lora       head, low-rank updates of the blocks      three layers
    ========== ========================================= ==================

    All but ``lora`` are the published ones: "class token" are the token and
    its position, the frozen backbone's batch norms go on updating their
    statistics, and stochastic depth stays on. ``strict_freezing`` leaves the
    frozen backbone as it is in every respect.

    Source: Dong et al., ACT, ICLR 2023, section 4.1 and its published
    code; Pang et al., Point-MAE, ECCV 2022. BitFit: Ben Zaken et al.,
    ACL 2022. Side-tuning: Zhang et al., ECCV 2020. LoRA: Hu et al.,
    ICLR 2022.

    Example:
        >>> from mmdet3d_act.models.backbones import PointTransformer
        >>> from mmdet3d_act.models.heads import ClassificationHead
        >>> backbone = PointTransformer(num_layers=2, num_groups=16)
        >>> head = ClassificationHead(768, num_classes=15)
        >>> model = PointClassifier(backbone, head, transfer='mlp3')
        >>> model.eval()(dict(points=torch.rand(2, 256, 3))).shape
        torch.Size([2, 15])

    Args:
        backbone: The point Transformer (config or module).
        head: From features to classes (config or module). A config that does
            not say ``hidden_dims`` gets none with ``'linear'``.
        neck: Between the two (config or module). None builds a
            :class:`~mmdet3d_act.models.necks.SideTuning` of the backbone's
            sizes with ``'side'``.
        transfer: The protocol, see above.
        lora_rank: Rank of the updates with ``'lora'``, which needs peft.
        strict_freezing: Whether class token, batch norm statistics and
            stochastic depth of a frozen backbone are frozen too. BitFit's
            biases and the low-rank updates are trained all the same.
        train_cfg: Not used; MMDetection3D's `init_model` sets it.
        test_cfg: Not used, likewise.
        data_preprocessor: Config of the data preprocessor.
        init_cfg: Initialisation config.

    Raises:
        ValueError: If ``transfer`` is unknown, or the head or the neck does
            not fit it.
        ImportError: If ``'lora'`` is asked for without peft.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        head: dict | nn.Module,
        *,
        neck: dict | nn.Module | None = None,
        transfer: str = 'full',
        lora_rank: int = 8,
        strict_freezing: bool = False,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        check_choice('transfer', transfer, TRANSFERS)
        self.backbone = build_module(backbone)
        self.transfer = transfer
        self.strict_freezing = strict_freezing
        self._freeze_backbone()
        if transfer == 'lora':
            frozen = max(self.backbone.frozen_stages, 0)
            add_lora(self.backbone.blocks, lora_rank, frozen)
        self.neck = build_module(neck) or self._default_neck()
        if transfer == 'linear' and isinstance(head, dict):
            head = {'hidden_dims': (), **head}
        self.head = build_module(head)
        self._check_parts()
        self.train(self.training)

    def _freeze_backbone(self) -> None:
        """Freeze what the protocol does not train; frozen parts stay so."""
        if self.transfer == 'full':
            return
        tokens = self.transfer != 'lora' and not self.strict_freezing
        for name, param in self.backbone.named_parameters():
            bias = self.transfer == 'bitfit' and name.endswith('bias')
            token = tokens and name in CLASS_TOKEN
            if not bias and not token:
                param.requires_grad_(False)

    def _default_neck(self) -> nn.Module | None:
        if self.transfer != 'side':
            return None
        return SideTuning(
            self.backbone.embed_dims,
            self.backbone.in_channels,
            patch_channels=self.backbone.patch_channels,
        )

    def _check_parts(self) -> None:
        if isinstance(self.neck, SideTuning) != (self.transfer == 'side'):
            raise ValueError(
                "SideTuning and transfer='side' go together, got neck "
                f'{type(self.neck).__name__} and transfer={self.transfer!r}'
            )
        hidden = getattr(self.head, 'hidden_dims', ())
        if self.transfer == 'linear' and hidden:
            raise ValueError(
                "transfer='linear' has a linear head, got hidden_dims="
                f"{hidden}; leave them out, or use transfer='mlp3'"
            )

    def train(self, mode: bool = True) -> PointClassifier:
        """Switch the mode; a strictly frozen backbone stays in evaluation."""
        super().train(mode)
        if self.strict_freezing and self.transfer != 'full':
            self.backbone.eval()
        return self

    def _forward(self, inputs: dict) -> Tensor:
        """Compute the logits, (B, num_classes)."""
        return self.head(self.extract_feat(inputs))

    def extract_feat(self, inputs: dict) -> Tensor:
        """Features for the head: [class token, maximum], (B, 2C).

        Without a class token it is the maximum over the patches, (B, C).

        Args:
            inputs: See :meth:`forward`.
        """
        patches = self.backbone.group(
            inputs['points'],
            inputs.get('center_indices'),
            inputs.get('neighbor_indices'),
        )
        encoded = self.backbone.encode(patches)
        if self.neck is not None:
            encoded = self.neck(encoded, patches)
        pooled = encoded.pooled()
        return torch.cat([pooled[k] for k in POOLINGS if k in pooled], dim=1)

    def loss(self, inputs: dict, data_samples: list) -> dict[str, Tensor]:
        """Compute the head's ``loss`` and ``accuracy``."""
        return self.head.loss(self.extract_feat(inputs), data_samples)

    @torch.no_grad()
    def predict(self, inputs: dict, data_samples: list) -> list:
        """Add ``pred_logits`` (num_classes,) and ``pred_label`` (1,)."""
        return self.head.predict(self.extract_feat(inputs), data_samples)
