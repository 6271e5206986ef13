"""docs/reproduce.md: every command is there, and its config resolves."""

from __future__ import annotations

import re
import shlex

import pytest
from mmengine.config import DictAction

from mmdet3d_act.engine.launch import load_config
from tests.small_data import ROOT
from tests.test_tools.loading import load_tool

PAGE = (ROOT / 'docs' / 'reproduce.md').read_text()
COMMAND = r'(?:[A-Z_]+=\S+ )*python tools/[^`\n]+'
FOUND = re.findall(rf'`({COMMAND})`|^({COMMAND})$', PAGE, flags=re.MULTILINE)
COMMANDS = sorted({inline or line for inline, line in FOUND})
# The page says that these are written in its place.
OTHERS = ('-objbg', '-objonly')


def variants(command: str) -> list[str]:
    return [
        command,
        *(command.replace('-hardest', other) for other in OTHERS),
    ]


@pytest.mark.parametrize('command', COMMANDS)
def test_command_resolves(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv('ACT_PRETRAINED', raising=False)
    for one in sorted(set(variants(command))):
        words = shlex.split(one)
        while '=' in words[0]:
            monkeypatch.setenv(*words.pop(0).split('=', 1))
        assert words[0] == 'python'
        assert (ROOT / words[1]).is_file()
        if words[1] == 'tools/train.py':
            load_tool('train').parse_args(words[2:])
        options = {}
        if '--cfg-options' in words:
            for pair in words[words.index('--cfg-options') + 1 :]:
                key, _, value = pair.partition('=')
                options[key] = DictAction._parse_iterable(value)
        assert load_config(words[2], options).model.type


def test_rows_of_both_papers_are_there() -> None:
    assert len(COMMANDS) > 60
    assert PAGE.count('| not run |') > 50
    for figure in ('93.29', '61.2', '63.8 / 42.1', '46.4', '63.4 / 42.2'):
        assert figure in PAGE
