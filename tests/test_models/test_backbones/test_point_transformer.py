"""The point Transformer: contract, masking, freezing, recomputation."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.backbones import PointTransformer
from tests.test_models import toys

# A bias before a norm in training mode has no effect.
BEFORE_NORM = {'patch_embed.conv1.bias', 'patch_embed.conv3.bias'}


def randomized(**changes: object) -> PointTransformer:
    return toys.randomize(toys.student(**changes)).eval()


@pytest.mark.parametrize('channels', [3, 6])
def test_forward_contract(channels: int) -> None:
    student = randomized(in_channels=channels, out_indices=(0, 1))
    points = toys.points(channels=channels)
    out = student(points)
    encoded = student.encode(student.group(points))
    assert out['features'].shape == (2, 32, 8)
    toys.assert_close(out['features'], encoded.features.transpose(1, 2))
    toys.assert_close(out['cls_token'], encoded.cls_token)
    rows = out['fp_indices'][-1]
    for cloud in range(2):
        toys.assert_close(
            points[cloud, rows[cloud], :3], out['fp_xyz'][-1][cloud]
        )
    assert torch.equal(out['centers'], out['fp_xyz'][-1])
    assert out['fp_features'][-1] is out['features']
    assert torch.equal(out['sa_xyz'][0], points[..., :3])
    assert torch.equal(out['sa_xyz'][-1], out['centers'])
    assert out['sa_features'][-1] is out['features']
    assert out['sa_indices'][0].tolist() == [list(range(40))] * 2
    assert torch.equal(out['sa_indices'][-1], rows)
    if channels == 3:
        assert out['sa_features'][0] is None
    else:
        raw = points[..., 3:].transpose(1, 2)
        assert torch.equal(out['sa_features'][0], raw)
    assert [state.shape for state in out['hidden_states']] == [(2, 32, 8)] * 2


def test_embedding_masked_patches_only_matters_to_batch_statistics() -> None:
    mask, outputs = toys.fixed_mask(), {}
    for embed_masked in (True, False):
        student = randomized(embed_masked=embed_masked)
        patches = student.group(toys.points())
        evaluated = student.encode(patches, mask).features
        trained = student.train().encode(patches, mask).features
        outputs[embed_masked] = (evaluated, trained)
    toys.assert_close(outputs[True][0], outputs[False][0])
    assert not torch.allclose(outputs[True][1], outputs[False][1], atol=1e-3)


def test_mask_tokens_at_the_input() -> None:
    student = randomized()
    patches, mask = student.group(toys.points()), toys.fixed_mask()
    token = torch.randn(1, 1, 32)
    encoded = student.encode(patches, mask, token)
    assert encoded.features.shape == (2, 8, 32)
    hidden = patches.neighborhoods.clone()
    hidden[mask] = 100.0
    blind = patches._replace(neighborhoods=hidden)
    toys.assert_close(
        student.encode(blind, mask, token).features, encoded.features
    )
    moved = patches.centers.clone()
    moved[mask] += 1.0
    other = student.encode(patches._replace(centers=moved), mask, token)
    assert not torch.allclose(other.features, encoded.features, atol=1e-3)
    assert not torch.allclose(
        student.encode(patches, mask, -token).features,
        encoded.features,
        atol=1e-3,
    )


def test_forward_uses_known_patches() -> None:
    student, cloud = toys.student().eval(), toys.points()
    patches = student.group(cloud)
    rows = patches.center_indices.flip(1), patches.neighbor_indices.flip(1)
    out, plain = student(cloud, *rows), student(cloud)
    assert torch.equal(out['centers'], plain['centers'].flip(1))
    toys.assert_close(out['features'], plain['features'].flip(2))


@pytest.mark.parametrize('frozen', [-1, 0, 1, 2])
def test_gradient_reaches_exactly_the_trainable_parameters(
    frozen: int,
) -> None:
    student = toys.randomize(toys.student(frozen_stages=frozen)).train()
    encoded = student.encode(student.group(toys.points()))
    loss = encoded.features.square().sum() + encoded.cls_token.sum()
    (loss + encoded.cls_token.square().sum()).backward()
    trainable = {
        name for name, p in student.named_parameters() if p.requires_grad
    }
    reached = {
        name for name, p in student.named_parameters() if p.grad is not None
    }
    assert reached == trainable
    assert set(toys.without_gradient(student)) - BEFORE_NORM == (
        set(dict(student.named_parameters())) - trainable - BEFORE_NORM
    )
    expected = ('norm.',)
    if frozen < 2:
        expected += tuple(f'blocks.{i}.' for i in range(max(frozen, 0), 2))
    if frozen < 0:
        expected += ('patch_embed.', 'pos_embed.', 'cls_')
    assert trainable == {
        name
        for name, _ in student.named_parameters()
        if name.startswith(expected)
    }


def test_frozen_stages_stay_in_evaluation() -> None:
    student = toys.student(frozen_stages=1, drop_path_rate=0.5)
    before = {k: v.clone() for k, v in student.state_dict().items()}
    assert student.train() is student
    assert student.training
    assert not any(module.training for module in student.patch_embed.modules())
    assert not student.blocks[0].training
    assert student.blocks[1].drop_path.training
    student(toys.points())
    for name, value in student.state_dict().items():
        assert torch.equal(value, before[name]), name
    student.eval()
    assert not student.training
    assert not student.blocks[1].training


@pytest.mark.parametrize('frozen', [-1, 0])
def test_recomputation_changes_nothing(frozen: int) -> None:
    results = []
    for with_cp in (False, True):
        student = toys.student(
            with_cp=with_cp, drop_path_rate=0.5, frozen_stages=frozen
        )
        toys.randomize(student).train()
        torch.manual_seed(1)
        out = student(toys.points(4))
        out['features'].square().mean().backward()
        gradients = [
            p.grad for p in student.parameters() if p.grad is not None
        ]
        results.append([out['features'], *gradients])
    assert len(results[0]) == len(results[1]) > 5
    for plain, recomputed in zip(*results, strict=True):
        toys.assert_close(recomputed, plain)


def test_features_are_ignored_where_that_is_said() -> None:
    points = toys.points(channels=5)
    plain, student = toys.student(), toys.student(ignore_features=True)
    expected = plain.eval()(points[..., :3].contiguous())
    feats = student.eval()(points)
    assert torch.equal(feats['features'], expected['features'])
    # The raw features are there for who wants them.
    raw = points[..., 3:].transpose(1, 2)
    assert torch.equal(feats['sa_features'][0], raw)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('points_too', [False, True])
def test_half_precision(dtype: torch.dtype, points_too: bool) -> None:
    student, points = randomized(), toys.points()
    if points_too:
        points = points.to(dtype).float()
    expected = student(points)['features']
    half = student.to(dtype)(points.to(dtype) if points_too else points)
    assert half['features'].dtype == dtype
    torch.testing.assert_close(
        half['features'].float(), expected, rtol=0.1, atol=0.1
    )
    assert half['centers'].dtype == torch.float32
