"""Tests with several random views of every sample, once or often."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.runner import TestLoop

from mmdet3d_act.datasets.seeding import EpochSampler
from mmdet3d_act.registry import LOOPS
from mmdet3d_act.text import inform, warn


@LOOPS.register_module()
class VotingTestLoop(TestLoop):
    """Votes over random views, and says how lucky the best vote was.

    The data set gives several random views of every sample, and the model
    merges what it makes of them: one vote. A vote is repeated ``rounds``
    times with other views. The figure to report is that of the first round,
    ``vote/...``. ``best_of_10_votes/...`` (of 10 rounds) is the best round,
    chosen by the labels of the test set, as in published tables;
    ``mean_of_10_votes`` and ``std_of_10_votes`` tell how far rounds differ.

    Args:
        rounds: Number of votes.
        **kwargs: Arguments of MMEngine's TestLoop.

    Raises:
        ValueError: If several rounds would all see the same views.

    Example:
        >>> test_cfg = dict(type='VotingTestLoop', rounds=10)

    Source: the test script of published Point-MAE and ACT, which votes 299
    times over 10 views and reports the best.
    """

    def __init__(self, *args: Any, rounds: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sampler = self.dataloader.sampler
        if rounds > 1 and not isinstance(sampler, EpochSampler):
            raise ValueError(
                'several rounds need a sampler that tells the data set the '
                f'round, got {type(sampler).__name__}; give the test data '
                "sampler=dict(type='EpochSampler', shuffle=False)"
            )
        self.rounds = rounds

    def run(self) -> dict[str, float]:
        """Vote, and give the results of all rounds by name."""
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        scores: dict[int, dict] = {}
        # The first round is gone through last: what evaluators keep besides
        # numbers (predictions, confusion matrices) is that of `vote/...`.
        for number in reversed(range(self.rounds)):
            scores[number] = self._vote(number)
        metrics = self._summary([scores[i] for i in range(self.rounds)])
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    def _vote(self, number: int) -> dict[str, float]:
        self.dataloader.sampler.set_epoch(number)
        for index, batch in enumerate(self.dataloader):
            self.run_iter(index, batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        if self.rounds > 1:
            inform(f'vote {number + 1}: {metrics}')
        return metrics

    def _summary(self, scores: list[dict]) -> dict[str, float]:
        """Return the results by name; every round's are in ``scores``."""
        first = scores[0]
        summary = {f'vote/{name}': value for name, value in first.items()}
        if self.rounds == 1:
            return summary
        of = f'of_{self.rounds}_votes'
        for name in first:
            values = [score[name] for score in scores]
            summary[f'mean_{of}/{name}'] = float(np.mean(values))
            summary[f'std_{of}/{name}'] = float(np.std(values, ddof=1))
            summary[f'best_{of}/{name}'] = max(values)
        warn(
            f'best_{of} is chosen by the labels of the test set; report '
            'vote/..., or say that it is the best of so many'
        )
        return summary
