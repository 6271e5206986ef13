"""Targets that are in the batch: its points, or vectors of the data.

Letters: B batch, G patches, K points of a patch, D width of the vectors.
"""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor

from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class PatchCoordinates(BaseModule):
    """The coordinates of every patch, relative to its centre.

    Source: Pang et al., Masked Autoencoders for Point Cloud Self-supervised
    Learning, ECCV 2022, section 3.3.
    """

    def forward(
        self,
        inputs: dict,
        patches: PointPatches,
        data_samples: list | None = None,
    ) -> Tensor:
        """Return the target, (B, G, K, 3)."""
        return patches.neighborhoods[..., :3]


@MODELS.register_module()
class VectorTarget(BaseModule):
    """Vectors of images or texts that the data set has, (B, D).

    Example:
        >>> target = VectorTarget(8)
        >>> target(dict(vectors=torch.rand(2, 8))).shape, target.target_shape
        (torch.Size([2, 8]), (8,))

    Args:
        num_channels: Width D of the vectors, which sizes the head; None where
            the head's config says it.
    """

    def __init__(self, num_channels: int | None = None) -> None:
        super().__init__()
        self.num_channels = num_channels

    @property
    def target_shape(self) -> tuple[int] | None:
        """Shape of the target of one cloud, (D,); None where not given."""
        return None if self.num_channels is None else (self.num_channels,)

    def forward(
        self,
        inputs: dict,
        patches: PointPatches | None = None,
        data_samples: list | None = None,
    ) -> Tensor:
        """Return the vector of every cloud, (B, D), float32.

        Args:
            inputs: With ``vectors``, (B, D).
            patches: Not used.
            data_samples: Not used.

        Raises:
            KeyError: If the batch has no vectors.
            ValueError: If they are of another width.
        """
        if 'vectors' not in inputs:
            raise KeyError(
                "VectorTarget needs inputs['vectors'], got "
                f'{sorted(inputs)}; use a data set with precomputed vectors'
            )
        vectors = inputs['vectors'].detach().float()
        width = self.num_channels or vectors.shape[-1]
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ValueError(
                f'expected vectors (B, {width}), got {tuple(vectors.shape)}; '
                "set num_channels to the width of the data set's vectors"
            )
        return vectors
