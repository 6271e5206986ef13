"""Votes: the first one, and the luckiest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import METRICS, MODELS
from mmengine.runner import Runner
from torch.utils.data import Dataset

from mmdet3d_act.registry import DATASETS

NUM_SAMPLES = 5


@DATASETS.register_module()
class NumberedViews(Dataset):
    """Samples that tell the round which they were drawn for."""

    metainfo: dict = {}  # noqa: RUF012

    def __len__(self) -> int:
        return NUM_SAMPLES

    def __getitem__(self, index: int) -> dict:
        view = getattr(index, 'epoch', -1)
        return dict(inputs=torch.tensor(view), data_samples=int(index))


@MODELS.register_module()
class ViewEcho(BaseModel):
    """Returns its inputs."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        assert not self.training
        return [int(view) for view in inputs]


@METRICS.register_module()
class RoundScore(BaseMetric):
    """A score for each round, and the views that were seen last."""

    scores = (50.0, 70.0, 30.0)

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        assert len(results) == NUM_SAMPLES
        (view,) = set(results)
        self.last_view = view
        return dict(score=self.scores[view])


def build(tmp_path, sampler='EpochSampler', **options) -> Runner:
    return Runner(
        model=dict(type='ViewEcho'),
        work_dir=str(tmp_path),
        test_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=dict(type='mmdet3d.NumberedViews'),
            sampler=dict(type=f'mmdet3d.{sampler}', shuffle=False),
        ),
        test_evaluator=dict(type='RoundScore'),
        test_cfg=dict(type='mmdet3d.VotingTestLoop', **options),
        log_level='ERROR',
        experiment_name=f'voting_{tmp_path.name}',
    )


def test_one_vote(tmp_path) -> None:
    runner = build(tmp_path)
    assert runner.test() == {'vote/score': 50.0}


def test_the_best_of_several_has_another_name(tmp_path) -> None:
    seen: list[dict] = []
    runner = build(tmp_path, rounds=3)
    for hook in runner.hooks:
        hook.after_test_epoch = lambda _, metrics: seen.append(metrics)
    results = runner.test()
    assert results == pytest.approx(
        {
            'vote/score': 50.0,
            'mean_of_3_votes/score': 50.0,
            'std_of_3_votes/score': float(np.std([50, 70, 30], ddof=1)),
            'best_of_3_votes/score': 70.0,
        }
    )
    assert all(metrics == results for metrics in seen)
    assert len(seen) == len(runner.hooks)
    # What metrics keep besides numbers is that of vote/...
    (metric,) = runner.test_loop.evaluator.metrics
    assert metric.last_view == 0


def test_rounds_need_a_sampler_that_counts_them(tmp_path) -> None:
    runner = build(tmp_path, 'DefaultSampler', rounds=2)
    with pytest.raises(ValueError, match='EpochSampler'):
        runner.test()
