"""Stage II equals the published one: student, decoder, losses, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet3d_act.checkpoint import under_prefix
from mmdet3d_act.converters import keys
from mmdet3d_act.models.distillers import Distiller
from mmdet3d_act.models.heads import FeatureHead
from mmdet3d_act.models.layers import BlockPatchMask, select
from mmdet3d_act.models.losses import (
    CosineFeatureLoss,
    MSEFeatureLoss,
    SmoothL1FeatureLoss,
)
from mmdet3d_act.models.target_generators import AutoencoderTarget
from tests.test_reference import networks
from tests.test_reference.harness import Reference, fixture_params
from tests.test_reference.test_autoencoders import filled_autoencoder

COVERS = ('distill',)
TEACHER = 'dvae_tokenizer.'
LOSSES = {
    'cosine': CosineFeatureLoss,
    'l2': MSEFeatureLoss,
    'smoothl1': SmoothL1FeatureLoss,
}


def _sizes(reference: Reference, meta: dict) -> dict:
    """Return the teacher's sizes.

    Small stage-II fixtures do not say them: they have the teacher of the
    stage-I fixtures of the same folder.
    """
    if 'vit' in meta:
        return {'vit': dict(meta['vit'])}
    named = meta['config']['dvae_config']['visual_embed_type']
    for name in reference.names('autoencoder_vit'):
        other = reference.load(name)[1]
        if other['config']['visual_embed_type'] == named and 'vit' in other:
            return {'vit': dict(other['vit'])}
    return {}


def distiller_of(reference: Reference, name: str) -> Distiller:
    """Return the distiller of a fixture with its weights, in eval mode."""
    arrays, meta = reference.load(name)
    config = meta['config']
    teacher, sizes = config['dvae_config'], config['transformer_config']
    weights = reference.weights(name)
    shallow = sizes['register_shallow_hook'] if sizes['cls_loss'] else None
    student = networks.student_of(
        {
            **sizes,
            **teacher,
            'width': sizes['embed_dim'],
            'patch_dims': teacher['encoder_dims'],
        },
        out_indices=() if shallow is None else (shallow,),
    )
    head = FeatureHead(
        sizes['embed_dim'],
        teacher['decoder_dims'],
        loss=LOSSES[config['loss']](),
        published_branch_loss=True,
    )
    autoencoder, _ = filled_autoencoder(
        under_prefix(weights, TEACHER),
        {'config': teacher, **_sizes(reference, meta)},
    )
    generator = AutoencoderTarget(autoencoder, noise=False)
    model = networks.distiller_of(
        student,
        generator,
        head,
        torch.from_numpy(arrays['mask']),
        name='act',
        decoder=sizes,
        shallow_index=shallow,
    )
    own = {k: v for k, v in weights.items() if not k.startswith(TEACHER)}
    state, unknown = keys.convert(own, keys.ACT_PRETRAINING)
    assert not unknown
    result = model.load_state_dict(state, strict=False)
    assert not result.unexpected_keys
    assert all(
        'target_generator' in key or 'position_code' in key
        for key in result.missing_keys
    ), result.missing_keys
    return model.eval()


def evaluation_feature(weights: dict, cls_token: Tensor) -> Tensor:
    """Return what the published evaluation makes of the class token.

    Its head is in the checkpoints and never trained, so it is not in ours.
    """
    head = under_prefix(weights, 'ACT_encoder.cls_head.')
    hidden = F.gelu(F.linear(cls_token, head['0.weight'], head['0.bias']))
    return F.linear(hidden, head['2.weight'], head['2.bias'])


def grad_norm(model: Distiller, meta: dict, inputs: dict) -> dict[str, Any]:
    """Return the gradient norms of the loss, by official name."""
    model.zero_grad()
    model.loss(inputs)['act.loss'].backward()
    names = [key for key in meta['param_names'] if not key.startswith(TEACHER)]
    return networks.grad_norms(
        model, networks.renamed(names, keys.ACT_PRETRAINING)
    )


def pass_arrays(model: Distiller, arrays: dict) -> dict[str, Any]:
    """Return the arrays of a pass in evaluation mode."""
    inputs = {'points': torch.from_numpy(arrays['points'])}
    mask = torch.from_numpy(arrays['mask'])
    objective = model.objectives['act']
    patches = model.get_patches(inputs)
    encoded = model.student.encode(patches, mask)
    decoded = objective.neck(encoded, patches, mask)
    preds = objective.head(decoded)
    target = objective.get_target(inputs, patches, None)
    results = {
        'center': patches.centers,
        'neighborhood': patches.neighborhoods,
        'student_visible': encoded.features,
        'student_cls': encoded.cls_token,
        'decoder_out': decoded[0],
        'prediction': preds[0],
        'target_all': target,
        'target_masked': select(target, mask),
    }
    if len(preds) > 1:
        (shallow,) = encoded.hidden_states.values()
        results |= {
            'student_visible_shallow': shallow,
            'decoder_out_global': decoded[1],
            'prediction_global': preds[1],
        }
    for key, loss in LOSSES.items():
        objective.head.loss_fn = loss()
        losses = objective.head.loss(decoded, target, mask)
        results[f'loss_{key}'] = losses['loss']
    return results


def our_state(model: Distiller, array: str) -> Tensor:
    """Return the statistic that a ``train_after_*`` array pins."""
    official = array.removeprefix('train_after_').replace('__', '.')
    if official.startswith(TEACHER):
        _, new = keys.translate(
            official.removeprefix(TEACHER), keys.AUTOENCODER
        )
        autoencoder = model.objectives['act'].target_generator.autoencoder
        return autoencoder.module.state_dict()[new]
    _, new = keys.translate(official, keys.ACT_PRETRAINING)
    return model.state_dict()[new]


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_distill(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    model = distiller_of(reference, name)
    inputs = {'points': torch.from_numpy(arrays['points'])}
    norms = grad_norm(model, meta, inputs)
    encoded = model(inputs)
    results = {
        'grad_norm': reference.grad_array(name, norms),
        'eval_cls_feature': evaluation_feature(
            reference.weights(name), encoded.cls_token
        ),
        **pass_arrays(model, arrays),
    }
    for key in arrays:
        if key.startswith('block_mask_from_'):
            start = int(key.rpartition('_')[2])
            mask = BlockPatchMask(
                meta['config']['transformer_config']['mask_ratio']
            )
            centers = results['center']
            results[key] = mask(centers, torch.full((len(centers),), start))
    reference.assert_all(
        name,
        {key: value for key, value in results.items() if key in arrays},
        elsewhere=[key for key in arrays if key.startswith('train_')],
    )


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_train_mode(reference: Reference, name: str) -> None:
    """Student and teacher with batch statistics, as the released loop."""
    arrays, meta = reference.load(name)
    if 'train_loss' not in arrays:
        pytest.skip('the fixture has no arrays of the train mode')
    model = distiller_of(reference, name)
    networks.use_batch_statistics(model)
    inputs = {'points': torch.from_numpy(arrays['points'])}
    norms = grad_norm(model, meta, inputs)
    results = {
        'train_grad_norm': reference.grad_array(name, norms),
        **{
            key: our_state(model, key).clone()
            for key in arrays
            if key.startswith('train_after_')
        },
    }
    patches = model.get_patches(inputs)
    target = model.objectives['act'].get_target(inputs, patches, None)
    results['train_target_masked'] = select(
        target, torch.from_numpy(arrays['mask'])
    )
    results['train_loss'] = model.loss(inputs)['act.loss']
    reference.assert_some(name, results)
