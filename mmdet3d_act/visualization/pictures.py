"""PNG pictures of clouds and of reconstructions, without a display."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arrays import (
    PALETTE,
    height_colors,
    paired,
    prepare_path,
    to_colors,
    to_numpy,
    to_points,
    upright,
)
from .rasterizer import draw_points, fit_frame

if TYPE_CHECKING:
    from PIL.Image import Image

_TITLE = 22  # height of a title line in picture elements
_MARGIN = 6
_INK = (45, 52, 60)
_MASKED_GREY = 0.78


class _Panel(NamedTuple):
    """A square picture with a title above it."""

    title: str
    picture: np.ndarray


def draw_clouds(
    clouds: Sequence[Any],
    titles: Sequence[str] | None,
    path: str | Path,
    *,
    colors: Sequence[Any] | None = None,
    columns: int | None = None,
    up_axis: str = 'y',
    panel: int = 220,
) -> Path:
    """Write a contact sheet of clouds as a PNG and return its path.

    Args:
        clouds: Arrays or tensors (N, 3 + F); N may differ between clouds.
        titles: One title per cloud, or None.
        path: The file, ending in .png; its folder is made.
        colors: Per cloud None (by height), (3,) or (N, 3) in [0, 1] or
            uint8, or (N,) integer labels; None for all by height.
        columns: Clouds per row; None makes the sheet about square.
        up_axis: 'x', 'y' or 'z'.
        panel: Width and height of one cloud's picture.

    Raises:
        ValueError: If there is no cloud, or something has a wrong shape.
    """
    out = prepare_path(path, '.png')
    if len(clouds) == 0:
        raise ValueError('clouds must hold at least one cloud, got none')
    if columns is None:
        columns = math.ceil(math.sqrt(len(clouds)))
    if columns < 1:
        raise ValueError(f'columns must be at least 1, got {columns}')
    titles = paired(titles, len(clouds), 'titles')
    colors = paired(colors, len(clouds), 'colors')
    panels = []
    for index, cloud in enumerate(clouds):
        points = to_points(cloud, f'clouds[{index}]')
        tone = to_colors(colors[index], points, up_axis)
        picture = draw_points(upright(points, up_axis), tone, panel)
        panels.append(_Panel(titles[index] or '', picture))
    _compose(panels, columns).save(out)
    return out


def draw_reconstruction(
    points: Any,  # noqa: ANN401
    centers: Any,  # noqa: ANN401
    neighborhoods: Any,  # noqa: ANN401
    mask: Any,  # noqa: ANN401
    coarse: Any,  # noqa: ANN401
    fine: Any,  # noqa: ANN401
    path: str | Path,
    *,
    up_axis: str = 'y',
    titles: Sequence[str] | None = None,
    panel: int = 260,
) -> Path:
    """Write a PNG that shows what an autoencoder makes of clouds.

    One row per cloud: input, patches (a colour each), visible patches in
    colour with the masked ones in grey, coarse and dense reconstruction. A
    row keeps one scale, so that its pictures can be compared. What is given
    as None is left out.

    Args:
        points: (B, N, 3 + F), or (N, 3 + F) for one cloud.
        centers: (B, G, 3), or None.
        neighborhoods: (B, G, K, 3) relative to the centres, or None.
        mask: (B, G) bool, True = masked, or None.
        coarse: (B, P, 3) in the coordinates of the points, or None.
        fine: (B, Q, 3) in the coordinates of the points, or None.
        path: The file, ending in .png; its folder is made.
        up_axis: 'x', 'y' or 'z'.
        titles: One title per cloud, put before the input's own.
        panel: Width and height of one picture.

    Raises:
        ValueError: If shapes do not fit together.
    """
    out = prepare_path(path, '.png')
    given = {
        'centers': centers,
        'neighborhoods': neighborhoods,
        'mask': mask,
        'coarse': coarse,
        'fine': fine,
    }
    batch = to_numpy(points)
    single = batch.ndim == 2
    batch = batch[None] if single else batch
    if batch.ndim != 3:
        raise ValueError(
            'points must have shape (B, N, 3 + F) or (N, 3 + F), got '
            f'{batch.shape}; stack the clouds'
        )
    fields = _batched(given, single, len(batch))
    _check_groups(fields)
    titles = paired(titles, len(batch), 'titles')
    rows = [
        _reconstruction_row(
            cloud,
            {name: array[index] for name, array in fields.items()},
            titles[index],
            up_axis=up_axis,
            panel=panel,
        )
        for index, cloud in enumerate(batch)
    ]
    panels = [entry for row in rows for entry in row]
    _compose(panels, len(rows[0])).save(out)
    return out


def _batched(
    given: dict[str, Any], single: bool, number: int
) -> dict[str, np.ndarray]:
    """Return the fields that were given, as batches of the right length."""
    fields = {}
    for name, value in given.items():
        if value is None:
            continue
        array = to_numpy(value)
        array = array[None] if single else array
        if len(array) != number:
            raise ValueError(
                f'{name} must hold {number} clouds as points do, got '
                f'{len(array)}; pass the same batch'
            )
        fields[name] = array
    return fields


def _check_groups(fields: dict[str, np.ndarray]) -> None:
    """Raise a ValueError if patches and mask do not fit together."""
    if ('centers' in fields) != ('neighborhoods' in fields):
        raise ValueError(
            'centers and neighborhoods must be given together, got only '
            'one; pass both or neither'
        )
    if 'centers' not in fields:
        if 'mask' in fields:
            raise ValueError(
                'mask needs centers and neighborhoods, got neither; pass them'
            )
        return
    centers, patches = fields['centers'], fields['neighborhoods']
    shapes_fit = patches.ndim == 4 and centers.shape == (
        *patches.shape[:2],
        3,
    )
    if not shapes_fit or patches.shape[-1] != 3:
        raise ValueError(
            'centers must have shape (B, G, 3) and neighborhoods (B, G, K, '
            f'3), got {centers.shape} and {patches.shape}; pass one grouping'
        )
    if 'mask' in fields and fields['mask'].shape != centers.shape[:2]:
        raise ValueError(
            f'mask must have shape (B, G) = {centers.shape[:2]}, got '
            f'{fields["mask"].shape}; pass the mask of these patches'
        )


def _reconstruction_row(
    cloud: np.ndarray,
    fields: dict[str, np.ndarray],
    title: str | None,
    *,
    up_axis: str,
    panel: int,
) -> list[_Panel]:
    """Return the panels of one cloud."""
    points = to_points(cloud)
    frame = fit_frame(upright(points, up_axis))
    low = min(points[:, 'xyz'.index(up_axis)])
    high = max(points[:, 'xyz'.index(up_axis)])

    def show(name: str, shown: np.ndarray, tone: np.ndarray) -> _Panel:
        turned = upright(to_points(shown, name), up_axis)
        return _Panel(name, draw_points(turned, tone, panel, frame=frame))

    lead = f'{title}: input' if title else 'input'
    panels = [show(lead, points, height_colors(points, up_axis))]
    if 'centers' in fields:
        patches = fields['centers'][:, None] + fields['neighborhoods']
        num_groups, group_size = patches.shape[:2]
        shown = patches.reshape(-1, 3)
        order = np.argsort(np.argsort(_sweep(fields['centers'])))
        tone = PALETTE[np.repeat(order * 5 % len(PALETTE), group_size)]
        panels.append(show(f'{num_groups} patches', shown, tone))
        if 'mask' in fields:
            mask = fields['mask'].astype(bool)
            hidden = np.repeat(mask, group_size)
            # Visible patches lie on top where both hold the same point.
            both = np.concatenate([shown[hidden], shown[~hidden]])
            grey = np.full((int(hidden.sum()), 3), _MASKED_GREY)
            name = f'visible ({int((~mask).sum())} of {num_groups})'
            panels.append(
                show(name, both, np.concatenate([grey, tone[~hidden]]))
            )
    for key, name in (('coarse', 'coarse'), ('fine', 'dense')):
        if key in fields:
            made = to_points(fields[key], key)
            limits = np.zeros((2, 3))
            limits[:, 'xyz'.index(up_axis)] = low, high
            inside = np.clip(made, low, high)
            tone = height_colors(np.concatenate([inside, limits]), up_axis)
            panels.append(show(f'{name} reconstruction', made, tone[:-2]))
    return panels


def _sweep(centers: np.ndarray) -> np.ndarray:
    """Return (G,) how far each centre lies along a slanted line."""
    return centers @ np.array([1.0, 0.62, 0.38])


def _compose(panels: list[_Panel], columns: int) -> Image:
    """Return one picture with the panels in rows."""
    from PIL import Image, ImageDraw, ImageFont

    size = panels[0].picture.shape[0]
    line = _TITLE if any(panel.title for panel in panels) else 0
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    step_x, step_y = size + _MARGIN, size + line + _MARGIN
    sheet = Image.new(
        'RGB',
        (columns * step_x + _MARGIN, rows * step_y + _MARGIN),
        (255, 255, 255),
    )
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    for index, panel in enumerate(panels):
        x = _MARGIN + index % columns * step_x
        y = _MARGIN + index // columns * step_y
        sheet.paste(Image.fromarray(panel.picture), (x, y + line))
        if panel.title:
            text = _shortened(panel.title, size, pen.textlength, font)
            pen.text(
                (x + size / 2, y + line / 2), text, _INK, font, anchor='mm'
            )
    return sheet


def _shortened(
    text: str,
    width: int,
    measure: Any,  # noqa: ANN401
    font: Any,  # noqa: ANN401
) -> str:
    """Return the text, cut with three dots where it is too wide."""
    if measure(text, font=font) <= width:
        return text
    while text and measure(text + '...', font=font) > width:
        text = text[:-1]
    return text + '...'
