"""What all whole models share: how they are called.

Letters: B batch, N points.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from mmdet3d_act.checkpoint import PretrainedModel
from mmdet3d_act.models.data_preprocessors import PointCloudPreprocessor
from mmdet3d_act.registry import build_module


class PointModel(PretrainedModel, BaseModel):
    """A model that gives its output, losses or predictions.

    Args:
        data_preprocessor: Config or module; None for the usual one.
        init_cfg: Initialisation config.
        ragged: See
            :class:`~mmdet3d_act.models.data_preprocessors.PointCloudPreprocessor`.
    """

    def __init__(
        self,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
        *,
        ragged: bool = False,
    ) -> None:
        super().__init__(
            build_module(data_preprocessor)
            or PointCloudPreprocessor(ragged=ragged),
            init_cfg,
        )

    def forward(
        self,
        inputs: dict | Tensor,
        data_samples: list | None = None,
        mode: str = 'tensor',
    ) -> Any:  # noqa: ANN401
        """Compute the output, losses or predictions.

        Args:
            inputs: ``points`` (B, N, 3+F), and what else the model reads:
                ``center_indices`` and ``neighbor_indices`` where patches are
                known; or the points alone.
            data_samples: One a cloud.
            mode: ``'tensor'``, ``'loss'`` or ``'predict'``: see
                :meth:`_forward`, :meth:`loss` and :meth:`predict`.
        """
        if isinstance(inputs, Tensor):
            # As tools that count operations give it.
            inputs = dict(points=inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self._forward(inputs)
        raise ValueError(
            f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}"
        )

    @abstractmethod
    def _forward(self, inputs: dict) -> Any:  # noqa: ANN401
        """Compute the network's output."""

    @abstractmethod
    def loss(self, inputs: dict, data_samples: list) -> dict:
        """Compute the losses by name."""

    @abstractmethod
    def predict(self, inputs: dict, data_samples: list) -> list:
        """Put the predictions into the data samples."""
