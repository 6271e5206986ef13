"""Small wheels that pip installs, made without a network."""

from __future__ import annotations

import zipfile
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str, files: dict) -> Path:
    """Write a wheel that pip installs."""
    info = f'{name}-{version}.dist-info'
    content = {
        **files,
        f'{info}/METADATA': (
            f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
        ),
        f'{info}/WHEEL': (
            'Wheel-Version: 1.0\nGenerator: test\n'
            'Root-Is-Purelib: true\nTag: py3-none-any\n'
        ),
    }
    record = ''.join(
        f'{path},sha256=x,{len(text)}\n' for path, text in content.items()
    )
    content[f'{info}/RECORD'] = f'{record}{info}/RECORD,,\n'
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'{name}-{version}-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        for member, text in content.items():
            archive.writestr(member, text)
    return path


def mmcv_wheel(folder: Path, *, compiled: bool = True) -> Path:
    """Write a wheel as of MMCV, with compiled operations or without."""
    files = {'mmcv/__init__.py': ''}
    if compiled:
        files['mmcv/_ext.cpython-311-x86_64-linux-gnu.so'] = 'x' * 1000
    return make_wheel(folder, 'mmcv', '2.1.0', files)
