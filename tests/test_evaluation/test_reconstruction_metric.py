from __future__ import annotations

import pytest
import torch

from mmdet3d_act.evaluation import ReconstructionMetric

SQUARE = torch.tensor(
    [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
)


def sample(
    fine: torch.Tensor, coarse: torch.Tensor = SQUARE, **others: object
) -> dict:
    return dict(
        sample_idx=3,
        pred_fine=fine,
        pred_coarse=coarse,
        eval_points=SQUARE,
        gt_patches=SQUARE + 5,
        **others,
    )


def lifted(height: float) -> torch.Tensor:
    return SQUARE + torch.tensor([0.0, 0.0, height])


def evaluate(metric: ReconstructionMetric, samples: list) -> dict:
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_lifted_plane_by_hand() -> None:
    # Every point is 0.1 from the target both ways: L1 0.1, L2 0.01 + 0.01.
    got = evaluate(
        ReconstructionMetric(), [sample(lifted(0.1), lifted(0.005))]
    )
    assert got['chamfer_l1'] == pytest.approx(100, rel=1e-5)
    assert got['chamfer_l2'] == pytest.approx(20, rel=1e-5)
    assert got['f_score'] == 0
    assert got['coarse_chamfer_l1'] == pytest.approx(5, rel=1e-5)
    assert got['coarse_chamfer_l2'] == pytest.approx(0.05, rel=1e-5)
    assert got['coarse_f_score'] == 1


def test_missing_points_cost_recall_only() -> None:
    # Precision 1; recall 1/2: two of the four are a unit away.
    got = evaluate(ReconstructionMetric(), [sample(SQUARE[:2])])
    assert got['f_score'] == pytest.approx(2 / 3)
    assert got['chamfer_l1'] == pytest.approx(250)
    assert got['chamfer_l2'] == pytest.approx(500)


def test_target_is_an_option() -> None:
    near = evaluate(ReconstructionMetric(), [sample(SQUARE)])
    far = evaluate(ReconstructionMetric(target='gt_patches'), [sample(SQUARE)])
    assert near['chamfer_l1'] == 0
    assert far['chamfer_l1'] > 1000 * 5


def test_features_of_the_points_are_ignored() -> None:
    item = sample(SQUARE)
    item['eval_points'] = torch.cat([SQUARE, torch.rand(4, 2)], 1)
    assert evaluate(ReconstructionMetric(), [item])['chamfer_l1'] == 0


def test_mean_is_over_clouds_and_categories_are_listed() -> None:
    samples = [
        sample(lifted(0.1), category='cup'),
        sample(lifted(0.2), category='cup'),
        sample(lifted(0.6), category='chair'),
    ]
    got = evaluate(ReconstructionMetric(per_category=True), samples)
    assert got['chamfer_l1'] == pytest.approx(300, rel=1e-5)
    assert got['chamfer_l1/cup'] == pytest.approx(150, rel=1e-5)
    assert got['chamfer_l2/chair'] == pytest.approx(720, rel=1e-5)
    listed = [name for name in got if name.startswith('f_score/')]
    assert listed == ['f_score/chair', 'f_score/cup']
