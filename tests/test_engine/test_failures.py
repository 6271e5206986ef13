"""Errors that a user can mend: one message; all others: their traceback."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.engine.failures import (
    UsageError,
    describe_failure,
    run_tool,
)
from mmdet3d_act.registry import MODELS


def failure(call) -> str | None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return describe_failure(caught.value)


@MODELS.register_module()
class FailPicky:
    def __init__(self, size: int = 1) -> None:
        if size < 1:
            raise ValueError(f'size must be >= 1, got {size}; enlarge it')


@MODELS.register_module()
class FailOuter(FailPicky):
    def __init__(self, part: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.part = MODELS.build(part)


class Broken(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int):
        raise BadSampleError('a/b.npy', 'empty: the file has 0 bytes')


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(sise=2), "'sise'; did you mean 'size'?"),
        (dict(zzz=2), "'zzz'; it takes size"),
    ],
)
def test_an_argument_that_there_is_not(options, expected):
    cfg = dict(type='FailOuter', part=dict(type='FailPicky'), **options)
    assert expected in failure(lambda: MODELS.build(cfg))


def test_a_class_that_there_is_not():
    cfg = dict(type='FailOuter', part=dict(type='FailPickie'))
    assert 'FailPickie is not in' in failure(lambda: MODELS.build(cfg))


def test_faults_of_the_code_are_told_in_full():
    assert failure(lambda: FailPicky(0)) is None
    assert failure(lambda: [][1]) is None
    with pytest.raises(ValueError, match='got 0'):
        run_tool(lambda: FailPicky(0))


@pytest.mark.parametrize('num_workers', [0, 1])
def test_a_bad_sample(num_workers):
    """Raised here or in a process that loads."""
    loader = DataLoader(Broken(), num_workers=num_workers)
    assert failure(lambda: list(loader)) == (
        'a/b.npy: empty: the file has 0 bytes'
    )


def test_only_the_first_process_reports(monkeypatch, capsys):
    def fail() -> None:
        raise UsageError('two things are missing')

    monkeypatch.setenv('RANK', '1')
    assert run_tool(fail, 'pytorch') == 2
    assert capsys.readouterr().err == ''
    assert run_tool(fail, 'none') == 2
    assert capsys.readouterr().err == 'two things are missing\n'
    assert run_tool(lambda: None) == 0

    def meet_bad_sample() -> None:
        raise BadSampleError('a/b.npy', 'empty')

    # Its own samples every process reports itself.
    assert run_tool(meet_bad_sample, 'pytorch') == 2
    assert capsys.readouterr().err == 'process 1: a/b.npy: empty\n'


def test_an_interrupt_is_one_line(monkeypatch, capsys):
    def stop() -> None:
        raise KeyboardInterrupt

    assert run_tool(stop, kept='all is kept') == 130
    assert capsys.readouterr().err == '\ninterrupted; all is kept\n'
    assert run_tool(stop, kept=lambda: 'a.pth is kept') == 130
    assert capsys.readouterr().err == '\ninterrupted; a.pth is kept\n'
    monkeypatch.setenv('RANK', '1')
    assert run_tool(stop, 'pytorch') == 130
    assert capsys.readouterr().err == ''
