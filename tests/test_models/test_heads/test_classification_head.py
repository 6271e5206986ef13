"""The head that predicts classes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement

from mmdet3d_act.models.heads import ClassificationHead
from tests.test_models import toys


def samples(*labels: int) -> list[BaseDataElement]:
    return [
        BaseDataElement(gt_label=torch.tensor([label])) for label in labels
    ]


def test_loss_and_accuracy() -> None:
    head = ClassificationHead(8, 5, hidden_dims=(16,))
    head = toys.randomize(head).eval()
    feats = torch.rand(4, 8)
    log_share = head(feats).log_softmax(-1)
    predicted = log_share.argmax(-1).tolist()
    labels = [*predicted[:3], (predicted[3] + 1) % 5]
    losses = head.loss(feats, samples(*labels))
    expected = -log_share[range(4), labels]
    assert set(losses) == {'loss', 'accuracy'}
    assert torch.allclose(losses['loss'], expected.mean())
    assert losses['accuracy'] == 0.75
    losses['loss'].backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_predictions() -> None:
    head = toys.randomize(ClassificationHead(8, 5)).eval()
    feats = torch.rand(3, 8)
    given = samples(0, 1, 2)
    got = head.predict(feats, given)
    for sample, row, own in zip(got, head(feats), given, strict=True):
        assert sample is own
        assert torch.equal(sample.pred_logits, row)
        assert sample.pred_logits.dtype == torch.float32
        assert sample.pred_label.dtype == torch.int64
        assert sample.pred_label.tolist() == [int(row.argmax())]


def test_the_loss_is_computed_in_full_precision() -> None:
    head = toys.randomize(ClassificationHead(8, 5)).eval()
    feats = torch.rand(2, 8)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        rough = head.loss(feats, samples(1, 2))['loss']
        logits = head.predict(feats, samples(1, 2))[0].pred_logits
    exact = F.cross_entropy(head(feats), torch.tensor([1, 2]))
    assert rough.dtype == logits.dtype == torch.float32
    assert float(rough) == pytest.approx(float(exact), rel=0.05)
