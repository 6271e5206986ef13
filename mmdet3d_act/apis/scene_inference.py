"""Detection and segmentation of custom scans."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmdet3d_act.apis.scene_files import ROWS_SUFFIX, SceneFiles
from mmdet3d_act.apis.scene_pictures import (
    SCENE_CONFIG,
    likely_boxes,
    predict_scene,
    require_scene_model,
    scene_panels,
)
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.registry import TRANSFORMS, registered_classes
from mmdet3d_act.visualization import write_html
from mmdet3d_act.visualization.arrays import class_colors
from mmdet3d_act.visualization.scenes import draw_scene_panels

# Loaders that a custom scan takes the place of.
LOADERS = ('LoadScene', 'LoadRoom')
# Longest sides of scenes in metres, roughly.
_USUAL_SIDES = (0.5, 100.0)
_REMEDY = f'give {SCENE_CONFIG}'
# Height of a room in metres from which it is not low for certain.
_HIGH = 4.0
# Transforms of labels, which a scan does not have.
_OF_LABELS = ('PointSegClassMapping',)


class SceneResult(NamedTuple):
    """What was found in a scene, in the coordinates of its file.

    Attributes:
        file: The file.
        points: (N, 3), float64, what the model has read, metres.
        boxes: (D, 7), float64: middle, sizes, yaw; None of a segmentor.
        labels: int64, (D,) of the boxes or (N,) of the points.
        scores: (D,), highest first; None of a segmentor.
        classes: Names by label.
    """

    file: str
    points: np.ndarray
    boxes: np.ndarray | None
    labels: np.ndarray
    scores: np.ndarray | None
    classes: tuple[str, ...]


def open_scenes(
    cfg: Config,
    files: Sequence[str | Path],
    config: str,
    *,
    num_columns: int = 6,
    place: bool = True,
) -> SceneFiles:
    """Open files as the scenes that a config's model is tested with.

    Args:
        cfg: The config.
        files: See :class:`~mmdet3d_act.apis.scene_files.SceneFiles`.
        config: Name of the config file, for messages.
        num_columns: Numbers of a row of ``.bin`` files.
        place: Whether scenes are moved to the origin.

    Raises:
        UsageError: If a file cannot be used, or the config's test data are no
            scenes of points alone.
    """
    require_scene_model(cfg, config)
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
    if loader is None:
        launch.require(cfg, ['test_dataloader'], config, remedy=_REMEDY)
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    try:
        return SceneFiles(
            files,
            _file_pipeline(loader['dataset'], config),
            num_columns=num_columns,
            place=place,
            metainfo=_class_metainfo(loader['dataset']),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _file_pipeline(dataset: dict, config: str) -> list[dict]:
    """Replace the loading in a data set's pipeline by that of a file."""
    steps = [
        step
        for name in ('static_pipeline', 'pipeline')
        for step in dataset.get(name) or ()
    ]
    places = [i for i, step in enumerate(steps) if _is_one_of(step, LOADERS)]
    if not places or steps[places[0]].get('use_dim', 3) != 3:
        raise UsageError(
            f'the test data of {config} must be loaded by one of {LOADERS} '
            f'with use_dim=3; {_REMEDY}'
        )
    others = steps[places[0] + 1 :]
    others = [step for step in others if not _is_one_of(step, _OF_LABELS)]
    return [dict(type='LoadPointCloud'), *others]


def _is_one_of(step: dict, names: Sequence[str]) -> bool:
    """Look up whether a step is of one of these transforms."""
    kind = step['type']
    own = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
    # Also those of MMDetection3D, which are imported when they are asked for.
    return own is not None and own in map(TRANSFORMS.get, names)


def _class_metainfo(dataset: dict) -> dict:
    """Look up names and colours of the classes of a data set."""
    found: dict = {}
    for cls in registered_classes(dataset['type']):
        found |= getattr(cls, 'METAINFO', {})
        if hasattr(cls, 'known_classes'):
            found |= cls.known_classes(dataset)
    return found | dict(dataset.get('metainfo') or {})


def infer_scenes(
    model: nn.Module,
    scenes: SceneFiles,
    folder: str | Path,
    *,
    min_score: float = 0.3,
    html: bool = False,
    panel: int = 420,
    warn: Callable[[str], object] = warnings.warn,
) -> Iterator[tuple[SceneResult, list[Path]]]:
    """Predict each scene; yield the results and the files written.

    Boxes go into ``NAME.json``, classes of points into ``NAME.npz``, a
    picture into ``NAME.png``. Files that cannot be used are named once the
    others are done.

    Args:
        model: A detector or a segmentor with its weights, evaluating.
        scenes: See :func:`open_scenes`.
        folder: Gets the files.
        min_score: Detections of lower scores are left out.
        html: Whether to write a web page for each scene.
        panel: Width and height of a picture.
        warn: Gets what speaks against a scene, before the model sees it.

    Raises:
        UsageError: If a file cannot be used.
        ValueError: If the model predicts neither boxes nor classes of points.
    """
    faults = []
    classes = tuple(scenes.metainfo['classes'])
    colors = class_colors(len(classes), scenes.metainfo.get('palette'))
    for index, name in enumerate(_unique_names(scenes.files)):
        try:
            data = scenes[index]
        except BadSampleError as error:
            faults.append(str(error))
            continue
        for doubt in find_doubts(
            scenes.files[index], np.asarray(data['inputs']['points'])[:, :3]
        ):
            warn(doubt)
        origin = torch.as_tensor(data['data_samples'].metainfo['origin'])
        sample, points = predict_scene(model, data)
        row, shown = scene_panels(sample, points, colors, min_score)
        result = scene_result(sample, points, origin, classes, min_score)
        stem = Path(folder) / name
        paths = [write_result(result, stem)]
        legend = {
            classes[label]: colors[label].tolist() for label in sorted(shown)
        }
        picture = f'{stem}.png'
        paths.append(
            draw_scene_panels([row], picture, legend=legend, panel=panel)
        )
        if html:
            page = f'{stem}.html'
            paths.append(write_html([row], page, up_axis='z', heading=name))
        yield result, paths
    if faults:
        raise UsageError('\n'.join(faults))


def scene_result(
    sample: dict,
    points: Tensor,
    origin: Tensor,
    classes: tuple[str, ...],
    min_score: float = 0.3,
) -> SceneResult:
    """Move predictions into the coordinates of the file.

    Args:
        sample: A data sample as a dict, with boxes or classes of points.
        points: (N, 3), what the model has read.
        origin: (3,), float64, where the file has what is 0 in ``points``.
        classes: Names by label.
        min_score: Detections of lower scores are left out.
    """
    boxes = scores = None
    if 'pred_instances_3d' in sample:
        found = sample['pred_instances_3d']
        boxes, labels, scores = likely_boxes(found, min_score)
        boxes = boxes.double()
        boxes[:, :3] += origin
        boxes, scores = boxes.numpy(), scores.numpy()
    else:
        labels = sample['pred_pts_seg']['pts_semantic_mask'].cpu()
    return SceneResult(
        str(sample['lidar_path']),
        (points + origin).numpy(),
        boxes,
        labels.numpy().astype(np.int64),
        scores,
        classes,
    )


def write_result(result: SceneResult, stem: str | Path) -> Path:
    """Write what was found in a scene; return the path.

    Args:
        result: What was found.
        stem: Path without suffix: ``.json`` for boxes, ``.npz`` for points.
    """
    Path(stem).parent.mkdir(parents=True, exist_ok=True)
    if result.boxes is None:
        path = Path(f'{stem}.npz')
        np.savez_compressed(
            path,
            points=result.points,
            labels=result.labels,
            classes=np.array(result.classes),
        )
        return path
    path = Path(f'{stem}.json')
    boxes = [
        dict(
            label=result.classes[label],
            score=round(float(score), 4),
            center=_rounded(box[:3]),
            size=_rounded(box[3:6]),
            yaw=round(float(box[6]), 4),
        )
        for box, label, score in zip(
            result.boxes, result.labels, result.scores, strict=True
        )
    ]
    # A box a line, for reading it by eye.
    lines = ',\n'.join(json.dumps(box) for box in boxes)
    text = f'{{"file": {json.dumps(result.file)}, "boxes": [\n{lines}\n]}}\n'
    path.write_text(text, encoding='utf-8')
    return path


def summarize_result(result: SceneResult) -> str:
    """Say what was found in a scene, in one line.

    Args:
        result: What was found.
    """
    sides = ' x '.join(f'{side:.1f}' for side in np.ptp(result.points, axis=0))
    counts = Counter(result.classes[label] for label in result.labels)
    listed = ', '.join(
        f'{name} {number}' for name, number in counts.most_common()
    )
    what = 'points' if result.boxes is None else 'boxes'
    return f'{result.file} ({sides} m): {what}: {listed or "none"}'


def find_doubts(file: str, points: np.ndarray) -> list[str]:
    """List what speaks against a file in metres with z up.

    Args:
        file: Its name.
        points: (N, 3), what is in it.
    """
    sides = np.ptp(points, axis=0)
    least, most = _USUAL_SIDES
    doubts = []
    if not sides.any():
        return [f'{file}: all its points are in one place']
    if not least <= sides.max() <= most:
        columns = ', or its rows of another width, give --columns'
        doubts.append(
            f'{file}: its longest side is {sides.max():.4g} m; if it is in '
            f'another unit, scale it to metres'
            f'{columns if file.endswith(ROWS_SUFFIX) else ""}'
        )
    (narrow, wide), high = np.sort(sides[:2]), sides[2]
    if high > wide or high > max(_HIGH, 1.5 * narrow):
        doubts.append(
            f'{file}: it is {high:.4g} m high on {wide:.4g} x {narrow:.4g} m; '
            'if z is not its vertical axis, turn it'
        )
    return doubts


def _rounded(values: Any) -> list[float]:  # noqa: ANN401
    return [round(float(value), 4) for value in values]


def _unique_names(files: Sequence[str]) -> list[str]:
    """Name results: without suffix, numbered where names recur."""
    names = [Path(file).stem for file in files]
    if len(set(names)) < len(names):
        names = [f'{index}_{name}' for index, name in enumerate(names)]
    return names
