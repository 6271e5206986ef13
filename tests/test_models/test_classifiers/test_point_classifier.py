"""The classifier under every transfer protocol."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmdet3d_act.models.classifiers import TRANSFERS, PointClassifier
from mmdet3d_act.models.heads import ClassificationHead
from mmdet3d_act.models.layers.lora import without_lora
from mmdet3d_act.models.necks import SideTuning
from mmdet3d_act.registry import MODELS
from tests.test_models import toys

HEAD = dict(type='ClassificationHead', in_channels=64, num_classes=3)
# A batch norm takes away what these add; their gradient is rounding noise.
BEFORE_BATCH_NORM = (
    'conv1.bias',
    'conv2.bias',
    'conv3.bias',
    'head.layers.0.bias',
    'head.layers.4.bias',
)
needs_peft = pytest.mark.skipif(not find_spec('peft'), reason='needs peft')
ALL = [*TRANSFERS[:-1], pytest.param('lora', marks=needs_peft)]


def classifier(
    transfer: str = 'full', backbone: dict | None = None, **changes: object
) -> PointClassifier:
    """Return a classifier whose parameters are all random, none zero."""
    config = dict(
        type='PointClassifier',
        backbone={**toys.STUDENT, **(backbone or {})},
        head=HEAD,
        transfer=transfer,
        **changes,
    )
    model = MODELS.build(config)
    torch.manual_seed(0)
    with torch.no_grad():
        for param in model.parameters():
            param.add_(0.02 * torch.randn_like(param))
    return model


def batch() -> tuple[dict, list[BaseDataElement]]:
    samples = [
        BaseDataElement(gt_label=torch.tensor([label])) for label in (2, 0)
    ]
    return dict(points=toys.points()), samples


def stepped(model: PointClassifier) -> tuple[dict, dict]:
    """Train a step; return the state before and after it."""
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    losses = model(*batch(), mode='loss')
    model.parse_losses(losses)[0].backward()
    optimizer.step()
    return before, model.state_dict()


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {k for k in before if not torch.equal(before[k], after[k])}


@pytest.mark.parametrize('transfer', ALL)
def test_a_step_changes_what_the_protocol_trains(transfer: str) -> None:
    model = classifier(transfer)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    statistics = {
        name
        for name, _ in model.named_buffers()
        if name.endswith(('running_mean', 'running_var', 'tracked'))
    }
    before, after = stepped(model)
    got = changed(before, after)
    # Published: the frozen backbone's norms go on with their statistics.
    assert got <= trained | statistics
    lost = {name for name in trained if name.endswith(BEFORE_BATCH_NORM)}
    assert got | lost == trained | statistics
    assert any(name.startswith('backbone.') for name in statistics)
    parts = {name.split('.')[0] for name in trained}
    assert parts == {'backbone', 'head'} | (
        {'neck'} if transfer == 'side' else set()
    )


@pytest.mark.parametrize('transfer', ALL[1:])
def test_strictly_frozen_means_all_of_it(transfer: str) -> None:
    model = classifier(transfer, strict_freezing=True)
    before, after = stepped(model)
    assert model.training
    assert not any(part.training for part in model.backbone.modules())
    own = {n for n in changed(before, after) if n.startswith('backbone.')}
    kind = {'bitfit': '.bias', 'lora': '.default.weight'}.get(transfer, '-')
    assert own == {n for n in before if n.endswith(kind) and 'backbone' in n}
    assert all(part.training for part in model.head.modules())
    model.eval()
    assert not model.training


@needs_peft
def test_updates_and_the_head_alone_are_trained_with_lora() -> None:
    drop = dict(frozen_stages=1)
    model = classifier('lora', drop, lora_rank=3)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    updates = {n: p for n, p in trained.items() if not n.startswith('head.')}
    # Of qkv, proj, fc1 and fc2 of the second block, width 32: R (in + out).
    sizes = (32 + 96, 32 + 32, 32 + 128, 128 + 32)
    assert sum(p.numel() for p in updates.values()) == 3 * sum(sizes)
    assert all('.blocks.1.' in n and '.lora_' in n for n in updates)
    fresh = MODELS.build(
        dict(
            type='PointClassifier',
            backbone=toys.STUDENT,
            head=HEAD,
            transfer='lora',
        )
    ).eval()
    plain = toys.student().eval()
    with without_lora(fresh.backbone):
        plain.load_state_dict(fresh.backbone.state_dict())
    inputs, _ = batch()
    expected = plain(inputs['points'])['features']
    assert torch.equal(fresh.backbone(inputs['points'])['features'], expected)


def test_lora_names_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'peft', None)
    with pytest.raises(ImportError, match=r'mmdet3d_act\[lora\]'):
        PointClassifier(toys.STUDENT, HEAD, transfer='lora')


def test_published_freezing_leaves_stochastic_depth_on() -> None:
    drop = dict(drop_path_rate=0.5)
    published = classifier('mlp3', drop).train()
    strict = classifier('mlp3', drop, strict_freezing=True).train()
    inputs, _ = batch()
    torch.manual_seed(0)
    feats = [published.extract_feat(inputs) for _ in range(6)]
    assert not all(torch.equal(feats[0], feat) for feat in feats)
    feats = [strict.extract_feat(inputs) for _ in range(6)]
    assert all(torch.equal(feats[0], feat) for feat in feats)


def test_full_ignores_strict_freezing() -> None:
    model = classifier('full', strict_freezing=True).train()
    assert all(part.training for part in model.backbone.modules())
    assert all(param.requires_grad for param in model.parameters())


def test_without_class_token_the_maximum_is_left() -> None:
    head = {**HEAD, 'in_channels': 32}
    backbone = {**toys.STUDENT, 'with_cls_token': False}
    model = PointClassifier(backbone, head).eval()
    inputs, _ = batch()
    features = model.backbone(inputs['points'])['features']
    assert torch.equal(model.extract_feat(inputs), features.amax(2))


def test_the_head_follows_the_protocol() -> None:
    assert len(classifier('linear').head.layers) == 1
    assert len(classifier('mlp3').head.layers) == 9
    side = classifier('side').neck
    assert isinstance(side, SideTuning)
    shape = side.patch_embed.conv1.weight.shape
    assert shape == classifier().backbone.patch_embed.conv1.weight.shape
    assert classifier().neck is None


def test_parts_that_do_not_fit_the_protocol() -> None:
    head = {**HEAD, 'hidden_dims': (8,)}
    with pytest.raises(ValueError, match=r'linear head, got .*\(8,\)'):
        PointClassifier(toys.STUDENT, head, transfer='linear')
    with pytest.raises(ValueError, match='go together, got neck SideTuning'):
        PointClassifier(toys.STUDENT, HEAD, neck=SideTuning(32))
    built = ClassificationHead(64, 3)
    with pytest.raises(ValueError, match="use transfer='mlp3'"):
        PointClassifier(toys.student(), built, transfer='linear')
    with pytest.raises(ValueError, match=r"mode must be .*'features'"):
        classifier()(batch()[0], mode='features')
