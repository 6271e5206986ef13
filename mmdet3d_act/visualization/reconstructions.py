"""What a pretraining model makes of clouds, as stages that can be drawn.

Letters: B clouds, N points, G patches, K points of a patch, M masked, C
channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmdet3d_act.datasets.seeding import seeded
from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.distillers import Distiller, Objective
from mmdet3d_act.models.heads import CoordinateHead
from mmdet3d_act.models.layers import (
    PointPatches,
    RandomPatchMask,
    patches_in_place,
)
from mmdet3d_act.models.target_generators import (
    AutoencoderCodes,
    AutoencoderTarget,
    CachedTarget,
    PatchCoordinates,
)
from mmdet3d_act.ops import chamfer_distance

from .stages import Stage, spread_labels

CLOUD_NOTE = (
    'CD: Chamfer-L1 to the input x 1000, as in validation; lower is better. '
    'Codes: one colour, one code; few colours mean a collapsed codebook.'
)
MASKED_NOTE = (
    'CD: Chamfer-L1 x 1000 of the masked patches to the true ones; lower is '
    'better. In the last columns visible patches are grey.'
)
CODE_NOTE = (
    'Codes are decoded by the frozen autoencoder; predictions that are no '
    'better than the commonest code everywhere have learned nothing.'
)
FEATURE_NOTE = (
    'A prediction is decoded by the frozen autoencoder, in the length that '
    'fits the targets best; if it is no better than the mean target, it has '
    'learned nothing that shows.'
)


class ReconstructedStages(NamedTuple):
    """The stages of a batch, and how to read them.

    Attributes:
        stages: The columns of the picture.
        notes: Lines for below it.
    """

    stages: list[Stage]
    notes: list[str]


@contextmanager
def undisturbed(model: nn.Module, seed: int = 0) -> Iterator[None]:
    """Evaluate a model for a while, with random numbers of a seed.

    Afterwards every module is in the mode it was in, and the generators of
    Python, NumPy and PyTorch (the CPU's and that of the model's device) are
    in the state they were in: a training does not notice.

    Args:
        model: The model.
        seed: Seed of what is drawn meanwhile, >= 0.
    """
    modes = [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device
    on_cuda = device.type == 'cuda'
    sequence = np.random.SeedSequence(seed)
    with (
        torch.no_grad(),
        torch.random.fork_rng([device] if on_cuda else []),
        seeded(sequence),
    ):
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


def reconstruction_stages(
    model: nn.Module,
    inputs: dict[str, Tensor],
    *,
    seed: int = 0,
    mask_ratio: float | None = None,
) -> ReconstructedStages:
    """Show what a model makes of clouds, stage by stage.

    An autoencoder: input, patches, patches by code, coarse and dense
    reconstruction. A distiller: input, patches, visible patches, and for each
    of its objectives the masked patches as they are predicted: points
    directly, features of an autoencoder decoded by it, beside what the
    targets and their mean are decoded to.

    Neither mode nor random state nor any buffer of the model change.

    Args:
        model: A `DiscreteVAE` or a `Distiller`, without a wrapper.
        inputs: ``points`` (B, N, 3), stacked and on the model's device, and
            ``center_indices`` and ``neighbor_indices`` where patches are
            known.
        seed: Seed of the mask, >= 0.
        mask_ratio: Of an autoencoder, shows a mask of this ratio as well; a
            distiller draws its own.

    Raises:
        ValueError: See :func:`check_drawable`.
    """
    check_drawable(model)
    with undisturbed(model, seed):
        if isinstance(model, DiscreteVAE):
            return _autoencoder_stages(model, inputs, mask_ratio)
        return _distiller_stages(model, inputs)


def check_drawable(model: nn.Module) -> None:
    """Refuse a model of which no reconstruction can be drawn.

    Args:
        model: The model, without a wrapper.

    Raises:
        ValueError: If it is neither an autoencoder nor a distiller that
            predicts points or features of an autoencoder.
    """
    if isinstance(model, DiscreteVAE):
        return
    if not isinstance(model, Distiller) or model.mask is None:
        raise ValueError(
            'expected a DiscreteVAE (stage I) or a Distiller with a mask '
            f'(stage II, Point-MAE), got {type(model).__name__}; give the '
            'config and checkpoint of a pretraining'
        )
    if not any(map(_decoder, model.objectives.values())):
        raise ValueError(
            'expected an objective that predicts PatchCoordinates, '
            'AutoencoderTarget or AutoencoderCodes, got '
            f'{list(model.objectives)}; draw the stage-I checkpoint instead'
        )


def _autoencoder_stages(
    model: DiscreteVAE, inputs: dict[str, Tensor], mask_ratio: float | None
) -> ReconstructedStages:
    patches = model.group(**inputs)
    output = model.reconstruct(patches)
    stages = _input_stages(inputs, patches)
    if mask_ratio is not None:
        mask = RandomPatchMask(mask_ratio)(patches.centers)
        stages.append(_visible_stage(patches, mask))
    codes = output.codes
    counts = [f'{len(row.unique())} in use' for row in codes]
    title = f'codes ({len(model.codebook)})'
    stages.append(
        Stage(
            title, stages[1].points, _spread(_ranked(codes), patches), counts
        )
    )
    for name, local in (('coarse', output.coarse), ('dense', output.fine)):
        points = patches_in_place(patches.centers, local)
        distances = chamfer_distance(
            points, inputs['points'], reduction='none'
        )
        stages.append(Stage(name, points, None, _captions(distances)))
    return ReconstructedStages(stages, [CLOUD_NOTE])


def _distiller_stages(
    model: Distiller, inputs: dict[str, Tensor]
) -> ReconstructedStages:
    patches = model.get_patches(inputs)
    mask = model.mask(patches.centers)
    encoded = model.student.encode(patches, mask, model.mask_token)
    stages = [*_input_stages(inputs, patches), _visible_stage(patches, mask)]
    notes = [MASKED_NOTE]
    for name, objective in model.objectives.items():
        decode = _decoder(objective)
        if decode is None:
            continue
        pred = objective.head(objective.neck(encoded, patches, mask))[0]
        prefix = f'{name}: ' if len(model.objectives) > 1 else ''
        for title, local in decode(objective, patches, mask, pred).items():
            stages.append(
                _predicted_stage(prefix + title, local, patches, mask)
            )
        note = _NOTES.get(decode)
        if note and note not in notes:
            notes.append(note)
    return ReconstructedStages(stages, notes)


def _input_stages(
    inputs: dict[str, Tensor], patches: PointPatches
) -> list[Stage]:
    points = inputs['points']
    number, size = patches.neighborhoods.shape[1:3]
    shown = _placed(patches, patches.neighborhoods)
    labels = _spread(spread_labels(patches.centers), patches)
    count = [f'{points.shape[1]} points'] * len(points)
    sizes = [f'{size} points each'] * len(points)
    return [
        Stage('input', points[..., :3], None, count),
        Stage(f'{number} patches', shown, labels, sizes),
    ]


def _visible_stage(patches: PointPatches, mask: Tensor) -> Stage:
    labels = spread_labels(patches.centers)
    labels = np.where(mask.cpu().numpy(), -1, labels)
    visible = int((~mask[0]).sum())
    return Stage(
        f'visible: {visible} of {mask.shape[1]}',
        _placed(patches, patches.neighborhoods),
        _spread(labels, patches),
    )


def _predicted_stage(
    title: str, local: Tensor, patches: PointPatches, mask: Tensor
) -> Stage:
    """Show predicted patches among visible ones, with their distances."""
    truth = patches.neighborhoods[..., :3]
    group_size = truth.shape[2]
    # A prediction may have another number of points per patch; what is
    # visible is repeated or thinned to the same.
    rows = torch.arange(local.shape[2], device=truth.device) % group_size
    shown = torch.where(mask[..., None, None], local, truth[:, :, rows])
    distances = chamfer_distance(
        local[mask].float(), truth[mask], reduction='none'
    )
    labels = spread_labels(patches.centers)
    labels = np.where(mask.cpu().numpy(), labels, -1)
    return Stage(
        title,
        patches_in_place(patches.centers, shown),
        np.repeat(labels, local.shape[2], axis=1),
        _captions(distances.view(len(mask), -1).mean(1)),
    )


def _decoder(objective: Objective) -> Callable | None:
    """Choose what decodes an objective's predictions; None if nothing can."""
    generator = _generator(objective)
    if isinstance(objective.head, CoordinateHead) and isinstance(
        generator, PatchCoordinates
    ):
        return _decode_points
    if isinstance(generator, AutoencoderTarget):
        return _decode_features
    if isinstance(generator, AutoencoderCodes):
        return _decode_codes
    return None


def _generator(objective: Objective) -> nn.Module:
    generator = objective.target_generator
    cached = isinstance(generator, CachedTarget)
    return generator.generator if cached else generator


def _decode_points(
    objective: Objective, patches: PointPatches, mask: Tensor, pred: Tensor
) -> dict[str, Tensor]:
    """Put predicted patches in their places; visible ones stay empty."""
    local = pred.new_zeros(*mask.shape, *pred.shape[2:])
    local[mask] = pred.flatten(0, 1)
    return {'prediction': local}


def _decode_features(
    objective: Objective, patches: PointPatches, mask: Tensor, pred: Tensor
) -> dict[str, Tensor]:
    """Decode targets, predictions and the mean target."""
    generator = _generator(objective)
    generator.autoencoder.check_ready()
    autoencoder = generator.autoencoder.module
    features = autoencoder.encode(patches, noise=False, local=generator.local)
    norm = objective.target_norm
    target = features if norm is None else norm(features)
    pred = pred.float().flatten(0, 1)  # (B * M, C)
    wanted = target[mask]
    # A cosine loss leaves the length of predictions open.
    factor = (pred * wanted).sum() / pred.square().sum().clamp_min(1e-12)
    mean = wanted.mean(0, keepdim=True).expand_as(wanted)

    def decoded(rows: Tensor) -> Tensor:
        rows = rows if norm is None else norm.inverse(rows)
        mixed = features.clone()
        mixed[mask] = rows.to(mixed.dtype)
        return autoencoder.decode(
            mixed, patches.centers, local=generator.local
        )[1]

    return {
        'target, decoded': decoded(wanted),
        'prediction, decoded': decoded(pred * factor.clamp_min(0)),
        'mean target, decoded': decoded(mean),
    }


def _decode_codes(
    objective: Objective, patches: PointPatches, mask: Tensor, pred: Tensor
) -> dict[str, Tensor]:
    """Decode true codes, predicted ones and the commonest one."""
    generator = _generator(objective)
    generator.autoencoder.check_ready()
    autoencoder = generator.autoencoder.module
    codes = autoencoder.get_codes(patches)
    wanted = codes[mask]

    def decoded(rows: Tensor) -> Tensor:
        mixed = codes.clone()
        mixed[mask] = rows
        return autoencoder.decode_codes(mixed, patches.centers)[1]

    return {
        'true codes, decoded': decoded(wanted),
        'predicted, decoded': decoded(pred.argmax(-1).flatten()),
        'commonest, decoded': decoded(wanted.mode().values),
    }


_NOTES = {_decode_features: FEATURE_NOTE, _decode_codes: CODE_NOTE}


def _placed(patches: PointPatches, local: Tensor) -> Tensor:
    return patches_in_place(patches.centers, local[..., :3])


def _spread(labels: Tensor | np.ndarray, patches: PointPatches) -> np.ndarray:
    """Repeat labels (B, G) of patches for their points, (B, G*K)."""
    if isinstance(labels, Tensor):
        labels = labels.cpu().numpy()
    return np.repeat(labels, patches.neighborhoods.shape[2], axis=1)


def _ranked(codes: Tensor) -> np.ndarray:
    """Rank codes (B, G) by frequency: the commonest differ in colour."""
    values, place, counts = np.unique(
        codes.cpu().numpy(), return_inverse=True, return_counts=True
    )
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.argsort(-counts, kind='stable')] = np.arange(len(values))
    return rank[place].reshape(codes.shape)


def _captions(distances: Tensor) -> list[str]:
    return [f'CD {1000 * float(value):.1f}' for value in distances]
