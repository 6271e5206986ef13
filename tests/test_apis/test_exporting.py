"""Exported networks against the networks themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip('mmdet3d')
pytest.importorskip('onnxscript')
onnxruntime = pytest.importorskip('onnxruntime')

from mmdet3d_act.apis.exporting import (  # noqa: E402
    Network,
    export,
    export_model,
)
from mmdet3d_act.engine.failures import UsageError  # noqa: E402
from tests.test_models.test_every_kind import built  # noqa: E402

NUM_POINTS = 64


def clouds() -> torch.Tensor:
    """Three clouds: random ones, and a grid, which is full of ties."""
    cloud = torch.rand(2, NUM_POINTS, 3, generator=torch.Generator())
    axis = torch.linspace(0, 1, 4)
    return torch.cat([cloud, torch.cartesian_prod(axis, axis, axis)[None]])


@pytest.mark.parametrize('suffix', ['.onnx', '.pt2'])
@pytest.mark.parametrize(
    'name',
    ['PointTransformer', 'PointClassifier', 'PointSegmentor', 'ThreeDETR'],
)
def test_gives_the_outputs_of_the_network(
    name: str, suffix: str, tmp_path: Path
) -> None:
    model = built(name)
    file = tmp_path / f'network{suffix}'
    shapes = export_model(model, file, NUM_POINTS, dict(classes=['a', 'b']))
    inputs = dict(points=clouds())
    if 'shape_label' in shapes:
        inputs['shape_label'] = torch.tensor([2, 0, 1])
    with torch.no_grad():
        expected = Network(model)(**inputs)
    if suffix == '.pt2':
        found = torch.export.load(file).module()(**inputs)
    else:
        session = onnxruntime.InferenceSession(str(file))
        arrays = {key: value.numpy() for key, value in inputs.items()}
        outputs = session.run(list(expected), arrays)
        found = {
            key: torch.from_numpy(value)
            for key, value in zip(expected, outputs, strict=True)
        }
        known = session.get_modelmeta().custom_metadata_map
        assert known['classes'] == '["a", "b"]'
    for key, value in expected.items():
        assert shapes[key] == ('B', *value.shape[1:])
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-5)


def test_student_of_the_package(tmp_path: Path) -> None:
    shapes = export('act-mini', tmp_path / 'student.pt2')
    assert shapes['points'] == ('B', 1024, 3)
    assert shapes['embedding'] == ('B', 384)


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='pb'):
        export('act-mini', tmp_path / 'student.pb')
