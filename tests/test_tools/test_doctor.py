"""The report of tools/doctor.py on made-up machines."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.test_tools.loading import TOOLS, load_tool

doctor = load_tool('doctor')
doctor_data = load_tool('doctor_data')

HEALTHY = dict(
    torch='2.11.0', threads=2, cuda='13.0', gpus=[], compiler='not available'
)


ONE_SCREEN = 45


def levels(findings):
    return [finding.level for finding in findings]


@pytest.mark.parametrize(
    ('version', 'allowed', 'expected'),
    [
        ('2.1.0', '>=2.0.0rc4,<2.2.0', True),
        ('2.2.0', '>=2.0.0rc4,<2.2.0', False),
        ('2.0.0rc4', '>=2.0.0rc4,<2.2.0', True),
        ('2.0.0rc3', '>=2.0.0rc4,<2.2.0', False),
        ('2.0.0', '>=2.0.0rc4', True),
        ('2.11.0+cu130', '>=2.1', True),
        ('2.0.1', '>=2.1', False),
        ('65.5.0', '<81', True),
        ('81', '<81', False),
        ('0.17.5', '==0.17.5', True),
        ('0.17.4', '==0.17.5', False),
        ('3.0', '!=3.0.0', False),
        ('5', '', True),
    ],
)
def test_within(version, allowed, expected):
    assert doctor.within(version, allowed) is expected


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('torch>=2.1', ('torch', '>=2.1')),
        ('mmcv >=2.0.0rc4, <2.2.0  # built', ('mmcv', '>=2.0.0rc4,<2.2.0')),
        ('timm (>=1.0) ; extra == "teacher"', ('timm', '>=1.0')),
        ('numpy', ('numpy', '')),
    ],
)
def test_parse_requirement(line, expected):
    assert doctor.parse_requirement(line) == expected


@pytest.mark.parametrize('line', ['', '# only a comment', '   '])
def test_comments_are_no_requirements(line):
    assert doctor.parse_requirement(line) is None


@pytest.mark.parametrize('group', [name for name, _ in doctor.GROUPS])
def test_every_range_is_understood(group):
    requirements = doctor.read_requirements(group)
    assert requirements
    for requirement in requirements:
        assert requirement.range
        assert doctor.within('0.0.1', requirement.range) in {True, False}


def test_ranges_come_from_metadata_without_a_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, 'ROOT', tmp_path)
    lines = ['torch>=2.1', 'timm>=1.0; extra == "teacher"']
    monkeypatch.setattr(importlib.metadata, 'requires', lambda name: lines)
    assert doctor.read_requirements('runtime') == [('torch', '>=2.1')]
    assert doctor.read_requirements('teacher') == [('timm', '>=1.0')]


@pytest.mark.parametrize(
    ('needed', 'expected'), [(True, 'BROKEN'), (False, 'note')]
)
def test_a_missing_package(needed, expected):
    requirement = doctor.Requirement('no-such-package-here', '>=1.0')
    finding = doctor.check_package(requirement, needed)
    assert finding.level == expected
    assert 'pip install "no-such-package-here>=1.0"' in finding.remedy


def test_a_package_out_of_range(monkeypatch):
    monkeypatch.setattr(importlib.metadata, 'version', lambda name: '2.2.0')
    finding = doctor.check_package(doctor.Requirement('mmcv', '<2.2'), True)
    assert finding.level == 'BROKEN'
    assert 'mmcv 2.2.0 is outside <2.2' in finding.text
    assert finding.remedy.startswith('make setup')


def test_torch_section_on_a_cpu():
    findings = doctor.check_torch(dict(HEALTHY))
    assert levels(findings) == ['ok', 'note', 'ok']
    assert 'PyTorch 2.11.0' in findings[0].text


def test_torch_section_on_a_gpu():
    facts = dict(HEALTHY, gpus=['Some GPU'], compiler='13.0')
    findings = doctor.check_torch(facts)
    assert levels(findings) == ['ok'] * 4
    assert 'Some GPU' in findings[1].text


def test_gpu_without_cuda_operations_is_no_fault():
    facts = dict(HEALTHY, gpus=['Some GPU'], cuda_error='not compiled')
    findings = doctor.check_torch(facts)
    assert levels(findings) == ['ok', 'ok', 'ok', 'note']
    assert 'nvcc' in findings[3].remedy


@pytest.mark.parametrize('key', ['torch_error', 'cpu_error'])
def test_broken_torch_and_operations(key):
    findings = doctor.check_torch(dict(HEALTHY, **{key: 'undefined symbol'}))
    assert levels(findings)[-1] == 'BROKEN'
    assert 'undefined symbol' in findings[-1].text


def test_a_probe_that_crashes_is_a_finding():
    process = subprocess.Popen(
        [sys.executable, '-c', 'import sys; sys.exit("no libc")'],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    facts = doctor.finish_probe(process)
    assert facts == {'torch_error': 'exit code 1: no libc'}


def test_show_counts_only_what_is_broken(capsys):
    findings = [
        doctor_data.ok('fine'),
        doctor_data.note('absent', 'get it'),
        doctor_data.broken('bad', 'mend it'),
    ]
    assert doctor.show('Title', findings) == 1
    output = capsys.readouterr().out
    assert '-> get it' in output
    assert '-> mend it' in output
    assert max(map(len, output.splitlines())) <= doctor.WIDTH


def run_main(monkeypatch, tmp_path, facts):
    monkeypatch.setattr(doctor, 'start_probe', lambda: None)
    monkeypatch.setattr(doctor, 'finish_probe', lambda process: facts)
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    return doctor.main()


def test_exit_code_ignores_missing_data(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        doctor, 'check_package', lambda requirement, needed: doctor.ok('x')
    )
    assert run_main(monkeypatch, tmp_path, dict(HEALTHY)) == 0
    output = capsys.readouterr().out
    assert 'not there: ShapeNet55-34' in output
    assert len(output.splitlines()) <= ONE_SCREEN


def test_exit_code_is_1_when_something_needed_is_broken(
    monkeypatch, tmp_path, capsys
):
    facts = dict(HEALTHY, cpu_error='undefined symbol')
    assert run_main(monkeypatch, tmp_path, facts) == 1
    assert 'undefined symbol' in capsys.readouterr().out


def test_report_needs_nothing_installed(tmp_path):
    # -S -I: no site-packages, so every package is missing.
    done = subprocess.run(
        [sys.executable, '-S', '-I', str(TOOLS / 'doctor.py')],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ, ACT_DATA_ROOT=str(tmp_path)),
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert 'torch is not installed' in done.stdout
    assert 'Traceback' not in done.stderr


def write(path, text=''):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def shapenet(tmp_path):
    root = tmp_path / 'ShapeNet55-34'
    write(root / 'ShapeNet-55' / 'train.txt', 'a-1.npy\na-2.npy\n')
    write(root / 'ShapeNet-55' / 'test.txt', 'b-1.npy\n')
    for name in ('a-1.npy', 'a-2.npy', 'b-1.npy'):
        write(root / 'shapenet_pc' / name)
    return root


def test_complete_shapenet(shapenet):
    complete, detail = doctor_data.check_shapenet55(shapenet)
    assert complete
    assert detail.startswith('2 + 1 clouds')


def test_other_name_of_the_shapenet_folder(shapenet):
    (shapenet / 'shapenet_pc').rename(
        shapenet / 'shapenet_pc_masksurf_with_normal'
    )
    assert doctor_data.check_shapenet55(shapenet)[0]


def test_incomplete_shapenet(shapenet):
    (shapenet / 'shapenet_pc' / 'a-2.npy').unlink()
    complete, detail = doctor_data.check_shapenet55(shapenet)
    assert not complete
    assert detail == '1 missing, first shapenet_pc/a-2.npy'
    finding = doctor_data.check_data(shapenet.parent)[0]
    assert finding.level == 'note'
    assert 'is incomplete' in finding.text


def test_shapenet_without_its_clouds(shapenet):
    for path in (shapenet / 'shapenet_pc').iterdir():
        path.unlink()
    (shapenet / 'shapenet_pc').rmdir()
    complete, detail = doctor_data.check_shapenet55(shapenet)
    assert not complete
    assert 'shapenet_pc or shapenet_pc_masksurf' in detail


def test_modelnet_text_tree(tmp_path):
    root = tmp_path / 'modelnet40_normal_resampled'
    write(root / 'modelnet40_shape_names.txt', 'night_stand\n')
    write(root / 'modelnet40_train.txt', 'night_stand_0001\n')
    write(root / 'modelnet40_test.txt', 'night_stand_0002\n')
    write(root / 'night_stand' / 'night_stand_0001.txt')
    assert doctor_data.check_modelnet(tmp_path) == (
        False,
        '1 missing, first night_stand/night_stand_0002.txt',
    )
    write(root / 'night_stand' / 'night_stand_0002.txt')
    complete, detail = doctor_data.check_modelnet(tmp_path)
    assert complete
    assert detail.startswith('1 + 1 clouds')


def test_packed_modelnet(tmp_path):
    root = tmp_path / 'modelnet40_normal_resampled'
    write(root / 'modelnet40_train_8192pts_fps.dat')
    assert not doctor_data.check_modelnet(tmp_path)[0]
    write(root / 'modelnet40_test_8192pts_fps.dat')
    assert doctor_data.check_modelnet(tmp_path)[0]


def fill_fewshot(root):
    for way in (5, 10):
        for shot in (10, 20):
            for fold in range(10):
                write(root / f'{way}way_{shot}shot' / f'{fold}.pkl')


def fill_scanobjectnn(root):
    for name in doctor_data.SCANOBJECTNN_FILES:
        write(root / name)


def fill_shapenet_part(root):
    write(root / 'synsetoffset2category.txt', 'Cap\t02954340\n')
    for part in ('train', 'val', 'test'):
        write(root / f'train_test_split/shuffled_{part}_file_list.json', '[]')
    (root / '02954340').mkdir()


def fill_s3dis(root):
    for area in range(1, 7):
        write(root / 'stanford_indoor3d' / f'Area_{area}_office_1.npy')


def fill_scannet(root):
    for name in ('scannet_infos_train.pkl', 'scannet_infos_val.pkl'):
        write(root / name)
    write(root / 'points' / 'scene0000_00.bin')


def fill_frames(root):
    for part in ('color', 'depth', 'pose', 'intrinsic'):
        (root / 'scene0000_00' / part).mkdir(parents=True)


def fill_renders(root):
    for name in ('train.txt', 'test.txt', 'points/a.npy'):
        write(root / name)
    (root / 'vectors').mkdir()


@pytest.mark.parametrize(
    ('check', 'fill', 'removed'),
    [
        ('check_modelnet_fewshot', fill_fewshot, '10way_20shot/9.pkl'),
        (
            'check_scanobjectnn',
            fill_scanobjectnn,
            'main_split_nobg/test_objectdataset.h5',
        ),
        ('check_shapenet_part', fill_shapenet_part, '02954340'),
        (
            'check_s3dis',
            fill_s3dis,
            'stanford_indoor3d/Area_5_office_1.npy',
        ),
        ('check_scannet', fill_scannet, 'scannet_infos_val.pkl'),
        ('check_scannet_frames', fill_frames, 'scene0000_00/depth'),
        ('check_object_renders', fill_renders, 'vectors'),
    ],
)
def test_data_set_complete_then_not(check, fill, removed, tmp_path):
    fill(tmp_path)
    judge = getattr(doctor_data, check)
    assert judge(tmp_path)[0] is True
    path = tmp_path / removed
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    complete, detail = judge(tmp_path)
    assert complete is False
    assert detail.startswith('1 missing')


def test_scenes_without_masks_are_scenes(tmp_path):
    fill_scannet(tmp_path)
    write(tmp_path / 'semantic_mask' / 'scene0000_00.bin')
    complete, detail = doctor_data.check_scannet(tmp_path)
    assert complete
    assert detail.startswith('1 scenes')
    assert detail.endswith('; instance_mask of 0, needed for VoteNet')


def test_videos_are_scenes(tmp_path):
    write(tmp_path / 'scene0001_00' / 'scene0001_00.sens')
    write(tmp_path / 'scene0002_00.sens')
    assert doctor_data.check_scannet_frames(tmp_path) == (
        True,
        '0 scenes, 2 videos',
    )
    fill_frames(tmp_path)
    assert doctor_data.check_scannet_frames(tmp_path)[1] == (
        '1 scenes, 2 videos'
    )


def test_other_names_of_folders(tmp_path):
    fewshot = tmp_path / 'ModelNetFewshot'
    fill_fewshot(fewshot)
    for folder in list(fewshot.iterdir()):
        folder.rename(fewshot / folder.name.replace('_', ''))
    assert doctor_data.check_modelnet_fewshot(fewshot)[0]
    (fewshot / '5way20shot' / '3.pkl').unlink()
    complete, detail = doctor_data.check_modelnet_fewshot(fewshot)
    assert not complete
    assert '5way_20shot/3.pkl' in detail
    archive = tmp_path / 'ScanObjectNN'
    fill_scanobjectnn(archive / 'h5_files')
    assert doctor_data.check_scanobjectnn(archive)[0]


def test_no_data_at_all_is_one_note(tmp_path):
    findings = doctor_data.check_data(tmp_path)
    assert levels(findings) == ['note']
    for data_set in doctor_data.DATA_SETS:
        assert data_set.folder in findings[0].text


def test_teacher_files_are_listed(tmp_path):
    write(tmp_path / 'teachers' / 'vit_tiny_patch16_224.pth')
    write(tmp_path / 'teachers' / 'README.md')
    finding = doctor_data.check_teachers(tmp_path)[1]
    assert finding.level == 'ok'
    assert finding.text.endswith('teachers: vit_tiny_patch16_224.pth')


def test_no_teacher_file_is_a_note(tmp_path):
    finding = doctor_data.check_teachers(tmp_path)[1]
    assert finding.level == 'note'
    assert 'vit_tiny_patch16_224.pth' in finding.remedy


@pytest.fixture
def minilm(tmp_path, monkeypatch):
    origin = tmp_path / 'package' / '__init__.py'
    write(origin)
    monkeypatch.setattr(
        doctor_data.importlib.util,
        'find_spec',
        lambda name: SimpleNamespace(origin=str(origin)),
    )
    return origin.parent / 'model' / 'model.safetensors'


def test_minilm_with_the_right_file(minilm, monkeypatch):
    write(minilm, 'weights')
    digest = doctor_data.sha256(minilm)
    assert digest.startswith('9a129038')
    monkeypatch.setattr(doctor_data, 'MINILM_SHA256', digest)
    assert doctor_data.check_minilm().level == 'ok'


def test_minilm_with_another_file(minilm):
    write(minilm, 'other weights')
    finding = doctor_data.check_minilm()
    assert finding.level == 'note'
    assert 'sha256 differs' in finding.text


def test_minilm_without_its_file(minilm):
    assert 'is missing' in doctor_data.check_minilm().text
