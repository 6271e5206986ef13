"""Point-MAE as a composition of the distiller equals the published one."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.converters import keys
from mmdet3d_act.models.heads import CoordinateHead
from mmdet3d_act.models.layers import select
from mmdet3d_act.models.losses import PatchChamferLoss
from mmdet3d_act.models.target_generators import PatchCoordinates
from tests.test_reference import networks
from tests.test_reference.harness import Reference, fixture_params

COVERS = ('masked_points',)
NORMS = {'cdl1': 'l1', 'cdl2': 'l2'}


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_masked_points(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    config = meta['config']
    points, mask = networks.tensors(arrays, 'points', 'mask')
    sizes = config['transformer_config']
    student = networks.student_of(
        {
            **sizes,
            **config,
            'width': sizes['trans_dim'],
            'patch_dims': sizes['encoder_dims'],
        },
        with_cls_token=False,
    )
    head = CoordinateHead(
        sizes['trans_dim'],
        config['group_size'],
        loss=PatchChamferLoss(NORMS[config['loss']]),
    )
    model = networks.distiller_of(
        student,
        PatchCoordinates(),
        head,
        mask,
        name='point_mae',
        decoder=sizes,
    )
    state, unknown = keys.convert(
        reference.weights(name), keys.POINT_MAE_PRETRAINING
    )
    assert not unknown
    networks.fill(model, state)
    model.eval()

    patches = model.get_patches({'points': points})
    encoded = student.encode(patches, mask)
    objective = model.objectives['point_mae']
    decoded = objective.neck(encoded, patches, mask)
    rebuilt = head(decoded)[0]
    target = select(patches.neighborhoods, mask)
    losses = model.loss({'points': points})
    losses['point_mae.loss'].backward()
    rename = networks.renamed(meta['param_names'], keys.POINT_MAE_PRETRAINING)
    reference.assert_all(
        name,
        {
            'center': patches.centers,
            'neighborhood': patches.neighborhoods,
            'student_visible': encoded.features,
            'decoder_out': decoded[0],
            'rebuilt': rebuilt.flatten(0, 1),
            **{
                f'loss_{key}': PatchChamferLoss(norm)(rebuilt, target)
                for key, norm in NORMS.items()
            },
            'grad_norm': reference.grad_array(
                name, networks.grad_norms(model, rename)
            ),
        },
    )
    assert torch.equal(mask.sum(1), mask.sum(1)[:1].expand(len(mask)))
