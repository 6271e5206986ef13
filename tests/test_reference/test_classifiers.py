"""Classifiers equal the published ones: protocols, values, gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmdet3d_act.checkpoint import under_prefix
from mmdet3d_act.converters import keys
from mmdet3d_act.converters.keys import CLASSIFIER
from mmdet3d_act.models.classifiers import PointClassifier
from mmdet3d_act.models.heads import ClassificationHead
from tests.test_reference import networks
from tests.test_reference.harness import Reference, fixture_params, listed

COVERS = ('classifier', 'classifier_logits')
# What the published configs call the protocols.
TRANSFERS = {
    'full': 'full',
    'linear': 'linear',
    'mlp-3': 'mlp3',
    'bit-fit': 'bitfit',
    'side': 'side',
}
POSITION = 'backbone.position_code'


def classifier_of(config: dict) -> PointClassifier:
    """Return a classifier of a fixture's sizes."""
    transfer = TRANSFERS[config.get('transfer_type', 'full')]
    width = config.get('embed_dim', config.get('trans_dim'))
    backbone = networks.student_of(
        {**config, 'width': width, 'patch_dims': config['encoder_dims']}
    )
    head = ClassificationHead(
        2 * width,
        config['cls_dim'],
        hidden_dims=() if transfer == 'linear' else (256, 256),
    )
    return PointClassifier(backbone, head, transfer=transfer)


def loaded(reference: Reference, name: str) -> PointClassifier:
    """Return a fixture's classifier with its weights, in eval mode."""
    model = classifier_of(reference.load(name)[1]['config'])
    state, unknown = keys.convert(reference.weights(name), CLASSIFIER)
    assert not unknown
    networks.fill(model, state)
    return model.eval()


def samples_of(labels: Tensor) -> list[BaseDataElement]:
    return [BaseDataElement(gt_label=label[None]) for label in labels]


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_classifier(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    model = loaded(reference, name)
    seen: dict[str, Tensor] = {}
    model.backbone.patch_embed.register_forward_hook(
        lambda _, __, out: seen.update(tokens=out)
    )
    model.backbone.norm.register_forward_hook(
        lambda _, args, out: seen.update(blocks_out=args[0], norm_out=out)
    )
    model.head.register_forward_hook(
        lambda _, args, out: seen.update(head_in=args[0], logits=out)
    )
    inputs = {'points': torch.from_numpy(arrays['points'])}
    results: dict[str, Any] = {
        'logits': model(inputs),
        'center': model.backbone.group(inputs['points']).centers,
        **seen,
    }
    if 'label' in arrays:
        samples = samples_of(torch.from_numpy(arrays['label']))
        losses = model.loss(inputs, samples)
        losses['loss'].backward()
        rename = networks.renamed(meta['param_names'], CLASSIFIER)
        assert set(rename) == set(meta['param_names'])
        results |= {
            'loss': losses['loss'],
            'acc': 100 * losses['accuracy'],
            'grad_norm': reference.grad_array(
                name, networks.grad_norms(model, rename)
            ),
        }
        trained = {n for n, p in model.named_parameters() if p.requires_grad}
        assert trained == {rename[n] for n in meta['trainable']}
        (first, _) = model.predict(inputs, samples)
        assert first.pred_label == results['logits'][0].argmax()
    reference.assert_all(
        name, {key: results[key] for key in results if key in arrays}
    )


def full_size(transfer: str) -> PointClassifier:
    """Return the full-size classifier for ModelNet40, without memory."""
    sizes = dict(
        embed_dim=384,
        encoder_dims=384,
        depth=12,
        num_heads=6,
        num_group=64,
        group_size=32,
        cls_dim=40,
        transfer_type=transfer,
    )
    with torch.device('meta'):
        return classifier_of(sizes)


@pytest.mark.parametrize('transfer', TRANSFERS)
def test_each_protocol_trains_the_published_parameters(transfer: str) -> None:
    entry = listed('transfer_types.json')[transfer]
    model = full_size(transfer)
    params = dict(model.named_parameters())
    trained = {n: p for n, p in params.items() if p.requires_grad}
    ours = networks.renamed(entry['trainable'], CLASSIFIER)
    assert set(ours) == set(entry['trainable'])
    assert set(trained) == set(ours.values())
    assert sum(p.numel() for p in params.values()) == entry['n_total']
    assert sum(p.numel() for p in trained.values()) == entry['n_trainable']
    head = set(networks.renamed(entry['head'], CLASSIFIER).values())
    state = model.state_dict()
    assert head == {key for key in state if key.startswith('head.')}


@pytest.mark.parametrize('name', fixture_params('distill'))
def test_stage_2_fills_the_published_part(
    reference: Reference, name: str, tmp_path: Path
) -> None:
    """What a stage-II checkpoint fills, and where its position comes from."""
    config = reference.load(name)[1]['config']
    sizes, teacher = config['transformer_config'], config['dvae_config']
    branch = bool(sizes['cls_loss'])
    entry = listed('load_stage2_into_classifier.json')[f'cls_loss={branch}']
    weights = reference.weights(name)
    state, _ = keys.convert(
        {k: v for k, v in weights.items() if 'dvae_tokenizer' not in k},
        keys.ACT_PRETRAINING,
    )
    state['student.position_code'] = torch.tensor(0, dtype=torch.uint8)
    torch.save({'state_dict': state}, tmp_path / 'stage2.pth')
    model = classifier_of(
        {**sizes, **teacher, 'cls_dim': 10, 'transfer_type': 'full'}
    )
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.backbone.init_cfg = dict(
        type='Pretrained', checkpoint=str(tmp_path / 'stage2.pth')
    )
    model.init_weights()
    after = model.state_dict()

    official = under_prefix(weights, 'ACT_encoder.')
    filled = networks.renamed(list(official), CLASSIFIER)
    tracked = {k for k in after if k.endswith('num_batches_tracked')}
    published = networks.renamed(entry['loaded'], CLASSIFIER).values()
    # The list is of a network that has all parts, and of one depth.
    counts = {k for k in tracked if k.startswith('backbone.')}
    assert networks.without_depth({*filled.values(), *counts}) == (
        networks.without_depth(published) & networks.without_depth(after)
    )
    for published, new in filled.items():
        value = official[published].reshape(after[new].shape)
        assert torch.equal(after[new], value), new
    rest = set(after) - set(filled.values()) - tracked - {POSITION}
    assert rest == set(networks.renamed(entry['missing'], CLASSIFIER).values())
    assert all(torch.equal(after[key], before[key]) for key in rest)
    source = weights[entry['cls_pos_comes_from']]
    assert torch.equal(after['backbone.cls_pos'], source)
    if branch:
        assert not torch.equal(source, weights['cls_pos'])
