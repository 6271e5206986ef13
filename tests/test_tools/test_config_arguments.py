"""What the tools' command lines share."""

from __future__ import annotations

import pytest

from tests.test_tools.loading import load_tool

ConfigArgumentParser = load_tool('config_arguments').ConfigArgumentParser


def test_options_are_parsed_as_values():
    parser = ConfigArgumentParser('Does something.')
    args = parser.parse_args(['--cfg-options', 'a.b=3', 'c=[1,2]'])
    assert args.cfg_options == {'a.b': 3, 'c': [1, 2]}
    assert parser.parse_args([]).cfg_options is None


def test_bad_options_are_a_usage_error(capsys):
    parser = ConfigArgumentParser('Does something.')
    with pytest.raises(SystemExit, match='2'):
        parser.parse_args(['--cfg-options', 'no-equals-sign'])
    assert '--cfg-options takes KEY=VALUE pairs' in capsys.readouterr().err


def test_help_shows_the_example(capsys):
    parser = ConfigArgumentParser('Does something.', 'a.b=3')
    with pytest.raises(SystemExit, match='0'):
        parser.parse_args(['--help'])
    assert 'a.b=3' in capsys.readouterr().out
