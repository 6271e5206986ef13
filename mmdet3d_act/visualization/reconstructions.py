"""What a pretraining model makes of clouds, as stages that can be drawn.

Letters: B clouds, N points, G patches, K points of a patch, M masked, C
channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmdet3d_act.datasets.seeding import seeded
from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.distillers import Distiller, Objective
from mmdet3d_act.models.layers import (
    PointPatches,
    patches_in_place,
)
from mmdet3d_act.models.target_generators import (
    AutoencoderCodes,
    AutoencoderTarget,
    CachedTarget,
    PatchCoordinates,
)
from mmdet3d_act.ops import chamfer_distance

from .arrays import (
    PALETTE,
    height_colors,
    label_colors,
    to_numpy,
    to_points,
    upright,
)
from .rasterizer import fit_frame
from .sheet import Panel

CLOUD_NOTE = (
    'CD: Chamfer-L1 to the input x 1000, as in validation; lower is better. '
    'Codes: one colour, one code; few colours mean a collapsed codebook.'
)
MASKED_NOTE = (
    'CD: Chamfer-L1 x 1000 of the masked patches to the true ones; lower is '
    'better. In the last columns visible patches are grey. What is decoded is '
    'decoded by the frozen autoencoder; predictions that are no better than '
    'the mean target, or the commonest code, have learned nothing that shows.'
)


class Stage(NamedTuple):
    """One column of a sheet: what a batch of clouds is at one point.

    Attributes:
        title: Name of the stage.
        points: (B, P, 3), at their place in the cloud.
        labels: Integers (B, P) that choose colours, -1 for grey; None
            colours by height.
        captions: One line per cloud, or none.
    """

    title: str
    points: Any
    labels: Any = None
    captions: Sequence[str] = ()


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
    model: nn.Module, inputs: dict[str, Tensor], *, seed: int = 0
) -> tuple[list[Stage], str]:
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

    Returns:
        The columns of the picture, and a note for below it.
    """
    check_drawable(model)
    with undisturbed(model, seed):
        if isinstance(model, DiscreteVAE):
            return _autoencoder_stages(model, inputs), CLOUD_NOTE
        return _distiller_stages(model, inputs), MASKED_NOTE


def check_drawable(model: nn.Module) -> None:
    """Refuse a model of which no reconstruction can be drawn."""
    if isinstance(model, DiscreteVAE):
        return
    objectives = getattr(model, 'objectives', {})
    drawn = [isinstance(_generator(o), _DRAWN) for o in objectives.values()]
    if getattr(model, 'mask', None) is None or not any(drawn):
        raise ValueError(
            'expected a DiscreteVAE, or a Distiller with a mask and an '
            'objective that predicts PatchCoordinates, AutoencoderTarget or '
            f'AutoencoderCodes, got {type(model).__name__} with objectives '
            f'{[*objectives]}'
        )


def _autoencoder_stages(
    model: DiscreteVAE, inputs: dict[str, Tensor]
) -> list[Stage]:
    patches = model.group(**inputs)
    output = model.reconstruct(patches)
    stages = _input_stages(inputs, patches)
    codes = output.codes
    counts = [f'{len(row.unique())} in use' for row in codes]
    title = f'codes ({len(model.codebook)})'
    labels = _spread(_ranked(codes), patches)
    stages.append(Stage(title, stages[1].points, labels, counts))
    for name, local in (('coarse', output.coarse), ('dense', output.fine)):
        points = patches_in_place(patches.centers, local)
        distances = chamfer_distance(
            points, inputs['points'], reduction='none'
        )
        stages.append(Stage(name, points, None, _captions(distances)))
    return stages


def _distiller_stages(
    model: Distiller, inputs: dict[str, Tensor]
) -> list[Stage]:
    patches = model.get_patches(inputs)
    mask = model.mask(patches.centers)
    encoded = model.student.encode(patches, mask, model.mask_token)
    patches = patches.geometry
    stages = [*_input_stages(inputs, patches), _visible_stage(patches, mask)]
    for name, objective in model.objectives.items():
        if not isinstance(_generator(objective), _DRAWN):
            continue
        pred = objective.head(objective.neck(encoded, patches, mask))[0]
        prefix = f'{name}: ' if len(model.objectives) > 1 else ''
        for title, local in _decoded(objective, patches, mask, pred).items():
            stages.append(
                _predicted_stage(prefix + title, local, patches, mask)
            )
    return stages


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


_DRAWN = (PatchCoordinates, AutoencoderTarget, AutoencoderCodes)


def _generator(objective: Objective) -> nn.Module:
    generator = objective.target_generator
    cached = isinstance(generator, CachedTarget)
    return generator.generator if cached else generator


def _decoded(
    objective: Objective, patches: PointPatches, mask: Tensor, pred: Tensor
) -> dict[str, Tensor]:
    """Decode predictions at masked patches, beside what bounds them."""
    generator = _generator(objective)
    pred = pred.float().flatten(0, 1)  # (B * M, ...)
    if isinstance(generator, PatchCoordinates):
        local = pred.new_zeros(*mask.shape, *pred.shape[1:])
        local[mask] = pred
        return {'prediction': local}
    generator.autoencoder.check_ready()
    autoencoder = generator.autoencoder.module

    if isinstance(generator, AutoencoderCodes):
        codes = autoencoder.get_codes(patches)
        wanted = codes[mask]

        def decoded(rows: Tensor) -> Tensor:
            mixed = codes.clone()
            mixed[mask] = rows
            return autoencoder.decode_codes(mixed, patches.centers)[1]

        return {
            'true codes, decoded': decoded(wanted),
            'predicted, decoded': decoded(pred.argmax(-1)),
            'commonest, decoded': decoded(wanted.mode().values),
        }
    features = autoencoder.encode(patches, noise=False, local=generator.local)
    norm = objective.target_norm
    wanted = (features if norm is None else norm(features))[mask]
    # A cosine loss leaves the length of predictions open.
    factor = (pred * wanted).sum() / pred.square().sum().clamp_min(1e-12)

    def decoded_features(rows: Tensor) -> Tensor:
        rows = rows if norm is None else norm.inverse(rows)
        mixed = features.clone()
        mixed[mask] = rows.to(mixed.dtype)
        return autoencoder.decode(
            mixed, patches.centers, local=generator.local
        )[1]

    mean = wanted.mean(0, keepdim=True).expand_as(wanted)
    return {
        'target, decoded': decoded_features(wanted),
        'prediction, decoded': decoded_features(pred * factor.clamp_min(0)),
        'mean target, decoded': decoded_features(mean),
    }


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


def stage_rows(
    stages: Sequence[Stage], names: Sequence[str], up_axis: str = 'y'
) -> list[list[Panel]]:
    """Make the rows of a sheet from the stages of a batch.

    A row keeps the scale, the view and the colours of its first stage, so
    that its pictures can be compared.

    Args:
        stages: The columns, all of one batch.
        names: One name per cloud, put above the first column.
        up_axis: 'x', 'y' or 'z'.
    """
    rows = []
    for index, name in enumerate(names):
        first = to_points(stages[0].points[index], stages[0].title)
        frame = fit_frame(upright(first, up_axis))
        row = []
        for stage in stages:
            points = to_points(stage.points[index], stage.title)
            caption = stage.captions[index] if len(stage.captions) else ''
            if stage.labels is None:
                colors = height_colors(points, up_axis, like=first)
            else:
                labels = to_numpy(stage.labels[index])
                # What is coloured lies on top where both hold a point.
                order = np.argsort(labels >= 0, kind='stable')
                points, colors = points[order], label_colors(labels[order])
            row.append(Panel(stage.title, points, colors, caption, frame))
        described = f'{name} · {row[0].caption}' if row[0].caption else name
        row[0] = row[0]._replace(caption=described)
        rows.append(row)
    return rows


def spread_labels(centers: Any) -> np.ndarray:  # noqa: ANN401
    """Choose a label per patch, (B, G), different ones for neighbours.

    Args:
        centers: (B, G, 3).
    """
    along = to_numpy(centers) @ np.array([1.0, 0.62, 0.38])
    order = np.argsort(np.argsort(along, axis=-1), axis=-1)
    return order * 5 % len(PALETTE)
