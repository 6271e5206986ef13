"""Full-size configs made small, so that a test trains them in seconds."""

from __future__ import annotations

from mmengine.config import Config

from mmdet3d_act.engine.preflight import iter_typed

DIMS, GROUPS, SIZE, LAYERS = 32, 16, 8, 3
VIT = dict(model_name='vit_tiny_patch16_224', pretrained=False, num_layers=1)
SIZES = {
    # Students and 3DETR's encoders.
    'PointTransformer': dict(
        embed_dims=DIMS,
        num_layers=LAYERS,
        num_heads=2,
        num_groups=GROUPS,
        group_size=SIZE,
        patch_channels=(8, 16, 32),
        init_cfg=None,
    ),
    'ThreeDETREncoder': dict(
        embed_dims=DIMS,
        num_heads=2,
        feedforward_dims=DIMS,
        num_groups=2 * GROUPS,
        group_size=SIZE,
        channels=(8, 16),
    ),
    # Autoencoders and teachers; weights are random.
    'DiscreteVAE': dict(
        embed_dims=DIMS,
        num_codes=16,
        code_dims=DIMS,
        decoder_dims=DIMS,
        num_groups=GROUPS,
        group_size=SIZE,
        patch_channels=(8, 16, 32),
        dgcnn_channels=(16, 32, 32),
        folding_channels=(32, 32),
    ),
    'TimmTeacher': dict(**VIT, num_prompts=4),
    'OpenCLIPImageEncoder': dict(pretrained=False, model_args=dict(layers=1)),
    'ClipCapMapping': dict(pretrained=False, embed_dims=16),
    # Necks and heads.
    'MaskDecoder': dict(embed_dims=DIMS, num_layers=1, num_heads=2),
    'ConceptExtractor': dict(
        embed_dims=DIMS, num_layers=LAYERS, num_heads=2, num_concepts=GROUPS
    ),
    'AlignmentHead': dict(
        embed_dims=DIMS, num_tokens=GROUPS, hidden_dims=DIMS
    ),
    'FeatureHead': dict(embed_dims=DIMS),
    'CoordinateHead': dict(embed_dims=DIMS, group_size=SIZE),
    'CodeHead': dict(embed_dims=DIMS, num_codes=16),
    'ClassificationHead': dict(in_channels=2 * DIMS),
    'PartSegHead': dict(
        in_channels=3 * DIMS, propagation_channels=(32, 32), channels=(32, 16)
    ),
    'SemanticSegHead': dict(
        in_channels=3 * DIMS, propagation_channels=(32, 32), channels=(32, 16)
    ),
    'NearestCentersHead': dict(in_channels=DIMS, channels=(32, 16)),
    'ThreeDETRHead': dict(
        in_channels=DIMS,
        embed_dims=DIMS,
        num_queries=8,
        num_layers=2,
        num_heads=2,
        feedforward_dims=DIMS,
        projection_channels=(DIMS,),
    ),
    # Data: small rooms have few points.
    'RandomCuboidCrop': dict(min_points=100),
    'LoadRoomBlock': dict(min_points=100),
    'FewShotDraw': dict(way=2, shot=1, num_queries=1),
}


def shrink(cfg: Config) -> Config:
    """Make the networks and batches of a config small, in place.

    Students start from random weights, and so do teachers; the autoencoder
    of a stage II needs a checkpoint as before.
    """
    for part in iter_typed(cfg._cfg_dict):
        part.update(SIZES.get(part['type'], {}))
        if part.get('out_indices'):
            part.out_indices = tuple(range(LAYERS))
        if part.get('target_channels') == 384:
            part.target_channels = DIMS
        if 'downsample_size' in part:
            part.downsample_size = SIZE
    for name in ('train', 'val', 'test', 'target', 'tta'):
        loader = cfg.get(f'{name}_dataloader')
        if loader:
            # Whole rooms have different numbers of points.
            loader.update(batch_size=min(2, loader.batch_size), num_workers=0)
            loader.pop('persistent_workers', None)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.default_hooks.logger.interval = 1
    return cfg
