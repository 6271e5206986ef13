from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError, read_points
from mmdet3d_act.datasets.readers.text import is_document, read_text

ROWS = [[1, 2, 3], [4, 5, 6]]


def read(tmp_path: Path, text: str | bytes, suffix: str = 'txt') -> list:
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_points(str(path)).tolist()


@pytest.mark.parametrize('suffix', ['txt', 'xyz', 'pts', 'csv'])
@pytest.mark.parametrize('delimiter', [',', ' ', '\t', ', ', ';', '  \t'])
@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_delimiters(
    tmp_path: Path, suffix: str, delimiter: str, end: str
) -> None:
    text = end.join(delimiter.join(map(str, row)) for row in ROWS)
    assert read(tmp_path, text, suffix) == ROWS


@pytest.mark.parametrize(
    'text',
    [
        '# a comment\n\n1 2 3\n4 5 6\n',
        '\n\n1 2 3\n\n4 5 6\n\n',
        '// caf\xe9\n1,2,3\n4,5,6 # end\n',
        '% MATLAB\n! Fortran\n1 2 3\n4 5 6',
        '1e0 2.0E+0 +3\n.4e1 5. 6\n',
        '2\n1 2 3\n4 5 6\n',
        '//X Y Z\n2\n1 2 3\n4 5 6\n',
        '1\n1 2 3\n1\n4 5 6\n# done\n',
        '1,2,3,\n4,5,6,\n',
        '"1","2","3"\n"4","5","6"\n',
        '\ufeff1 2 3\n4 5 6\n',
    ],
)
@pytest.mark.parametrize('encoding', ['utf-8', 'latin-1', 'utf-16'])
def test_forms(tmp_path: Path, text: str, encoding: str) -> None:
    if '\ufeff' in text:
        encoding = 'utf-8'
    assert read(tmp_path, text.encode(encoding)) == ROWS


def test_decimal_commas(tmp_path: Path) -> None:
    text = 'x;y;z\n0,5;1,25;-2\n3;4;5,5\n'
    assert read(tmp_path, text, 'csv') == [[0.5, 1.25, -2], [3, 4, 5.5]]


@pytest.mark.parametrize(
    ('text', 'rows'),
    [
        ('r,x,y,z\n9,1,2,3\n8,4,5,6\n', [[1, 2, 3, 9], [4, 5, 6, 8]]),
        ('Z\tY\tX\n3\t2\t1\n', [[1, 2, 3]]),
        ('"X [m]","Y [m]","Z [m]","I"\n1,2,3,7\n', [[1, 2, 3, 7]]),
        ('# z y x\n3 2 1\n', [[1, 2, 3]]),
        ('id;x;name;y;z\n7;1;cup;2;3\n', [[1, 2, 3, 7]]),
        ('1 2 3 chair 5\n', [[1, 2, 3, 5]]),
        ('//X,Y,Z,R,Scalar field\n1,2,3,4,5,6\n', [[1, 2, 3, 4, 5, 6]]),
    ],
)
def test_columns(tmp_path: Path, text: str, rows: list) -> None:
    assert read(tmp_path, text, 'csv') == rows


@pytest.mark.parametrize(
    ('text', 'fault'),
    [
        ('', 'the file has 0 bytes'),
        ('\n# nothing\n', 'no rows of numbers'),
        ('a b c\n1 2 3\n', r"names of columns with x, y and z, got 'a b c'"),
        ('1 2\n3 4\n', r"three numbers or more in a row.* got '1 2'"),
        ('3\n4\n5\n', "got '4'"),
        ('3\nmolecule\nC 0 0 0\n', "got 'molecule'"),
        ('H 1 2 3\n', r"numbers in columns \[1, 2, 3\].*'H 1 2 3'"),
        ('1 2 3\n4 5\n', 'columns changed from 3 to 2'),
        ('1 2 3\n4 5 6 7\n', 'columns changed from 3 to 4'),
        ('1 2 3\n4 x 6\n', "could not convert string 'x'"),
        ('1,2,3\n4,,6\n', "could not convert string ''"),
        ('r,x,y,z\n1,2,3\n', '4 columns have names'),
        ('3\n1.000 2 3\n4 5.000 6\n', 'promises 3 points, 2 follow'),
        ('1\n1 2 3\n4 5 6\n', "more rows than its count.*'4 5 6'"),
        ('2\n1 2 3\n', 'promises 2 points'),
        ('1000000000000\n1 2 3\n', 'at least 6000000000000 bytes'),
        ('0\n1 2 3\n', 'more rows|promises 0|no points|no data'),
    ],
)
@pytest.mark.filterwarnings('ignore:.*input contained no data')
def test_faults(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(BadSampleError, match=rf'a\.txt: .*({fault})'):
        read(tmp_path, text)


def test_binary_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(BadSampleError, match=r'got binary data: .* no text'):
        read(tmp_path, b'1 2 3\n' + bytes(range(32)))


def test_detail_of_float64(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('5400000.001 0 0\n')
    assert read_text(str(path)).dtype == np.float64
    assert read_text(str(path))[0, 0] == 5400000.001


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


def test_a_broken_link_is_no_document(tmp_path: Path) -> None:
    (tmp_path / 'a.txt').symlink_to(tmp_path / 'none')
    assert not is_document(str(tmp_path / 'a.txt'))
