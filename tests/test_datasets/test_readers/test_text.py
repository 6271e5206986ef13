"""Rows of numbers, as scanners and spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import read_points
from mmdet3d_act.datasets.readers.text import is_document

ROWS = [[1, 2, 3], [4, 5, 6]]


def read(tmp_path: Path, text: str | bytes, suffix: str = 'txt') -> list:
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_points(str(path)).tolist()


@pytest.mark.parametrize('delimiter', [',', ' ', '\t', ', ', ';', '  \t'])
@pytest.mark.parametrize('end', ['\n', '\r\n', '\t\n'])
def test_delimiters(tmp_path: Path, delimiter: str, end: str) -> None:
    text = end.join(delimiter.join(map(str, row)) for row in [*ROWS, ROWS[0]])
    assert read(tmp_path, text, 'xyz') == [*ROWS, ROWS[0]]


@pytest.mark.parametrize(
    'text',
    [
        '# a comment\n\n1 2 3\n4 5 6\n',
        '\n\n1 2 3\n\n4 5 6\n\n',
        '// caf\xe9\n1,2,3\n4,5,6 # end\n',
        '1 2 3\n// in the middle\n4 5 6\n! so\n',
        '2\n1 2 3\n# in the middle\n4 5 6\n',
        '% MATLAB\n! Fortran\n1 2 3\n4 5 6',
        '1e0 2.0E+0 +3\n.4e1 5. 6\n',
        '2\n1 2 3\n4 5 6\n',
        '//X Y Z\n2\n1 2 3\n4 5 6\n',
        '1,2,3,\n4,5,6,\n',
        '1;2;3;\n4;5;6\n',
        '1\t2\t3\t\n4\t5\t6\t\n',
        '1 2 3\t\n4 5 6\t\n',
        '"1","2","3"\n"4","5","6"\n',
        '\ufeff1 2 3\n4 5 6\n',
    ],
)
@pytest.mark.parametrize('encoding', ['utf-8', 'latin-1', 'utf-16'])
def test_forms(tmp_path: Path, text: str, encoding: str) -> None:
    if '\ufeff' in text:
        encoding = 'utf-8'
    assert read(tmp_path, text.encode(encoding)) == ROWS


@pytest.mark.parametrize(
    ('text', 'rows'),
    [
        ('x;y;z\n0,5;1,25;-2\n3;4;5\n', [[0.5, 1.25, -2], [3, 4, 5]]),
        ('1;2;3\n0,5;1,25;-2\n', [[1, 2, 3], [0.5, 1.25, -2]]),
        ('r,x,y,z\n9,1,2,3\n8,4,5,6\n', [[1, 2, 3, 9], [4, 5, 6, 8]]),
        ('Z\tY\tX\n3\t2\t1\n', [[1, 2, 3]]),
        ('"X [m]","Y [m]","Z [m]","I"\n1,2,3,7\n', [[1, 2, 3, 7]]),
        ('# z y x\n3 2 1\n', [[1, 2, 3]]),
        ('id;x;name;y;z\n7;1;cup;2;3\n', [[1, 2, 3, 7]]),
        ('1 2 3 chair 5\n', [[1, 2, 3, 5]]),
        ('//X,Y,Z,R,Scalar field\n1,2,3,4,5,6\n', [[1, 2, 3, 4, 5, 6]]),
        ('1 2 3 4\n4 5 6 -nan(ind)\n', [[1, 2, 3, 4], [4, 5, 6, np.nan]]),
        ('1 2 3 -nan(ind)\n4 5 6 7\n', [[1, 2, 3, np.nan], [4, 5, 6, 7]]),
        ('1,2,3,9\n4,5,6,\n', [[1, 2, 3, 9], [4, 5, 6, np.nan]]),
        ('x,y,z,i\n1,2,3,\n4,5,6,7\n', [[1, 2, 3, np.nan], [4, 5, 6, 7]]),
        ('1\t2\t3\t9\n4\t5\t6\t\n', [[1, 2, 3, 9], [4, 5, 6, np.nan]]),
        ('1,2,3,9\n4,5,6,high\n', [[1, 2, 3, 9], [4, 5, 6, np.nan]]),
    ],
)
def test_columns(tmp_path: Path, text: str, rows: list) -> None:
    np.testing.assert_array_equal(read(tmp_path, text, 'csv'), rows)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('airplane_0001\nairplane_0002\n', True),
        ('Airplane\t02691156\n', True),
        ('# comment\nThis is a read-me, with words.\n', True),
        ('a.npy 3\n', True),
        ('1 2 3\n', False),
        ('17\n1 2 3\n', False),
        ('x,y,z\n', False),
        ('\n', False),
        ('\x00\x01', False),
    ],
)
def test_is_document(tmp_path: Path, text: str, expected: bool) -> None:
    path = tmp_path / 'a.txt'
    path.write_text(text)
    assert is_document(str(path)) is expected
    (tmp_path / 'b.txt').symlink_to(tmp_path / 'none')
    assert not is_document(str(tmp_path / 'b.txt'))
