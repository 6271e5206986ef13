"""The parts of the demo that are not a training."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from mmdet3d_act.engine.failures import UsageError
from tests.test_tools.loading import load_tool

demo = load_tool('demo')


def test_epochs_give_about_the_steps_of_the_demo() -> None:
    assert demo.epochs_for(1200) == [4, 38]
    assert demo.epochs_for(20) == [150, 720]
    assert demo.epochs_for(10**6) == [3, 3]
    assert demo.epochs_for(1200, 0.5) == [3, 19]


def test_patches_follow_the_size_of_clouds() -> None:
    sizes = (40, 511, 512, 1024, 4095, 10**6)
    assert [*map(demo.choose_patches, sizes)] == [8, 8, 16, 32, 32, 64]


def test_sub_folders_are_labels_where_there_are_enough_clouds(
    tmp_path,
) -> None:
    for name, count in (('cup', 8), ('pot', 5)):
        (tmp_path / name).mkdir()
        for index in range(count):
            cloud = np.random.rand(64, 3)
            np.save(tmp_path / name / f'{index}.npy', cloud)
    train, test = demo.count_labels(str(tmp_path))
    assert train == {'cup': 6, 'pot': 4}
    assert test == {'cup': 2, 'pot': 1}
    # A class of too few, or a cloud of none.
    (tmp_path / 'pot/0.npy').rename(tmp_path / '0.npy')
    assert demo.count_labels(str(tmp_path)) == ({}, {})


def test_broken_clouds_are_named_and_not_counted(
    tmp_path, capsys: pytest.CaptureFixture
) -> None:
    for index in range(3):
        np.save(tmp_path / f'{index}.npy', np.random.rand(64, 3))
    (tmp_path / 'broken.npy').write_text('no cloud')
    np.save(tmp_path / 'same.npy', np.ones((64, 3)))
    assert demo.count_clouds(str(tmp_path)) == (3, 64)
    printed = capsys.readouterr().out
    assert 'broken.npy' in printed
    assert 'same.npy: all its points are at one place' in printed
    assert '3 clouds in' in printed
    (tmp_path / 'read.me').write_text('no cloud')
    for index in (1, 2):
        (tmp_path / f'{index}.npy').unlink()
    with pytest.raises(UsageError, match='1 cloud'):
        demo.count_clouds(str(tmp_path))
    assert 'left out, as no clouds: 1 .me' in capsys.readouterr().out


def test_a_training_goes_on_where_the_same_one_was_interrupted(
    tmp_path,
) -> None:
    def begin(seed: int, before: int = 0) -> object:
        cfg = Config(dict(work_dir=str(tmp_path), resume=False, seed=seed))
        return demo.go_on(cfg, Config(dict(seed=before)))

    assert begin(0).resume is False
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    for change in (dict(seed=1), dict(seed=1, before=1)):
        (tmp_path / 'last_checkpoint').write_text('epoch_1.pth')
        # That of other settings is no beginning, neither now nor later.
        assert begin(**change).resume is False
        assert begin(**change).resume is False
    (tmp_path / 'last_checkpoint').write_text('epoch_1.pth')
    again = begin(seed=1, before=1)
    assert again.resume is True
    assert again.load_from.endswith('epoch_1.pth')


def test_the_next_commands_can_be_typed_as_they_are(capsys) -> None:
    out = Path('my run')
    page = out / 'report.html'
    demo.print_closing('1.pth', out / 'student', page, 'my clouds', False)
    lines = capsys.readouterr().out.splitlines()
    (embed,) = (shlex.split(one) for one in lines if ' embed ' in one)
    assert {'my clouds', 'my run/features', 'my run/student'} <= {*embed}


def test_features_are_not_written_among_the_clouds(capsys) -> None:
    page = Path('scans/run/report.html')
    demo.print_closing(
        '1.pth', page.with_name('student'), page, 'scans', False
    )
    assert '--out scans-features ' in capsys.readouterr().out


def test_a_finished_run_is_not_overwritten(tmp_path) -> None:
    (tmp_path / 'student').mkdir()
    args = argparse.Namespace(out=str(tmp_path), clouds='.')
    with pytest.raises(UsageError, match='finished run'):
        demo.check_clouds(args)


@pytest.mark.parametrize('codes', [1.0, 16.0])
def test_a_collapsed_codebook_is_told(codes: float, capsys) -> None:
    demo.tell_collapse({'loss': 0.1, 'codes.perplexity': codes})
    assert ('collapsed' in capsys.readouterr().out) == (codes == 1)
