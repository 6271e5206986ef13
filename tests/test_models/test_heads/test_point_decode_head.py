"""What decode heads have in common; losses are in the heads' own tests."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.heads import PointDecodeHead
from tests.test_models import toys


class Constant(PointDecodeHead):
    """Says the same of every point, whatever it is."""

    def forward(self, feats: dict) -> torch.Tensor:
        """Return (B, 3, N)."""
        logits = torch.tensor([0.0, 2.0, 1.0]).view(1, 3, 1)
        return logits.expand(2, 3, feats['sa_xyz'][0].shape[1])


FEATS = dict(sa_xyz=[torch.rand(2, 4, 3)])


def test_a_subclass_needs_forward_only() -> None:
    one = Constant(3, 8, ignore_index=9)
    target = torch.tensor([[0, 1, 2, 9], [1, 1, 9, 9]])
    losses = one.loss(FEATS, toys.labelled(target), {})
    log_probs = torch.tensor([0.0, 2.0, 1.0]).log_softmax(0)
    expected = -(log_probs[0] + 3 * log_probs[1] + log_probs[2]) / 5
    toys.assert_close(losses['loss_sem_seg'], expected)
    toys.assert_close(losses['accuracy'], torch.tensor(3 / 5))
    assert one.predict(FEATS, [{}, {}], None).shape == (2, 3, 4)


def test_weights_of_the_classes() -> None:
    one = Constant(3, 8, class_weight=[1.0, 0.0, 1.0])
    target = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]])
    losses = one.loss(FEATS, toys.labelled(target))
    log_probs = torch.tensor([0.0, 2.0, 1.0]).log_softmax(0)
    toys.assert_close(losses['loss_sem_seg'], -log_probs[0])
    with pytest.raises(ValueError, match='3 numbers >= 0'):
        one.set_class_weight([1.0])
