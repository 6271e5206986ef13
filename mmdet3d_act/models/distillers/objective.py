"""One thing that a student learns.

Letters: B batch, G patches, D numbers of a cloud's target.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.registry import MODELS, build_module
from mmdet3d_act.text import check_least


@MODELS.register_module()
class Objective(BaseModule):
    """One thing that the student learns: a target, a neck and a head.

    Args:
        target_generator: Turns a batch into the detached target (config or
            module).
        neck: From the encoded patches to predictions.
        head: From predictions and target to losses.
        target_norm: Normalises the targets, see
            :class:`~mmdet3d_act.models.target_generators.TargetNorm`.
        weight: Factor of the head's losses and of their baselines.
        mask: Draws a mask for what the student made of the whole cloud; the
            distiller's mask hides patches from the student itself. None for
            no other mask than that.
        whole_cloud: Whether the student sees the whole cloud for this
            objective, also where the distiller masks some of it: it encodes
            it once more then, for all such objectives together. An objective
            with a mask of its own always has this.
    """

    def __init__(
        self,
        target_generator: dict | nn.Module,
        neck: dict | nn.Module,
        head: dict | nn.Module,
        *,
        target_norm: dict | nn.Module | None = None,
        weight: float = 1.0,
        mask: dict | nn.Module | None = None,
        whole_cloud: bool = False,
    ) -> None:
        super().__init__()
        check_least('weight', weight, 0)
        self.target_generator = build_module(target_generator)
        self.target_norm = build_module(target_norm)
        self.neck = build_module(neck)
        self.head = build_module(head)
        self.weight = weight
        self.mask = build_module(mask)
        self.whole_cloud = whole_cloud or mask is not None
        generator = self.target_generator
        generator = getattr(generator, 'generator', generator)
        parts = (generator, self.target_norm, self.head)
        widths = {getattr(part, 'target_channels', None) for part in parts}
        if len(widths - {None}) > 1:
            raise ValueError(
                'target_channels of the head and num_channels of target_norm '
                f'must be the width of the targets, got {widths - {None}}'
            )
        # The generator knows the size of what the head predicts.
        shape = getattr(self.target_generator, 'target_shape', None)
        if shape is not None and hasattr(self.head, 'set_target_shape'):
            self.head.set_target_shape(shape)

    @torch.no_grad()
    def get_target(
        self, inputs: dict, patches: PointPatches, data_samples: list | None
    ) -> Tensor:
        """Return the detached, normalised target of a batch."""
        target = self.target_generator(inputs, patches, data_samples)
        return target if self.target_norm is None else self.target_norm(target)

    def loss(
        self,
        inputs: dict,
        patches: PointPatches,
        mask: Tensor | None,
        encoded: EncodedPatches,
        data_samples: list | None,
    ) -> dict[str, Tensor]:
        """Return the weighted losses of a batch.

        Args:
            inputs: The stacked inputs of the batch.
            patches: The whole cloud's patches.
            mask: Bool (B, G), True = masked.
            encoded: What the student made of the visible patches.
            data_samples: One a cloud.
        """
        if self.mask is not None:
            mask = self.mask(patches.centers)
        target = self.get_target(inputs, patches, data_samples)
        preds = self.neck(encoded, patches, mask)
        return self.weigh(self.head.loss(preds, target, mask))

    def weigh(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return losses and baselines times ``weight``, others as they are.

        Args:
            losses: A head's, by name.
        """
        return {
            name: value * self.weight if _is_weighted(name) else value
            for name, value in losses.items()
        }

    @torch.no_grad()
    def predict(
        self,
        inputs: dict,
        patches: PointPatches,
        encoded: EncodedPatches,
        data_samples: list | None,
    ) -> tuple[Tensor, Tensor]:
        """Return prediction and target of every cloud, each (B, D).

        Args:
            inputs: The stacked inputs of the batch.
            patches: The whole cloud's patches.
            encoded: What the student made of all of them.
            data_samples: One a cloud.

        Raises:
            ValueError: If the head predicts patches, not clouds.
        """
        if not hasattr(self.head, 'predict'):
            raise ValueError(
                f'{type(self.head).__name__} predicts nothing of a whole '
                "cloud; predicts='targets' is for objectives with an "
                'AlignmentHead'
            )
        target = self.get_target(inputs, patches, data_samples)
        pred = self.head.predict(self.neck(encoded, patches, None))
        return pred, target.flatten(1)

    @torch.no_grad()
    def predict_vectors(
        self, patches: PointPatches, encoded: EncodedPatches
    ) -> Tensor:
        """Predict the teacher's vector of every cloud, (B, D).

        It has the axes and the unit of the teacher; with a ``target_norm``
        it is the difference from the mean of the training targets.

        Args:
            patches: The whole cloud's patches.
            encoded: What the student made of all of them.
        """
        pred = self.head.predict(self.neck(encoded, patches, None))
        norm = self.target_norm
        if norm is None or norm.mode == 'raw':
            return pred
        return norm.inverse(pred) - norm.mean

    @property
    def needs_preparation(self) -> bool:
        """Whether targets or their statistics must be computed first."""
        fits = self.target_norm is not None and self.target_norm.needs_fit
        return fits or hasattr(self.target_generator, 'store')

    def prepare(self, batches: Iterable[tuple]) -> None:
        """Compute what must be known of all targets before training.

        Args:
            batches: (inputs, patches, data samples) of the training set,
                without augmentation.
        """
        cache = self.target_generator
        keeps = hasattr(cache, 'store')
        generator = cache.generator if keeps else cache

        def targets() -> Iterable[Tensor]:
            for inputs, patches, data_samples in batches:
                target = generator(inputs, patches, data_samples)
                if keeps:
                    cache.store(target, patches, data_samples)
                yield target

        if self.target_norm is not None and self.target_norm.needs_fit:
            self.target_norm.fit(targets())
        else:
            for _ in targets():
                pass


def _is_weighted(name: str) -> bool:
    # A baseline is there to be compared with the loss beside it.
    return 'loss' in name or name.endswith('baseline')
