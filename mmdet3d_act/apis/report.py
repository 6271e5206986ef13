"""One page that shows what a run has learned.

Letters: N points, G patches, C channels.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image
from scipy.spatial import cKDTree
from torch import nn

from mmdet3d_act.apis.embedding import interpolate, principal_colors
from mmdet3d_act.apis.feature_files import cosines
from mmdet3d_act.apis.loading import build_dataset, find_config, load_model
from mmdet3d_act.apis.probing import UNTRAINED, encode_inputs, load_encoder
from mmdet3d_act.checkpoint import CheckpointError, resolve_checkpoint
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.models.data_preprocessors import PointCloudPreprocessor
from mmdet3d_act.models.layers import patches_in_place
from mmdet3d_act.visualization import Panel, curves_svg, write_html
from mmdet3d_act.visualization.arrays import (
    height_colors,
    label_colors,
    scale_colors,
    to_numpy,
    to_points,
    upright,
)
from mmdet3d_act.visualization.rasterizer import draw_points
from mmdet3d_act.visualization.reconstructions import (
    Stage,
    check_drawable,
    reconstruction_stages,
    spread_labels,
)
from mmdet3d_act.visualization.samples import sample_name, spread_indices
from mmdet3d_act.visualization.scenes import thin_out

BEFORE, AFTER = 'before training', 'after training'
TOP = 5  # neighbours that are shown
WORST = 0.1  # error that is yellow, as a share of the cloud's radius
_MISSING = (launch.UsageError, CheckpointError, FileNotFoundError)
# What is drawn of a log: validations know many more numbers.
_DRAWN = re.compile(
    r'loss|baseline$|accuracy$|^(perplexity|target_variance|chamfer_l1)$|'
    r'^(acc|miou|mAP)',
    re.IGNORECASE,
)
_INTRO = (
    'Before: the untrained network of the same config. After: the trained '
    'one. Features: the first three principal components over all clouds '
    'shown, as red, green and blue; one component alone for readers who tell '
    'colours apart less well. Other maps go from dark blue (low) to yellow '
    '(high); a panel that lacks the chosen map shows heights. Masked patches '
    'are yellow. Error: distance of a reconstructed point to the nearest true '
    'one; yellow is a tenth of the radius of the cloud, and more. CD: '
    'Chamfer-L1 x 1000.'
)
_WORDS = (
    'Constant baseline: the loss of the best constant prediction, which has '
    'learned nothing. Perplexity: how many codes are in even use. Target '
    'variance: how much the targets differ; near 0 they are all the same. '
    'SVM and nearest neighbours (20-NN): classifiers on frozen features.'
)
PROBES = {
    'svm_accuracy': 'linear SVM',
    'knn_accuracy': '20-NN',
    'few_label_accuracy': 'SVM, 10 labels/class',
}


class Seen(NamedTuple):
    """What one network sees in one cloud.

    Attributes:
        features: Of the patches, (G, C).
        vector: Of the cloud.
        centers: Of the patches, (G, 3).
        patches: The patch of each point of the cloud, (N,).
    """

    features: np.ndarray
    vector: np.ndarray
    centers: np.ndarray
    patches: np.ndarray


def write_report(
    work_dir: str | Path,
    out: str | Path | None = None,
    *,
    num_clouds: int = 6,
    num_searched: int = 144,
) -> Path:
    """Write a page about a run; return its path.

    Curves of its logs, clouds before and after training, neighbours. A run
    without a point Transformer, or without its data, has its curves only,
    and the page says why.

    Args:
        work_dir: Of a run, or a folder with ``stage1`` and ``stage2``.
        out: The file; ``report.html`` in the folder by default.
        num_clouds: How many are shown.
        num_searched: Among how many neighbours are searched.

    Raises:
        UsageError: If the folder has no run.
    """
    work_dir = Path(work_dir)
    stages = [work_dir / 'stage1', work_dir / 'stage2']
    runs = [one for one in stages if one.is_dir()] or [work_dir]
    charts = {k: v for run in runs for k, v in read_curves(run).items()}
    last = runs[-1]
    if not charts and not (last / 'last_checkpoint').is_file():
        raise launch.UsageError(
            f'{work_dir} has neither logs nor a checkpoint; expected the '
            'work directory of a run, or the folder of a demo'
        )
    above = [_table(work_dir / 'result.json')]
    if charts:
        above += ['<h2>Training</h2>', curves_svg(charts), f'<p>{_WORDS}</p>']
    above.append('<h2>Clouds</h2>')
    rows: list[list[Panel]] = []
    view: dict[str, Any] = {}
    try:
        rows, view, note = _learned(last, num_clouds, num_searched)
    except _MISSING as error:
        note = f'No clouds are shown: {error}'
    above.append(f'<p>{html.escape(note)}</p>')
    return write_html(
        rows,
        out or work_dir / 'report.html',
        heading=f'What {work_dir.resolve().name} has learned',
        above='\n'.join(above),
        **view,
    )


def read_curves(
    run: Path,
) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Read the logs of a run: by chart and curve, pairs (step, value).

    Args:
        run: Its work directory; of several logs a later one goes on.
    """
    found: dict[str, dict[str, dict[float, float]]] = {}
    for file in sorted(run.glob('*/vis_data/scalars.json')):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        if not any('loss' in line for line in lines):
            continue  # a test, which has no step
        for line in lines:
            unit = 'steps' if 'loss' in line else 'epochs'
            parts = [name for name in line if name.endswith('.loss')]
            for name, value in line.items():
                # A part alone is the sum.
                if not _DRAWN.search(name) or [name] == parts:
                    continue
                if unit == 'steps' and name.endswith('accuracy'):
                    value = 100 * value  # a share, in trainings
                chart = f'{run.name}: {_chart(name)}, {unit}'
                curve = found.setdefault(chart, {}).setdefault(name, {})
                curve[line['step']] = value
    return {
        chart: {name: sorted(curve.items()) for name, curve in curves.items()}
        for chart, curves in found.items()
    }


def _chart(name: str) -> str:
    """Choose the chart of a value."""
    last = name.rsplit('.', 1)[-1]
    if 'loss' in last or last.endswith('baseline'):
        return 'loss'
    return 'accuracy, %' if last.endswith('accuracy') else last


def _table(file: Path) -> str:
    """Write the probes of a demo as a table of HTML."""
    if not file.is_file():
        return ''
    results = json.loads(file.read_text())
    # Small classes have no probe of few labels.
    keys = [k for k in PROBES if all(k in row for row in results.values())]
    lines = [['accuracy, %', *(PROBES[key] for key in keys)]]
    for name, row in results.items():
        lines.append([name, *(f'{row[key]:.1f}' for key in keys)])
    body = ''.join(
        f'<tr>{"".join(f"<td>{html.escape(text)}</td>" for text in line)}</tr>'
        for line in lines
    )
    return f'<h2>Probes on held-out clouds</h2><table>{body}</table>'


def _learned(
    run: Path, num_clouds: int, num_searched: int
) -> tuple[list[list[Panel]], dict[str, Any], str]:
    """Make rows of panels, options of their page, and a note."""
    checkpoint = resolve_checkpoint(str(run))
    config = find_config(checkpoint)
    if config is None:
        raise launch.UsageError(f'there is no config beside {checkpoint}')
    cfg = launch.load_config(str(config))
    colored, own = _with_colors(cfg)
    dataset = build_dataset(colored, str(config))
    up_axis = getattr(dataset, 'metainfo', {}).get('up_axis', 'y')
    drawn = {}
    for index in spread_indices(len(dataset), num_searched):
        sample = dataset[index]
        known = sample['data_samples'].metainfo
        # In the place of a file that cannot be used comes one that is there.
        key = known.get('lidar_path'), known.get('sample_idx', index)
        drawn[key] = sample
    samples = [*drawn.values()]
    tints: list[np.ndarray | None] = [None] * len(samples)
    if own is not None:
        tints = [_take_colors(one['inputs'], own) for one in samples]
    names = [sample_name(one['data_samples']) for one in samples]
    encoders = {
        BEFORE: load_encoder(cfg, UNTRAINED, str(config)),
        AFTER: load_encoder(cfg, checkpoint, str(config)),
    }
    seen = {
        title: [*_encode(encoder, samples)]
        for title, encoder in encoders.items()
    }
    chosen = spread_indices(len(samples), num_clouds)
    stages: list[Stage] = []
    reason = ''
    try:
        model = load_model(cfg, checkpoint, str(config))
        check_drawable(model)
        data = pseudo_collate([samples[i] for i in chosen])
        inputs = model.data_preprocessor(data, False)['inputs']
        stages, _ = reconstruction_stages(model, inputs)
    except _MISSING as error:
        reason = f' There are no reconstructions: {error}'
    except ValueError:
        reason = ' This model reconstructs nothing.'
    points = [to_points(samples[i]['inputs']['points']) for i in chosen]
    learned = {name: [all_[i] for i in chosen] for name, all_ in seen.items()}
    colors = [tints[i] for i in chosen]
    rows = learned_rows(points, learned, stages, up_axis, colors)
    for row, index in zip(rows, chosen, strict=True):
        caption = f'{names[index]} · {len(learned[AFTER][0].centers)} patches'
        row[0] = row[0]._replace(caption=caption)
    gallery = _gallery(samples, names, seen, up_axis)
    return rows, dict(up_axis=up_axis, gallery=gallery), _INTRO + reason


def _with_colors(cfg: Config) -> tuple[Config, bool | None]:
    """Let the folders of a config give colours, first among the features.

    Returns:
        The config, and whether colours are features of it anyway; None where
        there is no folder.
    """
    cfg = cfg.copy()
    parts = iter_typed(list(cfg.values()))
    folders = [one for one in parts if one['type'] == 'PointFolder']
    loaders: list[Any] = []
    step: Any
    for step in iter_typed(folders):
        if step['type'] == 'RandomFeatureDropout':
            step['probability'] = 0
        if step['type'] == 'LoadPointCloud' and step.get('use_dim', 3) == 3:
            loaders.append(step)
    if not loaders:
        return cfg, None
    own = any('color' in step.get('features', ()) for step in loaders)
    for step in [] if own else loaders:
        step['features'] = ['color', *step.get('features', ())]
    return cfg, own


def _take_colors(inputs: dict, keep: bool) -> np.ndarray | None:
    """Take colours (N, 3) in [0, 1] out of points; None where there are none.

    Args:
        inputs: With ``points`` (N, 6 + F), changed in place.
        keep: Whether they stay as features.
    """
    points = inputs['points']
    colors = to_numpy(points[:, 3:6])
    if not keep:
        inputs['points'] = torch.cat([points[:, :3], points[:, 6:]], dim=1)
    return (colors + 1) / 2 if colors.any() else None


def _encode(encoder: nn.Module, samples: Sequence[dict]) -> Iterator[Seen]:
    """Encode clouds one by one, as they may differ in size."""
    prepare = PointCloudPreprocessor()
    for sample in samples:
        inputs = prepare(pseudo_collate([sample]))['inputs']
        with torch.no_grad():
            patches, features, pooled = encode_inputs(encoder, inputs)
        shape = patches.geometry
        placed = patches_in_place(shape.centers, shape.neighborhoods)
        size = shape.neighborhoods.shape[2]
        points = inputs['points'][0, :, :3].numpy()
        labels = cKDTree(placed[0].numpy()).query(points)[1] // size
        vector = torch.cat([value[0] for value in pooled.values()])
        yield Seen(
            features[0].float().numpy(),
            vector.float().numpy(),
            shape.centers[0].numpy(),
            labels,
        )


def learned_rows(
    clouds: Sequence[np.ndarray],
    seen: Mapping[str, Sequence[Seen]],
    stages: Sequence[Stage] = (),
    up_axis: str = 'y',
    colors: Sequence[np.ndarray | None] | None = None,
) -> list[list[Panel]]:
    """Make a row of panels for each cloud.

    Args:
        clouds: (N, 3) each.
        seen: By the title of a panel, what a network sees in each cloud.
        stages: What is made of the clouds; those after the third are shown,
            with their errors.
        up_axis: 'x', 'y' or 'z'.
        colors: Of the clouds, (N, 3) in [0, 1], or None where it has none.
    """
    colors = colors or [None] * len(clouds)
    masked = None
    if len(stages) > 2 and stages[2].title.startswith('visible'):
        masked = to_numpy(stages[2].labels) < 0  # (B, G * K)
    rows: list[list[Panel]] = [[] for _ in clouds]
    for title, found in seen.items():
        features = np.concatenate([one.features for one in found])
        mean = features.mean(axis=0)
        # Neither black nor white, which one of the backgrounds would hide.
        tints = 0.12 + 0.8 * principal_colors(features)
        ends = np.cumsum([len(one.features) for one in found])
        for index, (one, own) in enumerate(
            zip(found, np.split(tints, ends[:-1]), strict=True)
        ):
            mask = None if masked is None else masked[index]
            panel = _seen_panel(clouds[index], one, own, mean, mask, up_axis)
            color = colors[index]
            if color is not None:
                (tint,) = thin_out(color)
                views = {**(panel.views or {}), 'RGB': tint}
                panel = panel._replace(views=views)
            rows[index].append(panel._replace(title=title))
    for stage in stages[3:]:
        for index, points in enumerate(to_numpy(stage.points)):
            panel = _made_panel(clouds[index], points, up_axis)
            caption = stage.captions[index] if stage.captions else ''
            rows[index].append(
                panel._replace(title=stage.title, caption=caption)
            )
    return rows


def _seen_panel(
    points: np.ndarray,
    seen: Seen,
    tints: np.ndarray,
    mean: np.ndarray,
    masked: np.ndarray | None,
    up_axis: str,
) -> Panel:
    """Colour a cloud by what a network sees in it.

    Args:
        points: (N, 3).
        seen: What it sees.
        tints: Of the patches, (G, 3).
        mean: Of the features of all patches, (C,).
        masked: (G * K,), True for points of masked patches.
        up_axis: 'x', 'y' or 'z'.
    """
    points, labels = thin_out(points, seen.patches)
    height = height_colors(points, up_axis)
    smooth = interpolate(points, seen.centers, tints)
    views = {
        'features (PCA)': smooth,
        'features, one component': scale_colors((smooth[:, 0] - 0.12) / 0.8),
        'height': height,
        'patch': label_colors(spread_labels(seen.centers)[labels]),
    }
    if masked is not None:
        hidden = masked.reshape(len(seen.centers), -1)[:, 0]
        views['mask'] = scale_colors(hidden[labels], 'cividis')
    unit = seen.features - mean
    unit /= np.linalg.norm(unit, axis=1, keepdims=True) + 1e-12
    likeness = (labels, unit @ unit.T)
    return Panel('', points, height, views=views, patches=likeness)


def _made_panel(truth: np.ndarray, points: np.ndarray, up_axis: str) -> Panel:
    """Colour what was made of a cloud (N, 3) by its error."""
    error = cKDTree(truth).query(points)[0]
    radius = np.linalg.norm(truth - truth.mean(axis=0), axis=1).max()
    height = height_colors(points, up_axis, like=truth)
    shares = (error / (WORST * radius)).clip(0, 1)
    views = {'height': height, 'error': scale_colors(shares, 'cividis')}
    return Panel('', points, height, views=views)


def _gallery(
    samples: Sequence[dict],
    names: Sequence[str],
    seen: Mapping[str, Sequence[Seen]],
    up_axis: str,
) -> dict[str, Any]:
    """Find the nearest neighbours of each cloud, by each network."""
    items = []
    for name, sample in zip(names, samples, strict=True):
        (points,) = thin_out(to_points(sample['inputs']['points']))
        points = upright(points, up_axis)
        picture = draw_points(points, height_colors(points, 'z'), 88)
        file = io.BytesIO()
        Image.fromarray(picture).quantize(32).save(file, 'png', optimize=True)
        code = base64.b64encode(file.getvalue()).decode('ascii')
        items.append(dict(name=name, image=f'data:image/png;base64,{code}'))
    known = [one['data_samples'].get('gt_label') for one in samples]
    labels = [int(label) for label in known if label is not None]
    same = np.equal.outer(labels, labels)
    neighbors, told = {}, []
    for title, found in seen.items():
        vectors = np.stack([one.vector for one in found])
        likeness = cosines(vectors, vectors)
        np.fill_diagonal(likeness, -np.inf)
        order = np.argsort(-likeness, axis=1, kind='stable')
        order = order[:, : min(TOP, len(names) - 1)]
        neighbors[title] = [
            [(int(j), round(float(likeness[i, j]), 3)) for j in row]
            for i, row in enumerate(order)
        ]
        if len(same) == len(names):
            share = np.take_along_axis(same, order, axis=1).mean()
            told.append(f'{title} {share:.1%}')
    note = (
        f'Click one of {len(names)} clouds. Cosines of standardised features.'
    )
    if len(same) == len(names) > 1:
        chance = (same.sum() - len(names)) / (len(names) * (len(names) - 1))
        note += (
            f' Neighbours of the same class among the {TOP} nearest: '
            f'{", ".join(told)}, by chance {chance:.1%}.'
        )
    return dict(items=items, neighbors=neighbors, note=note)
