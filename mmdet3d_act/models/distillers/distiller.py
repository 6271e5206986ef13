"""The pretraining algorithm: a student and what it learns from.

Letters: B batch, G patches, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from mmengine.model import ModuleDict
from torch import Tensor, nn

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.distillers.objective import Objective
from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.models.point_model import PointModel
from mmdet3d_act.registry import MODELS, build_module
from mmdet3d_act.text import check_choice

MASK_TOKEN_PLACES = ('decoder', 'input')
PREDICTIONS = ('features', 'targets', 'vectors', 'losses')


@MODELS.register_module()
class Distiller(PointModel):
    """Pretrains a point Transformer on one or more objectives.

    ACT, Point-MAE and concept distillation are compositions of it, see
    ``configs/_base_/models/``; several objectives, each with its own teacher,
    are summed.

    Args:
        student: The point Transformer (config or module).
        objectives: Objectives by name; a config without ``type`` is an
            :class:`Objective`.
        mask: What draws the mask, or None where nothing is masked.
        mask_tokens: ``'decoder'``: masked patches are left out of the student
            and stand as mask tokens in the decoder, as published;
            ``'input'``: the student reads mask tokens in their place, as the
            text of ACT's unified objective has it. A ``MaskDecoder`` takes
            the same option.
        frozen_student: Whether the student stays as it is, in evaluation
            mode, and necks and heads are trained only: a probe of what its
            features tell.
        predicts: What :meth:`predict` gives, any of ``'features'``: for
            probing; ``'targets'``: what the objectives predict of every
            cloud and their targets, for retrieval; ``'vectors'``: what they
            predict, without targets, for texts; ``'losses'``.
        data_preprocessor: Config of the data preprocessor.
        init_cfg: Initialisation config.
    """

    def __init__(
        self,
        student: dict | nn.Module,
        objectives: dict[str, dict | nn.Module],
        *,
        mask: dict | nn.Module | None = None,
        mask_tokens: str = 'decoder',
        frozen_student: bool = False,
        predicts: Sequence[str] = ('features',),
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        check_choice('mask_tokens', mask_tokens, MASK_TOKEN_PLACES)
        if not set(predicts) <= set(PREDICTIONS):
            raise ValueError(
                f'predicts must be some of {PREDICTIONS}, got {predicts!r}'
            )
        if not objectives:
            raise ValueError(
                'a Distiller needs at least one objective, got none'
            )
        summed = [name for name in objectives if 'loss' in name]
        if summed:
            raise ValueError(
                f"names of objectives must not contain 'loss', got {summed}; "
                'MMEngine would sum everything that is logged under them'
            )
        self.predicts = tuple(predicts)
        self.frozen_student = frozen_student
        self.student = build_module(student)
        if frozen_student:
            self.student.requires_grad_(False)
            self.student.eval()
        # MMEngine's, which passes init_weights on to its members.
        self.objectives = ModuleDict(
            {name: _objective(cfg) for name, cfg in objectives.items()}
        )
        self._check_widths()
        self.mask = build_module(mask)
        self.mask_token = None
        if mask_tokens == 'input':
            dims = self.student.embed_dims
            self.mask_token = nn.Parameter(torch.zeros(1, 1, dims))
            nn.init.trunc_normal_(self.mask_token, std=0.02)

    def _check_widths(self) -> None:
        dims = getattr(self.student, 'embed_dims', None)
        for name, objective in self.objectives.items():
            neck = getattr(objective.neck, 'embed_dims', dims)
            head = getattr(objective.head, 'embed_dims', neck)
            if not dims == neck == head:
                raise ValueError(
                    f'embed_dims must be the same of student, neck and head '
                    f'of {name!r}, got {dims}, {neck} and {head}'
                )

    def train(self, mode: bool = True) -> Distiller:
        """Switch the mode; a frozen student stays in evaluation mode."""
        super().train(mode)
        if self.frozen_student:
            self.student.eval()
        return self

    def _forward(self, inputs: dict) -> EncodedPatches:
        """Encode the patches of the whole cloud."""
        return self._encode(self.get_patches(inputs))

    def get_patches(self, inputs: dict) -> PointPatches:
        """Return the patches that student and target generators share."""
        return self.student.group(
            inputs['points'],
            inputs.get('center_indices'),
            inputs.get('neighbor_indices'),
        )

    def loss(self, inputs: dict, data_samples: list | None = None) -> dict:
        """Return the losses of all objectives, named ``objective.loss``."""
        patches = self.get_patches(inputs)
        mask = None if self.mask is None else self.mask(patches.centers)
        # What the student sees, once for each kind of objective.
        kinds = {
            mask is None or objective.whole_cloud
            for objective in self.objectives.values()
        }
        seen = {
            whole: (None, self._encode(patches))
            if whole
            else (mask, self._encode(patches, mask))
            for whole in sorted(kinds)
        }
        losses = {}
        # Targets are of shapes alone; the student may see colours, too.
        patches = patches.geometry
        for name, objective in self.objectives.items():
            own_mask, encoded = seen[mask is None or objective.whole_cloud]
            values = objective.loss(
                inputs, patches, own_mask, encoded, data_samples
            )
            losses.update(
                {f'{name}.{key}': value for key, value in values.items()}
            )
        return losses

    def _encode(
        self, patches: PointPatches, mask: Tensor | None = None
    ) -> EncodedPatches:
        count = None
        # A custom mask may not know how many it masks.
        if mask is not None and hasattr(self.mask, 'num_masked'):
            count = self.mask.num_masked(mask.shape[1])
        with torch.set_grad_enabled(
            torch.is_grad_enabled() and not self.frozen_student
        ):
            return self.student.encode(
                patches, mask, None if mask is None else self.mask_token, count
            )

    @torch.no_grad()
    def predict(self, inputs: dict, data_samples: list) -> list:
        """Return the data samples with what ``predicts`` names.

        ``pred_feats``, for probing, is a dict of ``cls`` (where there is a
        class token), ``max`` and ``mean`` over the patches, each (C,).
        ``pred_targets`` is a dict of the objectives' (prediction, target),
        each (D,). ``pred_vectors`` is a dict of what they predict, (D,), see
        :meth:`Objective.predict_vectors`. ``pred_losses`` is a dict of the
        batch's losses and baselines.
        """
        patches = self.get_patches(inputs)
        encoded = self._encode(patches)
        if 'features' in self.predicts:
            pooled = encoded.pooled()
            for index, sample in enumerate(data_samples):
                sample.pred_feats = {
                    name: value[index].float()
                    for name, value in pooled.items()
                }
        if 'targets' in self.predicts:
            shape = patches.geometry
            pairs = {
                name: objective.predict(inputs, shape, encoded, data_samples)
                for name, objective in self.objectives.items()
                if hasattr(objective.head, 'predict')
            }
            for index, sample in enumerate(data_samples):
                sample.pred_targets = {
                    name: (pred[index].float(), target[index].float())
                    for name, (pred, target) in pairs.items()
                }
        if 'vectors' in self.predicts:
            found = {
                name: objective.predict_vectors(patches.geometry, encoded)
                for name, objective in self.objectives.items()
                if hasattr(objective.head, 'predict')
            }
            for index, sample in enumerate(data_samples):
                sample.pred_vectors = {
                    name: value[index].float() for name, value in found.items()
                }
        if 'losses' in self.predicts:
            losses = self.loss(inputs, data_samples)
            for sample in data_samples:
                sample.pred_losses = {
                    name: float(value) for name, value in losses.items()
                }
        return data_samples

    @property
    def needs_preparation(self) -> bool:
        """Whether an objective must see the training set before training."""
        return any(
            objective.needs_preparation
            for objective in self.objectives.values()
        )

    @torch.no_grad()
    def prepare(self, dataloader: Iterable[dict]) -> None:
        """Let the objectives see the training set before training.

        Args:
            dataloader: Batches of the training set, without augmentation.
        """
        training = self.training
        self.eval()
        for objective in self.objectives.values():
            if objective.needs_preparation:
                objective.prepare(self._prepared_batches(dataloader))
        self.train(training)

    def _prepared_batches(self, dataloader: Iterable[dict]) -> Iterable[tuple]:
        for data in dataloader:
            data = self.data_preprocessor(data)
            inputs = data['inputs']
            patches = self.get_patches(inputs).geometry
            yield inputs, patches, data['data_samples']


def _objective(cfg: dict | nn.Module) -> nn.Module:
    if isinstance(cfg, nn.Module) or 'type' in cfg:
        return build_module(cfg)
    return Objective(**cfg)
