"""Stage-I autoencoders equal the published ones, with gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from mmdet3d_act.converters import convert_teacher, keys
from mmdet3d_act.converters.keys import teacher_names
from mmdet3d_act.models.autoencoders import DiscreteVAE, Reconstruction
from mmdet3d_act.models.autoencoders.quantization import quantize
from mmdet3d_act.models.layers import PointPatches, patches_in_place
from mmdet3d_act.models.losses import kl_to_uniform
from mmdet3d_act.ops import chamfer_distance, gather_points, knn
from tests.test_reference import networks
from tests.test_reference.harness import Reference, fixture_params
from tests.test_reference.test_teachers import teacher_of

COVERS = (
    'autoencoder_vit',
    'autoencoder_clip',
    'autoencoder_bert',
    'autoencoder_plain',
    'autoencoder_subsampled',
)
SMALL = COVERS[:4]
TEMPERATURES = {'tau1': 1.0, 'tau0.25': 0.25, 'tau0.0625': 0.0625}


def autoencoder_of(
    reference: Reference, name: str
) -> tuple[DiscreteVAE, list[str]]:
    """Build the autoencoder of a fixture, in eval mode.

    Returns:
        The autoencoder and the official names of its teacher's parameters.
    """
    weights = reference.weights(name)
    model, rest = filled_autoencoder(weights, reference.load(name)[1])
    return model.eval(), [key for key in weights if key not in rest]


def filled_autoencoder(
    weights: Mapping[str, torch.Tensor], meta: dict
) -> tuple[DiscreteVAE, dict[str, torch.Tensor]]:
    """Build an autoencoder with its weights.

    Returns:
        The autoencoder, and the weights that are not its teacher's.
    """
    config = meta['config']
    frozen = bool(config['freeze_visual_embed'])
    state, rest = convert_teacher(weights, frozen=frozen)
    teacher = None
    if state:
        cut = frozen and not config['num_prompt_token']
        teacher = teacher_of(full_size_meta(meta), published_gradient_cut=cut)
    model = DiscreteVAE(
        num_groups=config['num_group'],
        group_size=config['group_size'],
        embed_dims=config['encoder_dims'],
        num_codes=config['num_tokens'],
        code_dims=config['tokens_dims'],
        decoder_dims=config['decoder_dims'],
        teacher=teacher,
        skip_origin=True,
    )
    plain, unknown = keys.convert(rest, keys.AUTOENCODER)
    assert not unknown
    networks.fill(model, {**state, **plain})
    return model, rest


def full_size_meta(meta: dict) -> dict:
    """Return ``meta`` with the sizes of a teacher that it names only."""
    if {'vit', 'bert'} & set(meta):
        return meta
    width = meta['config']['visual_embed_dim']
    return {
        **meta,
        'vit': {'embed_dim': width, 'depth': 12, 'num_heads': width // 64},
    }


def losses(
    output: Reconstruction, patches: PointPatches
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the reconstruction and the KL loss, unweighted."""
    target = patches.neighborhoods.flatten(0, 1)
    recon = sum(
        chamfer_distance(points.flatten(0, 1), target, norm='l1')
        for points in (output.coarse, output.fine)
    )
    return recon, kl_to_uniform(output.logits)


def forward_arrays(
    model: DiscreteVAE, patches: PointPatches, kind: str, hard: bool
) -> dict[str, Any]:
    """Return the arrays of a soft or a hard pass at temperature 1."""
    output = model.reconstruct(patches, hard=hard, noise=False)
    arrays = {
        f'feature_{kind}': output.features,
        f'coarse_{kind}': output.coarse,
        f'fine_{kind}': output.fine,
    }
    if not hard:
        arrays['whole_coarse'] = patches_in_place(
            patches.centers, output.coarse
        )
        arrays['whole_fine'] = patches_in_place(patches.centers, output.fine)
    return arrays


@torch.no_grad()
def code_arrays(model: DiscreteVAE, patches: PointPatches) -> dict[str, Any]:
    """Return logits, codes and targets."""
    logits = model.get_logits(patches)

    def codes(**settings: Any) -> torch.Tensor:
        return quantize(logits, model.codebook, noise=False, **settings)

    # The published plain autoencoder has no local features.
    local = model.teacher is not None
    arrays = {
        'logits': logits,
        'token_index': logits.argmax(-1),
        'tok_labels': model.get_codes(patches),
        'sampled_hard': codes(hard=True),
        'tok_features_global': model.encode(patches, noise=False),
        'tok_features_local': model.encode(patches, noise=False, local=local),
    }
    for key in ('tau1', 'tau0.25'):
        temperature = TEMPERATURES[key]
        arrays[f'soft_{key}'] = (logits / temperature).softmax(-1)
        arrays[f'sampled_soft_{key}'] = codes(
            hard=False, temperature=temperature
        )
    if local:
        for kind in ('soft', 'hard'):
            arrays[f'vis_out_{kind}'] = model.teacher(
                codes(hard=kind == 'hard'), patches.centers
            )
    return arrays


def loss_arrays(
    model: DiscreteVAE, patches: PointPatches, prefix: str = ''
) -> dict[str, Any]:
    """Return the losses, at temperature 1 and as the suffix says."""
    arrays: dict[str, Any] = {}
    cases = {
        '': (False, 1.0),
        '_hard_tau1': (True, 1.0),
        '_soft_tau0.0625': (False, 0.0625),
    }
    for suffix, (hard, temperature) in cases.items():
        if prefix and suffix:
            continue
        output = model.reconstruct(
            patches, hard=hard, noise=False, temperature=temperature
        )
        recon, divergence = losses(output, patches)
        arrays[f'{prefix}loss_recon{suffix}'] = recon
        arrays[f'{prefix}loss_kl{suffix}'] = divergence
    return arrays


def grad_norm(
    model: DiscreteVAE,
    patches: PointPatches,
    meta: dict,
    teacher_keys: list[str],
) -> dict[str, float | None]:
    """Return the gradient norms of the training loss, by official name."""
    model.zero_grad()
    output = model.reconstruct(patches, hard=False, noise=False)
    recon, divergence = losses(output, patches)
    (recon + meta['kl_weight'] * divergence).backward()
    names = [key for key in meta['param_names'] if key not in teacher_keys]
    rename: dict[str, Any] = networks.renamed(names, keys.AUTOENCODER)
    assert set(rename) == set(names)
    if teacher_keys:
        frozen = bool(meta['config']['freeze_visual_embed'])
        own = [key for key in meta['param_names'] if key in teacher_keys]
        rename |= teacher_names(own, frozen=frozen)
    return networks.grad_norms(model, rename)


def our_name(array: str) -> str:
    """Return our state-dict name of a ``train_after_*`` array."""
    official = array.split('after_', 1)[1].replace('__', '.')
    known, new = keys.translate(official, keys.AUTOENCODER)
    assert known, array
    return new


@pytest.mark.parametrize('name', fixture_params(*SMALL))
def test_autoencoder(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    model, teacher_keys = autoencoder_of(reference, name)
    points = torch.from_numpy(arrays['points'])
    patches = model.group(points)
    results = {
        'center': patches.centers,
        'neighborhood': patches.neighborhoods,
        'enc_out': model.patch_embed(patches.neighborhoods),
        **code_arrays(model, patches),
        **forward_arrays(model, patches, 'soft', hard=False),
        **forward_arrays(model, patches, 'hard', hard=True),
        **loss_arrays(model, patches),
        'grad_norm': reference.grad_array(
            name, grad_norm(model, patches, meta, teacher_keys)
        ),
    }
    reference.assert_all(
        name,
        {key: value for key, value in results.items() if key in arrays},
        elsewhere=[
            key
            for key in arrays
            # test_teachers.py, and the tests below.
            if key.startswith(('vis_', 'train_', 'dgcnn', 'enc_after'))
            or 'trainmode' in key
            or key == 'enc_out_train'
        ],
    )


@pytest.mark.parametrize('name', fixture_params(*SMALL))
def test_train_mode(reference: Reference, name: str) -> None:
    """Batch statistics instead of running ones; no noise, no dropout."""
    arrays, meta = reference.load(name)
    if not any(key.startswith('train_') for key in arrays):
        pytest.skip('the fixture has no arrays of the train mode')
    model, teacher_keys = autoencoder_of(reference, name)
    networks.use_batch_statistics(model)
    patches = model.group(torch.from_numpy(arrays['points']))
    norms = grad_norm(model, patches, meta, teacher_keys)
    # A further pass changes them.
    state = {key: x.clone() for key, x in model.state_dict().items()}
    after = {
        key: state[our_name(key)]
        for key in arrays
        if key.startswith('train_after_')
    }
    reference.assert_some(
        name,
        {
            **loss_arrays(model, patches, 'train_'),
            **after,
            'train_grad_norm': reference.grad_array(name, norms),
        },
    )


@pytest.mark.parametrize('name', fixture_params(*SMALL))
def test_published_train_mode(reference: Reference, name: str) -> None:
    """The released stage II leaves its teacher in train mode."""
    arrays, _ = reference.load(name)
    if 'tok_features_global_trainmode_nodropout' not in arrays:
        pytest.skip('the fixture has no target of the train mode')
    model, _ = autoencoder_of(reference, name)
    patches = model.group(torch.from_numpy(arrays['points']))
    model.train()
    model.teacher.eval()
    with torch.no_grad():
        target = model.encode(patches, noise=False)
    results = {'tok_features_global_trainmode_nodropout': target}
    for key in arrays:
        if key.startswith('enc_running_') and key.endswith('_trainmode'):
            statistic = key.removeprefix('enc_').removesuffix(
                '_after_trainmode'
            )
            results[key] = getattr(model.patch_embed.norm1, statistic)
    reference.assert_some(name, results)


@pytest.mark.parametrize('name', fixture_params('autoencoder_plain'))
def test_parts(reference: Reference, name: str) -> None:
    """The graph of the centres and the statistics of the mini-PointNet."""
    arrays, _ = reference.load(name)
    if 'dgcnn_knn_idx' not in arrays:
        pytest.skip('the fixture has no arrays of the parts')
    model, _ = autoencoder_of(reference, name)
    patches = model.group(torch.from_numpy(arrays['points']))
    graph = model.to_logits
    neighbors = knn(patches.centers, patches.centers, graph.num_neighbors)
    tokens = model.patch_embed(patches.neighborhoods)
    x = graph.proj(tokens)
    own = x.unsqueeze(2).expand(-1, -1, graph.num_neighbors, -1)
    edges = torch.cat([gather_points(x, neighbors) - own, own], dim=-1)
    # The folder's README calls these the statistics after a call in train
    # mode, but the arrays equal the weights bit for bit: those before it. The
    # train_after_* arrays pin the statistics after a call.
    loaded = {
        key: model.state_dict()[
            our_name('after_encoder__' + key.removeprefix('enc_after_'))
        ].clone()
        for key in arrays
        if key.startswith('enc_after_')
    }
    embed = model.patch_embed.train()
    results = {
        'dgcnn_knn_idx': neighbors.transpose(1, 2),
        'dgcnn1_graph_feature_0': edges.permute(0, 3, 1, 2),
        'enc_out_train': embed(patches.neighborhoods),
        **loaded,
    }
    reference.assert_some(name, results)


@pytest.mark.parametrize('name', fixture_params('autoencoder_subsampled'))
def test_full_size(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    model, _ = autoencoder_of(reference, name)
    patches = model.group(torch.from_numpy(arrays['points']))
    step = patches.centers.shape[1] // arrays['enc_out'].shape[1]
    results: dict[str, Any] = {'center': patches.centers}
    with torch.no_grad():
        logits = model.get_logits(patches)
        results |= {
            'enc_out': model.patch_embed(patches.neighborhoods)[:, ::step],
            'logits_first64': logits[..., :64],
            'logits_logsumexp': logits.logsumexp(-1),
            'logits_mean': logits.mean(-1),
            'token_index': logits.argmax(-1),
        }
        for kind in ('soft', 'hard'):
            hard = kind == 'hard'
            codes = quantize(logits, model.codebook, hard=hard, noise=False)
            output = model.reconstruct(patches, hard=hard, noise=False)
            recon, divergence = losses(output, patches)
            results |= {
                f'sampled_{kind}': codes[:, ::step],
                f'vis_out_{kind}': model.teacher(codes, patches.centers)[
                    :, ::step
                ],
                f'feature_{kind}': output.features[:, ::step],
                f'coarse_{kind}': output.coarse[:, ::step],
                f'fine_{kind}': output.fine[:, ::step],
                f'loss_recon_{kind}': recon,
                f'loss_kl_{kind}': divergence,
            }
    reference.assert_all(name, results)
