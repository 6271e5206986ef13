"""Best and last epoch, mean and deviation of several trainings."""

from __future__ import annotations

import json
import math

import pytest

from mmdet3d_act.evaluation.aggregation import (
    best_and_last,
    common_metrics,
    higher_is_better,
    markdown_table,
    outcomes,
    spread,
)


def records(*accuracies: float) -> list[dict]:
    """Return validations of epochs 2, 4, ...; loss falls all the while."""
    return [
        dict(
            epoch=2 * index,
            iter=8 * index,
            metrics=dict(accuracy=value, loss=1 / index),
        )
        for index, value in enumerate(accuracies, start=1)
    ]


def test_mean_and_deviation():
    found = spread([88.0, 90.0, 95.0])
    assert found.mean == pytest.approx(91)
    # Deviations -3, -1, 4: 26 / 2.
    assert found.std == pytest.approx(math.sqrt(13))
    assert found.count == 3
    assert str(found) == '91.00 ± 3.61'


def test_spread_of_one_run_has_no_deviation():
    found = spread([0.012346])
    assert math.isnan(found.std)
    assert str(found) == '0.01235'
    assert str(spread([100.0])) == '100.00'
    with pytest.raises(ValueError, match='at least one run, got none'):
        spread([])


def test_small_numbers_keep_their_digits():
    assert str(spread([0.00101, 0.00103])) == '0.00102 ± 1.414e-05'
    assert str(spread([0.0, 0.0])) == '0.00 ± 0.00'


@pytest.mark.parametrize(
    ('metric', 'rule', 'higher'),
    [
        ('overall_accuracy', None, True),
        ('instance_miou', None, True),
        ('chamfer_l1', None, False),
        ('val/Loss', None, False),
        ('overall_accuracy', 'less', False),
        ('chamfer_l1', 'greater', True),
    ],
)
def test_what_is_better(metric, rule, higher):
    assert higher_is_better(metric, rule) == higher


def test_best_is_the_first_of_equals():
    run = records(50.0, 80.0, 80.0, 70.0)
    found = best_and_last(run, 'accuracy')
    assert (found.best['epoch'], found.last['epoch']) == (4, 8)
    assert best_and_last(run, 'accuracy', higher=False).best['epoch'] == 2
    assert best_and_last(run, 'loss', higher=False).best['epoch'] == 8


def test_epochs_without_a_number_are_not_the_best():
    run = records(math.nan, 60.0, math.nan)
    assert best_and_last(run, 'accuracy').best['epoch'] == 4
    with pytest.raises(ValueError, match="'accuracy' is nan in every"):
        best_and_last(records(math.nan), 'accuracy')


def test_absent_validations_and_metrics_are_named():
    with pytest.raises(ValueError, match=r'never validated.*val_dataloader'):
        best_and_last([], 'accuracy')
    with pytest.raises(ValueError, match='it gives: accuracy, loss; choose'):
        best_and_last(records(1.0), 'miou')
    with pytest.raises(ValueError, match='at least one run'):
        outcomes([])
    with pytest.raises(ValueError, match='never validated'):
        outcomes([[]])
    with pytest.raises(ValueError, match="no metric 'miou'"):
        outcomes([records(1.0)], ['accuracy', 'miou'])


def test_runs_are_summed_up_at_their_own_best_epochs():
    runs = [records(70.0, 90.0, 80.0), records(94.0, 60.0, 84.0)]
    accuracy, loss = outcomes(runs)
    assert (accuracy.metric, loss.metric) == ('accuracy', 'loss')
    assert accuracy.values_last == [80.0, 84.0]
    assert accuracy.values_best == [90.0, 94.0]
    assert accuracy.best_epochs == [4, 2]
    assert str(accuracy.last) == '82.00 ± 2.83'
    assert str(accuracy.best) == '92.00 ± 2.83'
    # The loss where the accuracy is best, not the lowest one.
    assert loss.values_best == [1 / 2, 1.0]
    assert loss.best_epochs == [4, 2]
    (loss,) = outcomes(runs, ['loss'])
    assert loss.values_best == [1 / 3, 1 / 3]
    (worst,) = outcomes(runs, ['accuracy'], 'less')
    assert worst.values_best == [70.0, 60.0]


def test_metrics_that_come_and_go_are_left_out():
    """As the precision of a class that is detected and does not occur."""
    runs = [records(70.0, 90.0), records(80.0, 85.0)]
    runs[0][1]['metrics']['sofa_AP'] = 0.0
    runs[1][0]['metrics']['desk_AP'] = 0.0
    assert common_metrics(runs) == ['accuracy', 'loss']
    assert [one.metric for one in outcomes(runs)] == ['accuracy', 'loss']
    with pytest.raises(ValueError, match="no metric 'sofa_AP'"):
        outcomes(runs, ['accuracy', 'sofa_AP'])
    assert common_metrics([]) == []


def test_outcomes_go_into_json():
    (found,) = outcomes([records(70.0, 90.0)], ['accuracy'])
    loaded = json.loads(json.dumps(found.to_dict()))
    assert loaded['best']['mean'] == 90.0
    assert (loaded['best']['count'], loaded['best']['std']) == (1, None)
    assert loaded['values_last'] == [90.0]


def test_table_in_markdown():
    text = markdown_table([['row', 'value'], ['a|b', spread([1.0])]])
    assert text.splitlines() == [
        '| row | value |',
        '| --- | --- |',
        '| a\\|b | 1.00 |',
    ]
