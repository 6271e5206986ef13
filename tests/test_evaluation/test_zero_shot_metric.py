"""Names of clouds, worked by hand."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from mmdet3d_act.checkpoint import MissingCheckpointError
from mmdet3d_act.evaluation import ZeroShotMetric

# Texts lie close together; what tells them apart is what is left.
COMMON = torch.tensor([9.0, 0.0, 0.0, 0.0])
AXES = torch.eye(4)[1:]


def test_zero_shot_names(tmp_path):
    file = str(tmp_path / 'texts.safetensors')
    words = ('chair', 'table', 'lamp')
    with pytest.raises(MissingCheckpointError, match=file):
        ZeroShotMetric(file)
    texts = {
        w: 3 * (COMMON + axis) for w, axis in zip(words, AXES, strict=True)
    }
    texts['Desk  Lamp'] = texts.pop('lamp').bfloat16()
    words = (*words[:2], 'desk lamp')
    save_file(texts, file)
    metric = ZeroShotMetric(file, topk=(1, 2, 5))
    metric.dataset_meta = dict(classes=words)
    # The last one is taken for a lamp first, for a table second.
    clouds = [AXES[0], AXES[1], AXES[2] + 0.5 * AXES[1]]
    for cloud, label in zip(clouds, (0, 1, 1), strict=True):
        vectors = dict(concept=cloud)
        sample = dict(pred_vectors=vectors, gt_label=torch.tensor([label]))
        metric.process(None, [sample])
    found = metric.evaluate(size=3)
    assert found['zero_shot_top1'] == pytest.approx(200 / 3)
    assert found['zero_shot_top2'] == found['zero_shot_top5'] == 100
    assert found['zero_shot_chance1'] == pytest.approx(100 / 3)
    assert found['zero_shot_chance5'] == 100
    metric.process(None, [sample])
    metric.dataset_meta = dict(classes=(*words, 'sofa'))
    with pytest.raises(ValueError, match='no vector of sofa, only of chair'):
        metric.evaluate(size=1)
    metric.dataset_meta = dict(classes=words)
    metric.results.clear()
    metric.process(None, [dict(sample, pred_vectors=dict(a=torch.ones(5)))])
    with pytest.raises(ValueError, match=r"vector of 'chair'.*\(4,\).*\(5,\)"):
        metric.evaluate(size=1)
