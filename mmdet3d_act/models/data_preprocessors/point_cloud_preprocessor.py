"""Stacks clouds into a batch on the model's device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class PointCloudPreprocessor(BaseDataPreprocessor):
    """Stack the inputs of a batch and move them to the model's device.

    Deterministic: whatever is random happens in the pipeline. Every entry of
    ``inputs`` is stacked, so that ``points`` becomes (B, N, 3+F).

    Args:
        ragged: Whether clouds of different sizes are left as a list in
            testing, for models that take them one by one.
    """

    def __init__(self, *, ragged: bool = False) -> None:
        super().__init__()
        self.ragged = ragged

    def forward(self, data: dict, training: bool = False) -> dict:
        """Return the batch with stacked inputs.

        Args:
            data: ``inputs``: a dict of lists of tensors, one tensor a sample
                (``points`` (N, 3+F) at least); ``data_samples``: a list.
            training: Whether clouds must be of one size.

        Raises:
            ValueError: If clouds of a batch differ in size.
        """
        ragged = self.ragged and not training
        inputs = {
            name: values
            if ragged and name == 'points' and len(_shapes(values)) > 1
            else self._stack(name, values)
            for name, values in data['inputs'].items()
        }
        batch = {'inputs': inputs, 'data_samples': data.get('data_samples')}
        return self.cast_data(batch)

    @staticmethod
    def _stack(name: str, values: Tensor | list[Tensor]) -> Tensor:
        if isinstance(values, Tensor):
            return values
        shapes = _shapes(values)
        if len(shapes) > 1:
            raise ValueError(
                f'all {name} of a batch must have the same shape, got '
                f'{shapes}; sample the same number of points of every cloud '
                'in the pipeline'
            )
        return torch.stack(list(values))


def _shapes(values: Sequence[Tensor]) -> list[tuple[int, ...]]:
    return sorted({tuple(value.shape) for value in values})
