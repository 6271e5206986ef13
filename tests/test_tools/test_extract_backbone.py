"""The command line of the extraction."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.test_converters.test_extraction import save

from .loading import load_tool

tool = load_tool('model_converters.extract_backbone')


def test_a_student(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source, out = tmp_path / 'epoch_7.pth', tmp_path / 'sub' / 'student.pth'
    student = save(source, settings=dict(num_heads=4))
    assert tool.main([str(source), str(out)]) == 0
    text = capsys.readouterr().out
    assert 'epoch_7.pth: ' in text
    assert '1 of other parts left' in text
    assert 'num_heads=4' in text
    loaded = torch.load(out, weights_only=True)
    assert set(loaded['state_dict']) == set(student.state_dict())
    assert loaded['meta']['extracted']['epoch'] == 7


def test_the_training_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source = tmp_path / 'epoch_7.pth'
    save(source, settings=dict(num_heads=4))
    (tmp_path / 'last_checkpoint').write_text(str(source))
    before = source.read_bytes()
    for checkpoint in (source, tmp_path):
        assert tool.main([str(checkpoint), str(source)]) == 2
        assert 'DST must be another file' in capsys.readouterr().err
    assert source.read_bytes() == before
