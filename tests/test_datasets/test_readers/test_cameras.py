from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.cameras import check_camera, read_matrix


def test_matrix_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('1 0 0 -inf\n0 1e0 0 2\n0 0 1 .5\n0 0 0 1\n')
    matrix = read_matrix(str(path))
    assert matrix[0, 3] == -np.inf
    assert matrix[2].tolist() == [0, 0, 1, 0.5]


@pytest.mark.parametrize(
    ('text', 'message'),
    [('1 2 3', 'got 3 numbers'), ('a b', 'could not'), (None, 'not exist')],
)
def test_no_matrix(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / 'a.txt'
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadSampleError, match=message):
        read_matrix(str(path))


def test_cameras() -> None:
    check_camera(np.eye(4), 'extrinsic', 'a')
    check_camera(np.diag([500.0, 500, 1, 1]), 'intrinsic', 'a')
    with pytest.raises(BadSampleError, match='a: expected a rotation and'):
        check_camera(np.diag([2.0, 1, 1, 1]), 'extrinsic', 'a')
    with pytest.raises(BadSampleError, match='focal lengths > 0'):
        check_camera(np.diag([0.0, 500, 1, 1]), 'intrinsic', 'a')
