"""Best and last epoch, mean, deviation and interval of several runs."""

from __future__ import annotations

import math

import pytest

from mmdet3d_act.evaluation.summary import (
    common_metrics,
    interval,
    markdown_table,
    spread,
    summarize,
)


def validations(*accuracies: float) -> list[dict]:
    """Validations of epochs 2, 4, ...; the loss falls all the while."""
    return [
        dict(epoch=2 * index, metrics=dict(accuracy=value, loss=1 / index))
        for index, value in enumerate(accuracies, start=1)
    ]


def test_mean_and_deviation():
    found = spread([88.0, 90.0, 95.0])
    assert found.mean == pytest.approx(91)
    # Deviations -3, -1, 4: 26 / 2.
    assert found.std == pytest.approx(math.sqrt(13))
    assert str(found) == '91.00 ± 3.61'
    assert str(spread([0.00101, 0.00103])) == '0.00102 ± 1.414e-05'
    assert str(spread([0.0, 0.0])) == '0.00 ± 0.00'


def test_interval_of_a_mean():
    # Student's t of 2 degrees of freedom: 4.3027 deviations of the mean.
    expected = 4.302653 * math.sqrt(13 / 3)
    assert interval([88.0, 90.0, 95.0]) == pytest.approx(expected)


def test_runs_are_summed_up_at_their_own_best_epochs():
    runs = [validations(70.0, 90.0, 80.0), validations(94.0, 60.0, 84.0)]
    accuracy, loss = summarize(runs)
    assert (accuracy.metric, loss.metric) == ('accuracy', 'loss')
    assert accuracy.values_last == [80.0, 84.0]
    assert accuracy.values_best == [90.0, 94.0]
    assert accuracy.best_epochs == [4, 2]
    assert str(accuracy.last) == '82.00 ± 2.83'
    assert str(accuracy.best) == '92.00 ± 2.83'
    # The loss where the accuracy is best, not the lowest one.
    assert loss.values_best == [1 / 2, 1.0]
    # Less is better of a loss, or where the rule says so.
    (loss,) = summarize(runs, ['loss'])
    assert loss.values_best == [1 / 3, 1 / 3]
    (loss,) = summarize(runs, ['loss'], 'greater')
    assert loss.values_best == [1.0, 1.0]
    (worst,) = summarize(runs, ['accuracy'], 'less')
    assert worst.values_best == [70.0, 60.0]


def test_metrics_that_come_and_go_are_left_out():
    """As the precision of a class that is detected and does not occur."""
    runs = [validations(70.0, 90.0), validations(80.0, 85.0)]
    runs[0][1]['metrics']['sofa_AP'] = 0.0
    runs[1][0]['metrics']['desk_AP'] = 0.0
    assert common_metrics(runs) == ['accuracy', 'loss']
    assert [one.metric for one in summarize(runs)] == ['accuracy', 'loss']


@pytest.mark.parametrize(
    ('runs', 'metrics', 'offender'),
    [
        ([[]], None, 'never validated'),
        ([validations(1.0)], ['miou'], 'miou'),
        ([validations(1.0)], ['accuracy', 'miou'], 'miou'),
        ([validations(math.nan)], None, 'accuracy'),
    ],
)
def test_what_cannot_be_summed_up_is_refused(runs, metrics, offender):
    with pytest.raises(ValueError, match=offender):
        summarize(runs, metrics)


def test_table_in_markdown():
    text = markdown_table([['row', 'value'], ['a|b', spread([1.0])]])
    assert text.splitlines() == [
        '| row | value |',
        '| --- | --- |',
        '| a\\|b | 1.00 |',
    ]
