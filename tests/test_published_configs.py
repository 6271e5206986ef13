"""The numbers of the papers in the full-size configs."""

from __future__ import annotations

import pytest
from mmengine.config import DictAction

from tests.config_files import peek

CONCEPT = 'concept/concept_pretrain_scannet'
# What the paper's tables 5, 6 and 10 compare.
ABLATIONS = [
    'no-concepts',
    'no-captions',
    'local-alignment',
    'reconstruction',
    'both',
    '1024pts',
]


# As options of the command line are written.
PUBLISHED = {
    'act/act_dvae_shapenet.py': """
        model.num_codes=8192 train_dataloader.batch_size=64
        train_dataloader.dataset.split=train
        train_dataloader.dataset.pipeline.1.num_points=1024
        optim_wrapper.optimizer.lr=5e-4 train_cfg.max_epochs=300
        optim_wrapper.optimizer.weight_decay=5e-4""",
    'act/act_pretrain_shapenet.py': """
        model.mask.ratio=0.8 model.student.num_layers=12
        model.objectives.act.neck.num_layers=2
        train_dataloader.batch_size=128
        train_dataloader.dataset.split=trainval train_cfg.max_epochs=300
        optim_wrapper.optimizer.lr=1e-3
        optim_wrapper.optimizer.weight_decay=0.05""",
    'point-mae/point-mae_pretrain_shapenet.py': 'model.mask.ratio=0.6',
    f'{CONCEPT}.py': """
        model.student.num_groups=64 model.student.group_size=32
        model.student.num_layers=12 model.student.embed_dims=384
        model.student.num_heads=6 model.student.position=after
        model.student.with_cls_token=False
        model.objectives.concept.neck.num_concepts=32
        model.objectives.concept.neck.num_heads=6
        model.objectives.concept.head.loss.type=MSEFeatureLoss
        train_dataloader.batch_size=128 train_cfg.max_epochs=250
        optim_wrapper.optimizer.lr=1e-3 param_scheduler.0.end=10
        optim_wrapper.optimizer.weight_decay=0.05""",
    'act/act_semseg_scannet.py': """
        model.backbone.num_groups=256 model.test_cfg.block_size=1.5
        model.decode_head.type=NearestCentersHead
        model.decode_head.with_coordinates=False
        optim_wrapper.optimizer.type=Adam optim_wrapper.optimizer.lr=1e-3
        optim_wrapper.optimizer.weight_decay=0.01 train_cfg.max_epochs=200
        train_dataloader.dataset.pipeline.2.num_points=8192
        train_dataloader.dataset.pipeline.2.block_size=1.5""",
    '3detr/3detr_scannet.py': """
        model.backbone.dropout=0.1 model.bbox_head.num_queries=256
        model.bbox_head.num_layers=8 model.bbox_head.head_dropout=0.3
        train_cfg.max_epochs=1080""",
    # --enc_dropout of the published script.
    '3detr/3detr-m_scannet.py': """
        model.backbone.dropout=0.3
        model.backbone.masking_radii=(0.4,0.8,1.2)""",
    # The arguments of scripts/sunrgbd_{,masked_}ep1080.sh.
    '3detr/3detr_sunrgbd.py': """
        model.bbox_head.num_queries=128 model.bbox_head.num_angle_bins=12
        model.bbox_head.assigner.giou_cost=3.0
        model.bbox_head.assigner.cls_cost=1.0
        model.bbox_head.assigner.center_cost=5.0
        model.bbox_head.assigner.objectness_cost=5.0
        model.bbox_head.loss.giou_weight=0.0
        model.bbox_head.loss.no_object_weight=0.1
        optim_wrapper.optimizer.lr=7e-4 train_cfg.max_epochs=1080""",
    '3detr/3detr-m_sunrgbd.py': """
        model.backbone.dropout=0.1 model.bbox_head.loss.cls_weight=0.8
        model.backbone.masking_radii=(0.4,0.8,1.2)""",
    'act/act_3detr_scannet_720e.py': 'train_cfg.max_epochs=720',
    'act/act_cls_modelnet40-8k.py': 'model.backbone.num_groups=512',
    'act/act_partseg_shapenetpart.py': 'train_cfg.max_epochs=300',
    'act/act_semseg_s3dis.py': 'train_cfg.max_epochs=60',
}


@pytest.mark.parametrize('name', list(PUBLISHED))
def test_published_numbers(name: str) -> None:
    for setting in PUBLISHED[name].split():
        key, _, value = setting.partition('=')
        found = peek(name)
        for part in key.split('.'):
            found = found[int(part) if part.isdigit() else part]
        assert found == DictAction._parse_iterable(value), key


def test_ablations_change_what_they_say() -> None:
    objectives = {
        name: peek(f'{CONCEPT}_{name}.py').model.objectives
        for name in ABLATIONS
    }
    base = peek(f'{CONCEPT}.py').model.objectives
    plain = objectives['no-concepts'].concept
    assert plain.neck == dict(type='PatchTokens')
    assert plain.target_generator == base.concept.target_generator
    image = objectives['no-captions'].concept
    assert image.target_generator.type == 'ImageEmbeddingTarget'
    assert image.neck == base.concept.neck
    assert set(objectives['local-alignment']) == {'local'}
    (alone,) = objectives['reconstruction'].values()
    assert (alone.mask.ratio, alone.neck.num_layers) == (0.6, 3)
    assert objectives['both'] == {**base, 'reconstruction': alone}
    assert objectives['1024pts'] == base


def test_the_control_sees_the_same_clouds() -> None:
    control = peek('point-mae/point-mae_pretrain_scannet-frames.py')
    cfg = peek(f'{CONCEPT}.py')
    # It needs no images.
    images = [dict(step) for step in cfg.frame_images]
    theirs = cfg.train_dataloader.to_dict()
    pipeline = theirs['dataset']['pipeline']
    theirs['dataset']['pipeline'] = [
        step for step in pipeline if step not in images
    ]
    assert control.train_dataloader.to_dict() == theirs
    assert control.param_scheduler == cfg.param_scheduler
    assert control.optim_wrapper == cfg.optim_wrapper
