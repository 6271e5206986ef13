"""What trained models say of scans: classes, parts, semantics, boxes."""

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
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from scipy.spatial import cKDTree
from torch import nn

from mmdet3d_act.apis.loading import find_config, load_model
from mmdet3d_act.apis.scan_files import (
    LAS_SUFFIXES,
    ROWS_SUFFIX,
    ScanFiles,
    name_outputs,
    write_scan,
)
from mmdet3d_act.apis.scene_pictures import likely_boxes, scene_panels
from mmdet3d_act.checkpoint import resolve_checkpoint
from mmdet3d_act.datasets.orientation import USUAL_SIDES
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.hooks.class_check_hook import require_trained_classes
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.registry import TRANSFORMS, registered_classes
from mmdet3d_act.visualization import write_html
from mmdet3d_act.visualization.arrays import class_colors
from mmdet3d_act.visualization.scenes import draw_scene_panels

# Loaders that a scan takes the place of.
LOADERS = ('LoadScene', 'LoadRoom', 'LoadPointCloud', 'LoadFolderScene')
_REMEDY = (
    'give the config of a classifier, a segmentor or a detector, such as '
    'configs/act/act_cls_folder.py, act_semseg_scannet.py, '
    'act_3detr_scannet.py'
)
# Height of a room in metres from which it is not low for certain.
_HIGH = 4.0
# Transforms of labels, which a scan does not have, and MMDetection3D's own
# loader, which stands in some pipelines beside ours.
_LEFT_OUT = ('PointSegClassMapping', 'LoadPointsFromFile')
# Follows the points through the pipeline; no model reads it.
_ROWS = 'pts_instance_mask'


class ScanResult(NamedTuple):
    """What was found in a scan, in the coordinates of its file.

    Attributes:
        file: The file.
        kind: ``'class'``, ``'points'`` or ``'boxes'``.
        points: (N, 3), float64, all points of the file.
        classes: Names by label.
        labels: int64: the likeliest classes (k,), the class of each point
            (N,), or of each box (D,).
        scores: (k,) probabilities or (D,), highest first; None of points.
        boxes: (D, 7), float64: middle, sizes along the axes of the file, and
            the angle about its up axis; None of other models.
        values: What files have as the label of each class; None: its place
            in ``classes``.
    """

    file: str
    kind: str
    points: np.ndarray
    classes: tuple[str, ...]
    labels: np.ndarray
    scores: np.ndarray | None = None
    boxes: np.ndarray | None = None
    values: tuple[int, ...] | None = None


class Predictor(NamedTuple):
    """A trained model, its config, and what it knows of its data."""

    model: nn.Module
    cfg: Config
    config: str
    metainfo: dict


def load_predictor(
    checkpoint: str,
    config: str | None = None,
    *,
    options: dict | None = None,
    device: str = 'cpu',
) -> Predictor:
    """Load a trained model with its config and the names of its classes.

    Args:
        checkpoint: A file or a work directory.
        config: Its config; by default the one that MMEngine wrote beside it.
        options: Dotted names and values that replace the config's.
        device: Where the model goes.

    Raises:
        UsageError: If there is no config, or something that it names is
            missing.
        CheckpointError: If the checkpoint does not fit.
    """
    path = resolve_checkpoint(checkpoint)
    found = config or find_config(path)
    if found is None:
        raise UsageError(
            f'no config beside {path}; give the one that it was trained with '
            'by --config. A student alone has no classes: train a classifier, '
            'segmentor or detector that begins with it (docs/scans.md)'
        )
    cfg = launch.load_config(str(found), options)
    model = load_model(cfg, path, str(found), device)
    return Predictor(model, cfg, str(found), dict(model.dataset_meta))


def open_scans(
    cfg: Config,
    files: Sequence[str | Path],
    config: str,
    *,
    metainfo: dict | None = None,
    place: bool | None = None,
    **options: Any,
) -> ScanFiles:
    """Open files as a config's model is tested.

    Args:
        cfg: The config.
        files: See :class:`~mmdet3d_act.apis.scan_files.ScanFiles`.
        config: Name of the config file, for messages.
        metainfo: What the checkpoint knows of its data: it wins.
        place: Whether scans are moved to the origin; None moves scenes, not
            what the pipeline normalises.
        **options: Further arguments of `ScanFiles`.

    Raises:
        UsageError: If a file cannot be used, or the config's test data are no
            points alone.
    """
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
    if loader is None:
        launch.require(cfg, ['test_dataloader'], config, remedy=_REMEDY)
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    dataset = loader['dataset']
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    try:
        steps = _file_pipeline(dataset, config)
        return ScanFiles(
            files,
            steps,
            place=is_scene(steps) if place is None else place,
            metainfo=_class_metainfo(dataset) | (metainfo or {}),
            **options,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def is_scene(steps: Sequence[dict]) -> bool:
    """Tell whether a pipeline leaves metres as they are.

    Args:
        steps: Of the pipeline.
    """
    return not any(_is_one_of(s, ['NormalizeToUnitSphere']) for s in steps)


def _file_pipeline(dataset: dict, config: str) -> list[dict]:
    """Replace the loading in a data set's pipeline by that of a file."""
    steps = [
        step
        for name in ('static_pipeline', 'pipeline')
        for step in dataset.get(name) or ()
        if not _is_one_of(step, _LEFT_OUT)
    ]
    places = [i for i, step in enumerate(steps) if _is_one_of(step, LOADERS)]
    if not places or steps[places[0]].get('use_dim', 3) != 3:
        raise UsageError(
            f'the test data of {config} must be loaded by one of {LOADERS} '
            f'with use_dim=3; {_REMEDY}'
        )
    loader, *others = steps[places[0] :]
    kept = {k: loader[k] for k in ('features', 'columns') if k in loader}
    return [
        dict(type='LoadPointCloud', **kept),
        *(
            # Any scan has a class, however few points it has.
            {'on_too_few': 'repeat', **step}
            if _is_one_of(step, ['SamplePoints'])
            else step
            for step in others
        ),
    ]


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


def predict_scans(
    model: nn.Module,
    scans: ScanFiles,
    folder: str | Path,
    *,
    names: dict[str, str] | None = None,
    min_score: float = 0.3,
    top: int = 5,
    category: str | None = None,
    html: bool = False,
    panel: int = 420,
    warn: Callable[[str], object] = warnings.warn,
) -> Iterator[tuple[ScanResult, list[Path]]]:
    """Predict each scan; yield the results and the files written.

    ``NAME.json`` gets classes or boxes; classes of points go into
    ``NAME.labels.ply``, or ``.laz`` of a LAS file, too; scenes get a picture.
    Files that cannot be used are named once the others are done.

    Args:
        model: A classifier, segmentor or detector with its weights.
        scans: See :func:`open_scans`.
        folder: Gets the files.
        names: NAME of each file; its own with its suffix by default, see
            :func:`~mmdet3d_act.apis.scan_files.name_outputs`.
        min_score: Detections of lower scores are left out.
        top: How many classes of a cloud are told.
        category: Of the objects, for a model that segments their parts.
        html: Whether to write a web page for each scene.
        panel: Width and height of a picture.
        warn: Gets what speaks against a scene, before the model sees it.

    Raises:
        UsageError: If a file cannot be used, a result could overwrite one,
            the category is unknown, or the model was trained on other
            classes than those of the scans.
    """
    faults = []
    names = names or name_outputs(scans.files)
    _keep_inputs(names, folder)
    classes = tuple(scans.metainfo['classes'])
    trained = getattr(model, 'dataset_meta', {}).get('classes', ())
    require_trained_classes(trained, classes, "config's test")
    colors = class_colors(len(classes), scans.metainfo.get('palette'))
    extra = _category_inputs(scans.metainfo, category)
    for index, file in enumerate(scans.files):
        try:
            data = scans[index]
            rows, offset, _ = scans.read(index)
        except BadSampleError as error:
            faults.append(str(error))
            continue
        points = torch.as_tensor(data['inputs']['points'])[:, :3].cpu()
        if scans.place:
            for doubt in find_doubts(file, points.numpy()):
                warn(doubt)
        data['inputs'] |= extra
        try:
            with torch.no_grad():
                predicted = model.test_step(pseudo_collate([data]))[0]
        except ValueError as error:
            faults.append(f'{file}: {error}')
            continue
        sample = {**predicted.metainfo, **predicted.to_dict()}
        _keep_parts(sample, scans.metainfo, category)
        coords = rows[:, :3].astype(np.float64) + offset
        result = scan_result(
            sample, points.numpy(), coords, scans, min_score, top
        )
        name = names[file]
        stem = Path(folder) / name
        paths = write_result(result, stem, colors)
        if result.kind != 'class':
            row, shown = scene_panels(sample, points, colors, min_score)
            legend = {classes[k]: colors[k].tolist() for k in sorted(shown)}
            view = dict(up_axis=scans.metainfo['up_axis'])
            sheet = dict(legend=legend, panel=panel, **view)
            paths.append(draw_scene_panels([row], f'{stem}.png', **sheet))
            if html:
                view['legend'] = dict(
                    zip(classes, colors.tolist(), strict=True)
                )
                page = f'{stem}.html'
                paths.append(write_html([row], page, heading=name, **view))
        yield result, paths
    if faults:
        raise UsageError('\n'.join(faults))


def _category_inputs(metainfo: dict, category: str | None) -> dict:
    """Make the input of a part segmentor beside the points."""
    known = metainfo.get('categories')
    if known is None:
        return {}
    if category not in known:
        raise UsageError(
            f'the model segments parts of {", ".join(known)}; name which of '
            f'these the scans are by --category, got {category!r}'
        )
    return dict(shape_label=torch.tensor(list(known).index(category)))


def _keep_parts(sample: dict, metainfo: dict, category: str | None) -> None:
    """Let points have parts of their category only."""
    if category is None or 'category_parts' not in metainfo:
        return
    parts = torch.tensor(metainfo['category_parts'][category])
    logits = sample['pts_seg_logits']['pts_seg_logits'].cpu()
    chosen = parts[logits[parts].argmax(dim=0)]
    sample['pred_pts_seg'] = dict(pts_semantic_mask=chosen)


def scan_result(
    sample: dict,
    points: np.ndarray,
    coords: np.ndarray,
    scans: ScanFiles,
    min_score: float = 0.3,
    top: int = 5,
) -> ScanResult:
    """Bring predictions to the points and coordinates of the file.

    Args:
        sample: A data sample as a dict, with predictions.
        points: (M, 3), what the model has read.
        coords: (N, 3), float64, the points of the file.
        scans: Where the sample is from.
        min_score: Detections of lower scores are left out.
        top: How many classes of a cloud are told.

    Raises:
        UsageError: If there are no predictions.
    """
    classes = tuple(scans.metainfo['classes'])
    file, origin = str(sample['lidar_path']), sample['origin']
    if 'pred_logits' in sample:
        shares = sample['pred_logits'].softmax(dim=0).cpu()
        scores, labels = shares.topk(min(top, len(shares)))
        labels, scores = labels.numpy(), scores.numpy()
        return ScanResult(file, 'class', coords, classes, labels, scores)
    if 'pred_instances_3d' in sample:
        likely = likely_boxes(sample['pred_instances_3d'], min_score)
        boxes, labels, scores = (one.numpy() for one in likely)
        boxes = boxes.astype(np.float64)
        boxes[:, :3] = scans.to_file(boxes[:, :3], origin, file)
        boxes[:, 3:6] = scans.to_file(boxes[:, 3:6], 0, file)
        return ScanResult(
            file, 'boxes', coords, classes, labels, scores, boxes
        )
    if 'pred_pts_seg' not in sample:
        raise UsageError(f'the model predicts nothing of scans; {_REMEDY}')
    labels = sample['pred_pts_seg']['pts_semantic_mask'].cpu().numpy()
    rows = sample.get('gt_pts_seg', {}).get(_ROWS)
    if rows is None:
        read = scans.to_file(points, origin, file)
    else:
        read = coords[rows.cpu().numpy()]
    if len(read) != len(coords) or not np.array_equal(read, coords):
        # Points that the model has not read are as the nearest that it has.
        labels = labels[cKDTree(read).query(coords)[1]]
    labels = labels.astype(np.int64)
    values = scans.metainfo.get('label_values')
    return ScanResult(file, 'points', coords, classes, labels, values=values)


def write_result(
    result: ScanResult, stem: str | Path, colors: np.ndarray
) -> list[Path]:
    """Write what was found in a scan; return the paths.

    Args:
        result: What was found.
        stem: Path without suffix.
        colors: Of the classes, (C, 3) in [0, 1].
    """
    path = Path(f'{stem}.json')
    path.parent.mkdir(parents=True, exist_ok=True)
    paths = [path]
    if result.kind == 'points':
        values = result.values or range(len(result.classes))
        paths.append(
            write_scan(
                f'{stem}.labels',
                result.file,
                points=result.points,
                labels=np.array(values)[result.labels],
                colors=colors[result.labels],
            )
        )
        told = dict(
            file=result.file,
            classes=result.classes,
            labels=[*values],
            points=_counts(result),
        )
        path.write_text(f'{json.dumps(told)}\n', encoding='utf-8')
        return paths
    entries = [
        dict(label=result.classes[label], score=round(float(score), 4))
        for label, score in zip(result.labels, result.scores, strict=True)
    ]
    if result.boxes is not None:
        rounded = result.boxes.round(4).tolist()
        for entry, box in zip(entries, rounded, strict=True):
            entry |= dict(center=box[:3], size=box[3:6], yaw=box[6])
    # A line each, for reading it by eye.
    lines = ',\n'.join(json.dumps(entry) for entry in entries)
    name = 'classes' if result.kind == 'class' else 'boxes'
    head = f'"file": {json.dumps(result.file)}, "{name}"'
    path.write_text(f'{{{head}: [\n{lines}\n]}}\n', encoding='utf-8')
    return paths


def summarize_result(result: ScanResult) -> str:
    """Say what was found in a scan, in one line.

    Args:
        result: What was found.
    """
    if result.kind == 'class':
        told = ', '.join(
            f'{result.classes[label]} {score:.1%}'
            for label, score in zip(result.labels, result.scores, strict=True)
        )
        return f'{result.file}: {told}'
    sides = ' x '.join(f'{side:.1f}' for side in np.ptp(result.points, axis=0))
    counts = _counts(result)
    listed = ', '.join(f'{name} {number}' for name, number in counts.items())
    return f'{result.file} ({sides}): {result.kind}: {listed or "none"}'


def _counts(result: ScanResult) -> dict[str, int]:
    """Count labels by their names, the most common first."""
    counts = Counter(result.labels.tolist())
    return {result.classes[k]: n for k, n in counts.most_common()}


def find_doubts(file: str, points: np.ndarray) -> list[str]:
    """List what speaks against a file in metres with z up.

    Args:
        file: Its name.
        points: (N, 3), what is in it.
    """
    sides = np.ptp(points, axis=0)
    least, most = USUAL_SIDES
    doubts = []
    if not sides.any():
        return [f'{file}: all its points are in one place']
    if not least <= sides.max() <= most:
        columns = ', or its rows of another width, give --columns'
        doubts.append(
            f'{file}: its longest side is {sides.max():.4g} m; if it is '
            f'not in metres, give --scale'
            f'{columns if file.endswith(ROWS_SUFFIX) else ""}'
        )
    (narrow, wide), high = np.sort(sides[:2]), sides[2]
    if high > wide or high > max(_HIGH, 1.5 * narrow):
        doubts.append(
            f'{file}: it is {high:.4g} m high on {wide:.4g} x {narrow:.4g} m; '
            'if another axis is its vertical one, give --up-axis'
        )
    return doubts


def _keep_inputs(names: dict[str, str], folder: str | Path) -> None:
    """Refuse a folder in which a result could overwrite a scan."""
    inputs = {Path(file).resolve() for file in names}
    for file, name in names.items():
        suffix = '.laz' if file.lower().endswith(LAS_SUFFIXES) else '.ply'
        target = Path(folder) / f'{name}.labels{suffix}'
        if target.resolve() in inputs:
            raise UsageError(
                f'a result of {file} could overwrite the scan {target}; '
                'choose another folder (--out)'
            )
