from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.visualization import write_ply

POINTS = np.array([[0.25, -1, 2], [3, 4.5, 5], [6, 7, 8]])


def read(path: Path) -> tuple[list[str], bytes]:
    header, body = path.read_bytes().split(b'end_header\n', 1)
    return header.decode('ascii').splitlines(), body


def test_points_are_read_back(tmp_path: Path) -> None:
    path = write_ply(torch.tensor(POINTS), tmp_path / 'a.ply')
    header, body = read(path)
    assert header[:3] == [
        'ply',
        'format binary_little_endian 1.0',
        'element vertex 3',
    ]
    np.testing.assert_array_equal(
        np.frombuffer(body, '<f4').reshape(3, 3), POINTS
    )


def test_colors_are_read_back(tmp_path: Path) -> None:
    colors = np.array([[1, 0, 0], [0, 0.5, 0], [0, 0, 1.0]])
    header, body = read(write_ply(POINTS, tmp_path / 'a.ply', colors))
    assert header[-3:] == [
        'property uchar red',
        'property uchar green',
        'property uchar blue',
    ]
    rows = np.frombuffer(body, [('xyz', '<f4', 3), ('rgb', 'u1', 3)])
    np.testing.assert_array_equal(rows['xyz'], POINTS)
    np.testing.assert_array_equal(
        rows['rgb'], [[255, 0, 0], [0, 128, 0], [0, 0, 255]]
    )


def test_refuses_another_ending(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'must end in \.ply'):
        write_ply(POINTS, tmp_path / 'a.txt')


def test_refuses_a_flat_array(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'points must have shape \(N, 3'):
        write_ply(POINTS[0], tmp_path / 'a.ply')
