"""Made-up benchmarks: their configs read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmdet3d_act.datasets import s3dis
from mmdet3d_act.registry import DATASETS
from tests.config_files import load
from tests.test_tools.loading import load_tool

WRITERS = load_tool('dataset_converters.benchmark_files').WRITERS
CONFIGS = {
    'modelnet40': 'act/act_cls_modelnet40-8k.py',
    'fewshot': 'act/act_fewshot_modelnet40.py',
    'scanobjectnn': 'act/act_cls_scanobjectnn-hardest.py',
    'shapenetpart': 'act/act_partseg_shapenetpart.py',
    's3dis': 'act/act_semseg_s3dis.py',
}
CLASSES = dict(modelnet40=25, fewshot=5, scanobjectnn=12, shapenetpart=12)


@pytest.mark.parametrize('name', CONFIGS)
def test_the_config_reads_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS[name](tmp_path, (1, 1), 0)
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    cfg: Config = load(CONFIGS[name])
    for part in ('train', 'val'):
        dataset = cfg[f'{part}_dataloader'].dataset
        with DefaultScope.overwrite_default_scope('mmdet3d'):
            built = DATASETS.build(dataset)
        points = built[0]['inputs']['points']
        assert points.isfinite().all()
        if name == 's3dis':
            continue
        key = 'shape_label' if name == 'shapenetpart' else 'gt_label'
        infos = [built.get_data_info(index) for index in range(len(built))]
        assert len({info[key] for info in infos}) == CLASSES[name]


def test_what_is_in_them(tmp_path: Path) -> None:
    WRITERS['s3dis'](tmp_path, (1, 0), 0)
    paths = sorted((tmp_path / 's3dis').rglob('*.npy'))
    assert [path.name[:7] for path in paths] == [
        f'Area_{area}_' for area in (1, 2, 3, 4, 6)
    ]
    found = set()
    for path in paths:
        rows = np.load(path)
        assert rows.shape[1] == 7
        assert rows[:, :3].min() == 0
        found |= {*rows[:, 6].astype(int).tolist()}
    names = {s3dis.CLASSES[label] for label in found}
    assert {'floor', 'wall', 'ceiling', 'chair', 'clutter'} <= names
    assert not {'beam', 'column'} & names


def test_the_command_knows_all_of_them() -> None:
    tool = load_tool('dataset_converters.make_synthetic_benchmarks')
    assert tuple(WRITERS) == tool.DATA
