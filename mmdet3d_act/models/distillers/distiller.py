"""The pretraining algorithm: a student and what it learns from.

Letters: B batch, G patches, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from mmengine.model import BaseModel, BaseModule, ModuleDict
from torch import Tensor, nn

from mmdet3d_act.models.backbones.pretrained import PretrainedModel
from mmdet3d_act.models.data_preprocessors import PointCloudPreprocessor
from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.registry import MODELS, build_module

MASK_TOKEN_PLACES = ('decoder', 'input')


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
    """

    def __init__(
        self,
        target_generator: dict | nn.Module,
        neck: dict | nn.Module,
        head: dict | nn.Module,
        *,
        target_norm: dict | nn.Module | None = None,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.target_generator = build_module(target_generator)
        self.target_norm = build_module(target_norm)
        self.neck = build_module(neck)
        self.head = build_module(head)
        self.weight = weight

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
        encoded: object,
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
        target = self.get_target(inputs, patches, data_samples)
        preds = self.neck(encoded, patches, mask)
        losses = self.head.loss(preds, target, mask)
        return {
            name: value * self.weight if _is_weighted(name) else value
            for name, value in losses.items()
        }

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


@MODELS.register_module()
class Distiller(PretrainedModel, BaseModel):
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
            and stand as mask tokens in the decoder, as released;
            ``'input'``: the student reads mask tokens in their place, as the
            text of ACT's unified objective has it. A ``MaskDecoder`` takes
            the same option.
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
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            build_module(data_preprocessor) or PointCloudPreprocessor(),
            init_cfg,
        )
        if mask_tokens not in MASK_TOKEN_PLACES:
            raise ValueError(
                f'mask_tokens must be one of {MASK_TOKEN_PLACES}, got '
                f'{mask_tokens!r}'
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
        self.student = build_module(student)
        # MMEngine's, which passes init_weights on to its members.
        self.objectives = ModuleDict(
            {name: _objective(cfg) for name, cfg in objectives.items()}
        )
        self.mask = build_module(mask)
        self.mask_token = None
        if mask_tokens == 'input':
            dims = self.student.embed_dims
            self.mask_token = nn.Parameter(torch.zeros(1, 1, dims))
            nn.init.trunc_normal_(self.mask_token, std=0.02)

    def forward(
        self,
        inputs: dict,
        data_samples: list | None = None,
        mode: str = 'tensor',
    ) -> dict | list | object:
        """Return encoded patches, losses or features for probing.

        Args:
            inputs: ``points`` (B, N, 3+F), and ``center_indices`` and
                ``neighbor_indices`` where patches are known.
            data_samples: One a cloud.
            mode: ``'tensor'``: the encoded patches of the whole cloud;
                ``'loss'``: see :meth:`loss`; ``'predict'``: see
                :meth:`predict`.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.student.encode(self.get_patches(inputs))
        raise ValueError(
            f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}"
        )

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
        encoded = self.student.encode(patches, mask, self.mask_token)
        losses = {}
        for name, objective in self.objectives.items():
            values = objective.loss(
                inputs, patches, mask, encoded, data_samples
            )
            losses.update(
                {f'{name}.{key}': value for key, value in values.items()}
            )
        return losses

    @torch.no_grad()
    def predict(self, inputs: dict, data_samples: list) -> list:
        """Return the data samples with ``pred_feats`` for probing.

        ``pred_feats`` is a dict of ``cls`` (where there is a class token),
        ``max`` and ``mean`` over the patches, each (C,).
        """
        pooled = self.student.encode(self.get_patches(inputs)).pooled()
        for index, sample in enumerate(data_samples):
            sample.pred_feats = {
                name: value[index].float() for name, value in pooled.items()
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
            yield inputs, self.get_patches(inputs), data['data_samples']


def _is_weighted(name: str) -> bool:
    # A baseline is there to be compared with the loss beside it.
    return 'loss' in name or name.endswith('baseline')


def _objective(cfg: dict | nn.Module) -> nn.Module:
    if isinstance(cfg, nn.Module) or 'type' in cfg:
        return build_module(cfg)
    return Objective(**cfg)
