"""Build hook; the metadata is in pyproject.toml.

The wheel carries ``configs/`` and ``tools/`` below ``mmdet3d_act/.mim``, where
MMEngine and MIM look for them in OpenMMLab packages. They are copied into the
build folder only, the source tree stays as it is.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED_FOLDERS = ('configs', 'tools')
SHIPPED_FILES = ('model-index.yml',)


class BuildWithConfigs(build_py):
    """Build the package, then put configs and tools beside its modules."""

    def run(self) -> None:
        """Build; an editable install finds the folders of the checkout."""
        super().run()
        if not getattr(self, 'editable_mode', False):
            self._ship(Path(self.build_lib) / 'mmdet3d_act' / '.mim')

    def _ship(self, target: Path) -> None:
        # What an earlier build left must not get into the wheel.
        shutil.rmtree(target, ignore_errors=True)
        ignored = shutil.ignore_patterns('__pycache__', '*.pyc', '.*')
        for name in SHIPPED_FOLDERS:
            shutil.copytree(ROOT / name, target / name, ignore=ignored)
        for name in SHIPPED_FILES:
            shutil.copy(ROOT / name, target / name)


setup(cmdclass={'build_py': BuildWithConfigs})
