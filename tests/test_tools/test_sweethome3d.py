from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.datasets import ObjectRenders, PointFolder, ShapeNet55

from .loading import load_tool

tool = load_tool('dataset_converters.sweethome3d')

SIZES = {'width': 100.0, 'depth': 60.0, 'height': 80.0}
MTL = 'newmtl wood\nKd 0.5 0.25 0\nnewmtl cloth\nmap_Kd cloth.png\n'


def _png() -> bytes:
    # Blue below, green above.
    pixels = np.zeros((2, 1, 3), np.uint8)
    pixels[0, 0, 1] = pixels[1, 0, 2] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'png')
    return file.getvalue()


def _obj(seed: int, mirror: float = 1) -> str:
    """A tetrahedron of random corners on a quadrangle of cloth."""
    corners = np.random.default_rng(seed).random((4, 3)) * [mirror, 1, 1]
    lines = ['mtllib one.mtl', 'vt 0 0', 'vt 1 0', 'vt 1 1', 'vt 0 1']
    lines += [f'v {x:f} {y:f} {z:f}' for x, y, z in corners]
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    lines += [f'v {mirror * x} 0 {z}' for x, z in square]
    lines += ['usemtl wood', 'f 1 2 3', 'f 1 2 4', 'f 1 3 4', 'f 2 3 4']
    lines += ['usemtl cloth', 'f 5/1 6/2 7/3 8/4']
    return '\n'.join(lines) + '\n'


def _archive(
    names: list[str], objects: list[str], rotation: str = ''
) -> bytes:
    file, catalog = io.BytesIO(), 'id=made up\n'
    with zipfile.ZipFile(file, 'w') as archive:
        for number, (name, obj) in enumerate(zip(names, objects, strict=True)):
            values = {
                'name': name,
                'tags': 'Seat',
                'category': 'Living room',
                'creator': 'nobody',
                'model': f'/m{number}/m{number}.obj',
                'modelRotation': rotation,
                **SIZES,
            }
            for key, value in values.items():
                catalog += f'{key}#{number + 1}={value}\n'
            archive.writestr(
                f'm{number}/m{number}.obj', obj.replace('one', f'm{number}')
            )
            archive.writestr(f'm{number}/m{number}.mtl', MTL)
            archive.writestr(f'm{number}/cloth.png', _png())
        archive.writestr('PluginFurnitureCatalog.properties', catalog)
        archive.writestr('LICENSE.TXT', 'CC0')
    return file.getvalue()


@pytest.fixture(scope='module')
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Debian package of 12 chairs, two of them mirrored, and a spoon."""
    names = ['Oak chair', *['Chair with cushion'] * 11, 'Spoon']
    objects = [_obj(seed) for seed in range(10)]
    objects += [_obj(0, -1), _obj(1, -1), _obj(20)]
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w:xz') as tar:
        content = _archive(names, objects)
        info = tarfile.TarInfo('./usr/share/sweethome3d/furniture/Made.sh3f')
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    path = tmp_path_factory.mktemp('package') / 'furniture.deb'
    parts = {'debian-binary': b'2.0\n', 'data.tar.xz': data.getvalue()}
    with path.open('wb') as file:
        file.write(b'!<arch>\n')
        for name, content in parts.items():
            head = (
                f'{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n'
            )
            file.write(head.encode() + content + b'\n' * (len(content) % 2))
    return path


@pytest.fixture(scope='module')
def written(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('out')
    options = ['--size', '32', '--views', '2', '--test', '0.34']
    assert tool.main([str(package), str(out), *options]) == 0
    return out


def test_layouts_are_read_by_the_data_sets(written: Path) -> None:
    chairs = {
        split: PointFolder(
            str(written / 'real_shapes'), split, classes='folders', up_axis='y'
        )
        for split in ('train', 'test')
    }
    assert chairs['train'].metainfo['classes'] == ('chair',)
    assert len(chairs['train']) + len(chairs['test']) == 12
    assert 2 <= len(chairs['test']) <= 4
    shapes = ShapeNet55(str(written / 'ShapeNet55-34'), 'trainval')
    renders = ObjectRenders(str(written / 'object_renders'), 'trainval')
    assert len(shapes) == len(renders) == 13
    assert len(renders.get_data_info(0)['views']) == 2
    image = Image.open(renders.get_data_info(0)['views'][1]['img_path'])
    pixels = np.asarray(image)
    assert pixels.shape == (32, 32, 3)
    # Something is drawn, on white.
    assert (pixels[0, 0] == 255).all()
    assert pixels.min() < 128
    assert (written / 'licences/Made/LICENSE.TXT').read_text() == 'CC0'


def test_clouds_have_size_and_colors(written: Path) -> None:
    cloud = np.load(written / 'object_renders/points/Made_m3.npy')
    assert cloud.shape == (4096, 6)
    assert cloud.dtype == np.float32
    extent = np.ptp(cloud[:, :3], axis=0)
    np.testing.assert_allclose(extent, [1.0, 0.8, 0.6], atol=0.05)
    colors = {tuple(row) for row in (255 * cloud[:, 3:]).round().tolist()}
    # Wood, and the two pixels of the cloth.
    assert {(0.0, 255.0, 0.0), (0.0, 0.0, 255.0)} <= colors
    wood = np.abs(255 * cloud[:, 3:] - [127.5, 63.75, 0]).max(axis=1) < 1.5
    assert 0.3 < wood.mean() < 0.95


def test_mirrored_copies_are_one_object(written: Path) -> None:
    models = json.loads((written / 'models.json').read_text())
    objects = [model['object'] for model in models]
    assert objects[0] == objects[10]
    assert objects[1] == objects[11]
    assert len(set(objects)) == 11
    splits = [model['split'] for model in models]
    assert splits[0] == splits[10]
    assert splits[1] == splits[11]
    assert models[12]['class'] is None
    assert splits[12] == 'train'


@pytest.mark.parametrize(
    ('name', 'tags', 'label'),
    [
        ('Chair with cushion', 'Seat', 'chair'),
        ('Wheelchair', '', None),
        ('Sofa 2 seats', '', 'sofa'),
        ('Pool table', 'Game', None),
        ('Sitting girl', 'Human, Child', 'person'),
        ('Double window 3 panes', '', 'window'),
    ],
)
def test_classes(name: str, tags: str, label: str | None) -> None:
    model = {'name': name, 'tags': tags, 'category': 'Living room'}
    assert tool.find_class(model) == label


def test_other_folders_are_refused(
    tmp_path: Path, package: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'own.txt').touch()
    assert tool.main([str(package), str(tmp_path)]) != 0
    assert 'choose a new one' in capsys.readouterr().err
    assert tool.main([str(tmp_path), str(tmp_path / 'out')]) != 0
    assert 'apt-get download' in capsys.readouterr().err


def test_names_of_licences_stay_within(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(), 'w') as archive:
        archive.writestr('../../../license.txt', 'CC0')
        tool.write_licences(tmp_path / 'a' / 'b', {'Made': archive})
    (written,) = (path for path in tmp_path.rglob('*') if path.is_file())
    assert written.parent == tmp_path / 'a' / 'b' / 'Made'


def test_unknown_compression_is_refused(
    tmp_path: Path, package: Path, capsys: pytest.CaptureFixture
) -> None:
    content = package.read_bytes().replace(b'data.tar.xz ', b'data.tar.zst')
    other = tmp_path / 'other.deb'
    other.write_bytes(content)
    assert tool.main([str(other), str(tmp_path / 'out')]) != 0
    assert 'dpkg-deb -x' in capsys.readouterr().err


def test_renders_of_other_options_are_drawn_again(
    written: Path, package: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(written, tmp_path / 'out')
    options = ['--size', '16', '--views', '1']
    assert tool.main([str(package), str(out), *options]) == 0
    (file,) = (out / 'object_renders/images/Made_m0').glob('*.png')
    assert Image.open(file).size == (16, 16)
