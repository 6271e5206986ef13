"""Networks as files for other programs: ONNX, and PyTorch's own export.

Letters: B clouds, N points, G patches, C channels, D width of an embedding, K
classes, Q boxes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from mmdet3d_act.apis.loading import find_config
from mmdet3d_act.apis.prediction import load_predictor
from mmdet3d_act.apis.students import FACTS, from_pretrained
from mmdet3d_act.checkpoint import resolve_checkpoint
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.classifiers import PointClassifier
from mmdet3d_act.models.detectors import ThreeDETR
from mmdet3d_act.models.heads import PartSegHead
from mmdet3d_act.models.segmentors import PointSegmentor
from mmdet3d_act.registry import registered_classes

FORMATS = ('.onnx', '.pt2')
WHOLE_MODELS = (PointClassifier, PointSegmentor, ThreeDETR)
OPSET = 18


class Network(nn.Module):
    """A network with tensors as inputs and outputs.

    Args:
        model: A point Transformer, a classifier, a segmentor or 3DETR.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.eval()

    def forward(
        self, points: Tensor, shape_label: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compute the outputs by name.

        Args:
            points: (B, N, 3+F), as the model's data set normalises them.
            shape_label: The category of each object, (B,), int64, for part
                segmentation.

        Returns:
            Of a point Transformer ``embedding`` (B, D), ``patches`` (B, G, C)
            and ``centers`` (B, G, 3), of a classifier ``logits`` (B, K), of
            a segmentor ``logits`` (B, K, N). Of 3DETR the raw predictions of
            the last layer, see
            :class:`~mmdet3d_act.models.heads.ThreeDETRHead`, each (B, Q,
            ...), and ``scene_low`` and ``scene_high``, (B, 3).
        """
        if isinstance(self.model, PointTransformer):
            patches = self.model.group(points)
            encoded = self.model.encode(patches)
            pooled = encoded.pooled()
            kinds = [k for k in ('cls', 'max', 'mean') if k in pooled]
            return dict(
                embedding=torch.cat([pooled[kind] for kind in kinds], dim=1),
                patches=encoded.features,
                centers=patches.centers,
            )
        inputs = dict(points=points)
        if shape_label is not None:
            inputs['shape_label'] = shape_label
        outputs = self.model(inputs)
        if isinstance(outputs, Tensor):
            return dict(logits=outputs)
        low, high = outputs.pop('scene_range')
        queries = outputs.pop('query_xyz')
        last = {name: layers[-1] for name, layers in outputs.items()}
        return dict(last, query_xyz=queries, scene_low=low, scene_high=high)


def export(
    source: str,
    file: str | Path,
    *,
    config: str | None = None,
    options: dict | None = None,
    num_points: int | None = None,
) -> dict[str, tuple[int | str, ...]]:
    """Write a trained network as ``.onnx`` or ``.pt2``.

    Grouping is inside: the file takes any number of clouds, each of a fixed
    number of points, normalised as in the model's data set. What comes after
    the network, such as boxes from raw predictions, is not. An ``.onnx`` file
    runs without PyTorch and this package; its meta data say what is known of
    the data: up axis, normalisation, classes. A ``.pt2`` file is read by
    ``torch.export.load`` after ``import mmdet3d_act``.

    Args:
        source: The name of a student or its folder; a checkpoint or work
            directory, also of a classifier, a segmentor or 3DETR.
        file: Where to; the suffix is the format.
        config: Config of the checkpoint; by default the one beside it.
        options: Dotted names and values that replace the config's.
        num_points: Points of a cloud; by default as in the model's test data.

    Returns:
        Shapes of inputs and outputs by name; 'B' is the number of clouds.

    Raises:
        UsageError: If the suffix is another, a package is missing, nothing
            says how many points a cloud has, or a student is given options.
        CheckpointError: If the weights cannot be read.
    """
    model, known, usual = _load(source, config, options)
    num_points = num_points or usual
    if num_points is None:
        raise UsageError(
            'the config does not say how many points a cloud has; give '
            '--points'
        )
    return export_model(model, file, num_points, known)


def export_model(
    model: nn.Module,
    file: str | Path,
    num_points: int,
    known: Mapping[str, Any],
) -> dict[str, tuple[int | str, ...]]:
    """Write a model as :func:`export` does.

    Args:
        model: A point Transformer, a classifier, a segmentor or 3DETR.
        file: Where to; the suffix is the format.
        num_points: Points of a cloud.
        known: What is known of the data, such as ``classes``.

    Returns:
        Shapes of inputs and outputs by name; 'B' is the number of clouds.

    Raises:
        UsageError: If the suffix is another, or a package is missing.
    """
    file = Path(file)
    if file.suffix not in FORMATS:
        raise UsageError(f'expected a file of {FORMATS}, got {file}')
    network = Network(model)
    student = getattr(model, 'backbone', model)
    # Clouds of equal points would leave choices to rounding.
    random = torch.Generator().manual_seed(0)
    size = 2, num_points, getattr(student, 'in_channels', 3)
    inputs = dict(points=torch.rand(size, generator=random))
    if any(isinstance(part, PartSegHead) for part in model.modules()):
        inputs['shape_label'] = torch.zeros(2, dtype=torch.long)
    batch = {0: torch.export.Dim('batch')}
    with torch.no_grad():
        outputs = network(**inputs)
        program = torch.export.export(
            network, (), inputs, dynamic_shapes=dict.fromkeys(inputs, batch)
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == '.pt2':
        torch.export.save(program, file)
    else:
        _write_onnx(program, file, list(inputs), list(outputs), known)
    return {
        name: ('B', *value.shape[1:])
        for name, value in {**inputs, **outputs}.items()
    }


def _load(
    source: str, config: str | None, options: dict | None
) -> tuple[nn.Module, dict, int | None]:
    """Load a model, what is known of its data, and how many points it had."""
    found: str | Path | None = config
    if found is None and Path(source).exists():
        found = find_config(resolve_checkpoint(source))
    if found is not None:
        cfg = launch.load_config(str(found), options)
        launch.require(cfg, ['model'], str(found))
        kinds = registered_classes(cfg.model['type'])
        if any(issubclass(kind, WHOLE_MODELS) for kind in kinds):
            loaded = load_predictor(source, str(found), options=options)
            return loaded.model, loaded.metainfo, _num_points(loaded.cfg)
    if options:
        raise UsageError(
            f'{source} is a student, which has no config: {options}'
        )
    student = from_pretrained(source)
    known = dict(student.pretrained_meta)
    return student, known, known['num_points']


def _num_points(cfg: Config) -> int | None:
    """Look up how many points the last step of the test data gives."""
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
    steps = iter_typed(loader)
    found = [step['num_points'] for step in steps if 'num_points' in step]
    return found[-1] if found else None


def _write_onnx(
    program: torch.export.ExportedProgram,
    file: Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    known: Mapping[str, Any],
) -> None:
    try:
        from mmdet3d_act.apis.onnx_operations import TRANSLATIONS
    except ImportError as error:
        raise UsageError(
            f'{file} needs onnx and onnxscript ({error}): install the extra '
            '[export]; .pt2 needs neither'
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        written = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            custom_translation_table=TRANSLATIONS,
            # Its optimiser takes the 1e-8 beside a distance for nothing;
            # onnxruntime has its own.
            optimize=False,
            verbose=False,
        )
    for name in FACTS:
        if known.get(name) is not None:
            value = known[name]
            text = value if isinstance(value, str) else json.dumps(value)
            written.model.metadata_props[name] = text
    written.save(str(file))
