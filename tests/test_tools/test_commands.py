"""The commands of the documentation are ones that the tools understand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_engine.toy import ROOT
from tests.test_tools.loading import load_tool

PAGES = ('README.md', 'docs/experiments.md', 'docs/results.md')
LIGHT = (
    'browse_dataset',
    'demo',
    'infer_scene',
    'linear_probe',
    'sweep',
    'test',
    'train',
    'visualize_reconstruction',
    'visualize_scene',
)
# Words that stand for a user's own config, and shell variables.
CONFIG = str(ROOT / 'configs/act/act_cls_modelnet40.py')
COMMAND = r'python (tools/(?:sweep|train|test)\.py .*)'
VARIABLES = {
    '$starts': 'act=a.pth scratch',
    '$s': '0',
    '$p': 'tiny',
}


def commands() -> list[str]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text().replace('\\\n', ' ')
        found += re.findall(
            r'python (tools/(?:sweep|train|test)\.py .*)', text
        )
    return sorted(set(found))


@pytest.mark.parametrize('command', commands())
def test_commands_of_the_pages_are_understood(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    command = command.split(' & done')[0]
    for name, value in VARIABLES.items():
        command = command.replace(name, value)
    tool, *arguments = shlex.split(command, comments=True)
    arguments = [CONFIG if one == 'CONFIG' else one for one in arguments]
    load_tool(Path(tool).stem).parse_args(arguments)


def test_help_imports_nothing_heavy():
    code = (
        'import runpy, sys\n'
        f'sys.path.insert(0, {str(ROOT / "tools")!r})\n'
        f'for name in {LIGHT}:\n'
        "    sys.argv = [name, '--help']\n"
        '    try:\n'
        f"        path = f'{ROOT}/tools/{{name}}.py'\n"
        "        runpy.run_path(path, None, '__main__')\n"
        '    except SystemExit as end:\n'
        '        assert end.code == 0, name\n'
        "    assert 'torch' not in sys.modules, name\n"
        "    assert 'mmengine' not in sys.modules, name\n"
    )
    command = [sys.executable, '-c', code]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
