"""Stacks clouds into a batch on the model's device."""

from __future__ import annotations

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class PointCloudPreprocessor(BaseDataPreprocessor):
    """Stack the inputs of a batch and move them to the model's device.

    Deterministic: whatever is random happens in the pipeline. Every entry of
    ``inputs`` is stacked, so that ``points`` becomes (B, N, 3+F).
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Return the batch with stacked inputs.

        Args:
            data: ``inputs``: a dict of lists of tensors, one tensor a sample
                (``points`` (N, 3+F) at least); ``data_samples``: a list.
            training: Not used: training and testing do the same.

        Raises:
            ValueError: If clouds of a batch differ in size, or a coordinate
                is not finite.
        """
        inputs = {
            name: self._stack(name, values)
            for name, values in data['inputs'].items()
        }
        points = inputs['points']
        if not torch.isfinite(points).all():
            bad = (~torch.isfinite(points)).flatten(1).any(1).nonzero()
            raise ValueError(
                'points must be finite, got NaN or infinity in samples '
                f'{bad.flatten().tolist()} of the batch; clean the files or '
                "set on_error='skip' on the data set"
            )
        batch = {'inputs': inputs, 'data_samples': data.get('data_samples')}
        return self.cast_data(batch)

    @staticmethod
    def _stack(name: str, values: Tensor | list[Tensor]) -> Tensor:
        if isinstance(values, Tensor):
            return values
        shapes = sorted({tuple(value.shape) for value in values})
        if len(shapes) > 1:
            raise ValueError(
                f'all {name} of a batch must have the same shape, got '
                f'{shapes}; sample the same number of points of every cloud '
                'in the pipeline'
            )
        return torch.stack(list(values))
