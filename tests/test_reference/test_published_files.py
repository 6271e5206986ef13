"""A published file, converted and loaded, gives the published outputs.

The way of a user: file, conversion, ``init_cfg``, network. All other tests
of this folder rename weights in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import mmdet3d_act  # noqa: F401 (registers the networks)
from mmdet3d_act.converters import plan_conversion, write_checkpoint
from mmdet3d_act.converters.model_configs import build_network
from tests.test_converters import published
from tests.test_reference import networks
from tests.test_reference.harness import Reference, fixture_params

CLASSIFIERS = ('classifier', 'classifier_logits')
SEGMENTORS = ('partseg', 'semseg')
AUTOENCODERS = (
    'autoencoder_vit',
    'autoencoder_clip',
    'autoencoder_bert',
    'autoencoder_plain',
)


def network_of(
    reference: Reference,
    name: str,
    folder: Path,
    options: Mapping[str, Any],
    task: str | None = None,
) -> nn.Module:
    """Return the network of a fixture, from a file, in eval mode."""
    source = published.write(folder / 'src.pth', reference.weights(name))
    target = folder / 'dst.pth'
    result = plan_conversion(source, task, options=options, checkpoint=target)
    result.check()
    write_checkpoint(target, result.state, result.meta)
    init_cfg = dict(type='Pretrained', checkpoint=str(target))
    model = build_network({**result.config, 'init_cfg': init_cfg})
    model.init_weights()
    own = model.state_dict()
    for key, value in result.state.items():
        assert torch.equal(own[key], value), key
    return model.eval()


def patch_options(config: Mapping, part: str) -> dict[str, Any]:
    """Return what the weights of a small fixture do not tell."""
    return {
        f'{part}num_heads': config['num_heads'],
        f'{part}num_groups': config['num_group'],
        f'{part}group_size': config['group_size'],
    }


def teacher_options(meta: Mapping, part: str) -> dict[str, Any]:
    """Return the heads of a fixture's teacher."""
    config = meta.get('config', {})
    if meta.get('bert'):
        heads = meta['bert']['heads']
        return {f'{part}teacher.config.num_attention_heads': heads}
    if 'vit' not in meta:
        return {}
    sizes, args = meta['vit'], f'{part}teacher.model_args.'
    if str(config.get('visual_embed_type')).startswith('CLIP'):
        width = sizes['embed_dim'] // sizes['num_heads']
        return {f'{args}head_width': width}
    return {f'{args}num_heads': sizes['num_heads']}


@pytest.mark.parametrize('name', fixture_params(*CLASSIFIERS))
def test_classifier(reference: Reference, name: str, tmp_path: Path) -> None:
    arrays, meta = reference.load(name)
    options = patch_options(meta['config'], 'backbone.')
    model = network_of(reference, name, tmp_path, options)
    points = torch.from_numpy(arrays['points'])
    with torch.no_grad():
        reference.assert_matches(name, 'logits', model({'points': points}))


@pytest.mark.parametrize('name', fixture_params(*CLASSIFIERS))
def test_backbone_of_a_classifier(
    reference: Reference, name: str, tmp_path: Path
) -> None:
    """The backbone alone gives what the head reads."""
    arrays, meta = reference.load(name)
    if 'norm_out' not in arrays:
        pytest.skip('the fixture has no features')
    options = patch_options(meta['config'], '')
    model = network_of(reference, name, tmp_path, options, 'backbone')
    with torch.no_grad():
        output = model(torch.from_numpy(arrays['points']))
    features = output['features'].transpose(1, 2)
    both = torch.cat([output['cls_token'].unsqueeze(1), features], dim=1)
    reference.assert_matches(name, 'norm_out', both)


@pytest.mark.parametrize('name', fixture_params(*SEGMENTORS))
def test_segmentor(reference: Reference, name: str, tmp_path: Path) -> None:
    arrays, _ = reference.load(name)
    model = network_of(reference, name, tmp_path, {})
    inputs = {'points': torch.from_numpy(arrays['points'])}
    if 'shape_class' in arrays:
        inputs['shape_label'] = torch.from_numpy(arrays['shape_class']).long()
    with torch.no_grad():
        logits = model(inputs)
    log_prob = logits.log_softmax(1).transpose(1, 2)
    reference.assert_some(
        name,
        {
            'pred': logits.argmax(1).to(torch.uint8),
            'log_prob_sub': log_prob[:, ::4],
        },
    )


@pytest.mark.parametrize('name', fixture_params(*AUTOENCODERS))
def test_autoencoder(reference: Reference, name: str, tmp_path: Path) -> None:
    arrays, meta = reference.load(name)
    options = {'num_groups': meta['config']['num_group']}
    if 'vis_out_soft' in arrays:
        options |= teacher_options(meta, '')
    model = network_of(reference, name, tmp_path, options)
    patches = model.group(torch.from_numpy(arrays['points']))
    with torch.no_grad():
        soft = model.reconstruct(patches, hard=False)
        results = {
            'logits': soft.logits,
            'feature_soft': soft.features,
            'fine_soft': soft.fine,
            'tok_features_global': model.encode(patches, noise=False),
        }
    reference.assert_some(
        name, {key: value for key, value in results.items() if key in arrays}
    )


def assert_loss(
    reference: Reference, name: str, model: nn.Module, ours: str, array: str
) -> None:
    """Compare the loss under the mask of a fixture."""
    points, mask = networks.tensors(reference.load(name)[0], 'points', 'mask')
    model.mask = networks.FixedMask(mask)
    with torch.no_grad():
        losses = model.loss({'points': points})
    reference.assert_matches(name, array, losses[ours])


@pytest.mark.parametrize('name', fixture_params('distill'))
def test_distiller(reference: Reference, name: str, tmp_path: Path) -> None:
    _, meta = reference.load(name)
    sizes = meta['config']['transformer_config']
    teacher = meta['config']['dvae_config']
    objective = 'objectives.act.'
    inner = f'{objective}target_generator.autoencoder.'
    options = {
        **patch_options({**teacher, **sizes}, 'student.'),
        f'{objective}neck.num_heads': sizes['decoder_num_heads'],
        f'{inner}num_groups': teacher['num_group'],
        f'{objective}target_generator.noise': False,
        **teacher_options({**meta, 'config': teacher}, inner),
    }
    if sizes['cls_loss']:
        shallow = sizes['register_shallow_hook']
        options['student.out_indices'] = (shallow,)
        options[f'{objective}neck.shallow_index'] = shallow
    if teacher['visual_embed_dim'] < 192 and 'vit' not in meta:
        # Small stage-II fixtures have the teacher of stage I's.
        options[f'{inner}teacher.model_args.num_heads'] = 4
    model = network_of(reference, name, tmp_path, options)
    assert_loss(reference, name, model, 'act.loss', 'loss_cosine')


@pytest.mark.parametrize('name', fixture_params('masked_points'))
def test_point_mae(reference: Reference, name: str, tmp_path: Path) -> None:
    _, meta = reference.load(name)
    sizes = meta['config']['transformer_config']
    options = {
        **patch_options({**meta['config'], **sizes}, 'student.'),
        'objectives.point_mae.neck.num_heads': sizes['decoder_num_heads'],
    }
    model = network_of(reference, name, tmp_path, options)
    assert_loss(reference, name, model, 'point_mae.loss', 'loss_cdl2')
