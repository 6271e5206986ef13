"""Pictures of what checkpoints make of clouds, and of data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.dataset import pseudo_collate
from torch import nn
from torch.utils.data import Dataset

from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.visualization import draw_sheet, write_html, write_ply_files
from mmdet3d_act.visualization.reconstructions import (
    reconstruction_stages,
    stage_rows,
)
from mmdet3d_act.visualization.samples import sample_name, spread_indices


def draw_model(
    model: nn.Module,
    dataset: Dataset,
    folder: str | Path,
    *,
    num_samples: int = 6,
    indices: Sequence[int] | None = None,
    seed: int = 0,
    ply: bool = False,
    html: bool = False,
    panel: int = 220,
) -> list[Path]:
    """Draw what a pretraining model makes of some samples.

    Args:
        model: A `DiscreteVAE` or a `Distiller` with its weights.
        dataset: Where the samples come from; it gives what the model reads.
        folder: Gets ``reconstruction.png``, ``reconstruction.html`` and
            ``ply/``.
        num_samples: Number of samples, evenly spread over the data set.
        indices: Which samples instead, counted from 0.
        seed: Seed of the masks, >= 0.
        ply: Whether to write every cloud as a PLY.
        html: Whether to write a web page.
        panel: Width and height of one cloud's picture.

    Returns:
        The paths that were written: picture, web page, first PLY file.

    Raises:
        UsageError: If there is no such sample.
        ValueError: If the model is another, or does not fit the clouds.
    """
    chosen = choose_indices(dataset, num_samples, indices)
    batch = pseudo_collate([dataset[index] for index in chosen])
    data = model.data_preprocessor(batch, False)
    names = [sample_name(sample) for sample in data['data_samples']]
    stages, note = reconstruction_stages(model, data['inputs'], seed=seed)
    up_axis = getattr(dataset, 'metainfo', {}).get('up_axis', 'y')
    rows = stage_rows(stages, names, up_axis)
    folder = Path(folder)
    paths = [
        draw_sheet(
            rows,
            folder / 'reconstruction.png',
            up_axis=up_axis,
            panel=panel,
            notes=[note],
        )
    ]
    if html:
        path = folder / 'reconstruction.html'
        heading = 'Reconstructions'
        paths.append(write_html(rows, path, up_axis=up_axis, heading=heading))
    if ply:
        paths += write_ply_files(rows, folder / 'ply', names)[:1]
    return paths


def choose_indices(
    dataset: Dataset, count: int, indices: Sequence[int] | None
) -> list[int]:
    """Check the chosen indices, or spread some evenly.

    Raises:
        UsageError: If one of them is not in the data set.
    """
    if indices is None:
        return spread_indices(len(dataset), count)
    outside = [i for i in indices if not 0 <= i < len(dataset)]
    if outside:
        raise UsageError(
            f'the data set has the samples 0 to {len(dataset) - 1}, got '
            f'{outside}; choose others'
        )
    return list(indices)
