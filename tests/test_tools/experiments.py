"""Run the tools for experiments on toy trainings, in this process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.test_tools.loading import load_tool


def run_tool(monkeypatch: pytest.MonkeyPatch, tool: str, *args: str) -> int:
    """Return the exit code of a tool."""
    monkeypatch.setattr(sys, 'argv', [tool, *args])
    return load_tool(tool).main()


def results(folder: str) -> dict:
    """Return what a tool wrote."""
    text = (Path(folder) / 'results.json').read_text(encoding='utf-8')
    return json.loads(text)


def rows(folder: str) -> list[list[str]]:
    """Return the cells of the table that a tool wrote, without its head."""
    text = (Path(folder) / 'results.md').read_text(encoding='utf-8')
    lines = [line for line in text.splitlines() if line.startswith('|')]
    return [[c.strip() for c in line[1:-1].split('|')] for line in lines[2:]]
