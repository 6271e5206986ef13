"""Semantic and part segmentation of point clouds.

Letters: B batch, N points, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdet3d_act.models.layers import SlidingWindows
from mmdet3d_act.models.point_model import PointModel
from mmdet3d_act.registry import MODELS, build_module, point_data
from mmdet3d_act.text import check_choice

MODES = ('whole', 'slide')
PATCH_KEYS = ('center_indices', 'neighbor_indices')


@MODELS.register_module()
class PointSegmentor(PointModel):
    """A backbone, perhaps a neck, and a decode head.

    MMDetection3D's `EncoderDecoder3D` with two differences: inputs beside the
    points (the category of an object) reach the head, and the windows of a
    whole scene are the same in every run. Parts and predictions have the
    same names, and the heads of either work in the other.

    Example:
        >>> model = PointSegmentor(
        ...     dict(
        ...         type='PointTransformer',
        ...         num_groups=128,
        ...         with_cls_token=False,
        ...         out_indices=(3, 7, 11),
        ...         norm_hidden_states=True,
        ...     ),
        ...     dict(type='PartSegHead', num_classes=50),
        ... )

    Args:
        backbone: Config or module; returns the dict that MMDetection3D's
            heads read.
        decode_head: Config or module; from that dict to logits.
        neck: Config or module between them; from dict to dict.
        train_cfg: Passed to the head.
        test_cfg: ``mode``: ``'whole'``, every cloud at once (the default), or
            ``'slide'``: scenes in windows, blocks at once, with the further
            options of
            :class:`~mmdet3d_act.models.layers.SlidingWindows`, which do
            nothing with ``'whole'``. MMDetection3D's
            ``use_normalized_coord`` may be there, and be False.
        data_preprocessor: Config of the data preprocessor.
        init_cfg: Initialisation config.

    Raises:
        TypeError: If ``test_cfg`` has an unknown option.
        ValueError: If it has an unknown mode, or a value out of its range.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        decode_head: dict | nn.Module,
        *,
        neck: dict | nn.Module | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        windows = _windows(test_cfg)
        super().__init__(
            data_preprocessor, init_cfg, ragged=windows is not None
        )
        self.backbone = build_module(backbone)
        self.neck = build_module(neck)
        self.decode_head = build_module(decode_head)
        self.train_cfg = train_cfg
        self.test_cfg = test_cfg
        self.windows = windows

    def _forward(self, inputs: dict) -> Tensor:
        """Compute the logits, (B, C, N)."""
        return self.decode_head(self.extract_feat(inputs))

    def extract_feat(self, inputs: dict) -> dict:
        """Features for the head: the backbone's dict, and other inputs.

        Args:
            inputs: See :meth:`forward`; ``shape_label`` (B,), int64, for part
                segmentation.
        """
        known = {key: inputs[key] for key in PATCH_KEYS if key in inputs}
        feats = self.backbone(inputs['points'], **known)
        if self.neck is not None:
            feats = self.neck(feats)
        taken = ('points', *PATCH_KEYS)
        others = {k: v for k, v in inputs.items() if k not in taken}
        return {**feats, **others}

    def loss(self, inputs: dict, data_samples: list) -> dict[str, Tensor]:
        """Return the head's losses, named ``decode.loss_sem_seg``.

        Args:
            inputs: See :meth:`forward`.
            data_samples: Each with ``gt_pts_seg.pts_semantic_mask`` (N,).
        """
        feats = self.extract_feat(inputs)
        losses = self.decode_head.loss(feats, data_samples, self.train_cfg)
        return {f'decode.{name}': value for name, value in losses.items()}

    @torch.no_grad()
    def predict(self, inputs: dict, data_samples: list) -> list:
        """Return the data samples with predictions.

        Args:
            inputs: See :meth:`forward`; with windows ``points`` may be a
                list of (N, 3+F) of different N.
            data_samples: One a cloud.

        Returns:
            The samples, with ``pts_seg_logits.pts_seg_logits`` (C, N) and
            ``pred_pts_seg.pts_semantic_mask`` (N,), int64. After windows the
            logits are what the windows were merged to.
        """
        metas = [sample.metainfo for sample in data_samples]
        points = inputs['points']
        stacked = isinstance(points, Tensor)
        if self.windows is None or (
            stacked and self.windows.are_blocks(points)
        ):
            logits = self._logits(inputs, metas)
        else:
            logits = [
                self._slide(inputs, index) for index in range(len(metas))
            ]
        for sample, own in zip(data_samples, logits, strict=True):
            own = own.float()
            sample.pts_seg_logits = point_data(pts_seg_logits=own)
            sample.pred_pts_seg = point_data(pts_semantic_mask=own.argmax(0))
        return data_samples

    def _logits(self, inputs: dict, metas: list[dict]) -> Tensor:
        feats = self.extract_feat(inputs)
        return self.decode_head.predict(feats, metas, self.test_cfg)

    def _slide(self, inputs: dict, index: int) -> Tensor:
        """Return the merged logits of one cloud of the batch, (C, N)."""
        others = {k: v[index] for k, v in inputs.items() if k != 'points'}

        def logits(points: Tensor) -> Tensor:
            batch = {
                key: value.expand(len(points), *value.shape)
                for key, value in others.items()
            }
            return self._logits({'points': points, **batch}, [{}])

        return self.windows(inputs['points'][index], logits)


def _windows(test_cfg: dict | None) -> SlidingWindows | None:
    options = dict(test_cfg or {})
    mode = options.pop('mode', 'whole')
    check_choice('test_cfg.mode', mode, MODES)
    if options.pop('use_normalized_coord', False):
        raise ValueError(
            'test_cfg.use_normalized_coord must be False, got True: the '
            'backbone reads coordinates and features as they are, without '
            'normalised copies of the coordinates'
        )
    windows = SlidingWindows(**options)
    return windows if mode == 'slide' else None
