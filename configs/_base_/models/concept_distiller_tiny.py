# Concept distillation for a CPU of two cores: the image embedding of a
# ViT-Tiny, standardised, is the target; there is no caption model of its size.
embed_dims = 128
num_heads = 4
num_layers = 4
num_groups = 32
group_size = 32

student = dict(
    type='PointTransformer',
    embed_dims=embed_dims,
    num_layers=num_layers,
    num_heads=num_heads,
    drop_path_rate=0.0,
    num_groups=num_groups,
    group_size=group_size,
    patch_channels=(32, 64, 128),
    with_cls_token=False,
    position='after',
    out_indices=tuple(range(num_layers)),
    norm_hidden_states=True,
)
concept_extractor = dict(
    type='ConceptExtractor',
    embed_dims=embed_dims,
    num_concepts=8,
    num_layers=num_layers,
    num_heads=num_heads,
)
alignment_head = dict(
    type='AlignmentHead',
    embed_dims=embed_dims,
    num_tokens=8,
    hidden_dims=256,
    loss=dict(type='MSEFeatureLoss'),
)
vit = dict(
    type='TimmImageEncoder',
    model_name='vit_tiny_patch16_224.augreg_in21k_ft_in1k',
    checkpoint='vit_tiny_patch16_224.pth',
)
reconstruction = dict(
    target_generator=dict(type='PatchCoordinates'),
    mask=dict(type='RandomPatchMask', ratio=0.6),
    neck=dict(
        type='MaskDecoder',
        embed_dims=embed_dims,
        num_layers=1,
        num_heads=num_heads,
        drop_path_rate=0.0,
        mask_tokens='encoded',
    ),
    head=dict(
        type='CoordinateHead',
        embed_dims=embed_dims,
        group_size=group_size,
        loss=dict(type='PatchChamferLoss', norm='l2'),
    ),
)

model = dict(
    type='Distiller',
    student=student,
    objectives=dict(
        concept=dict(
            target_generator=dict(type='ImageEmbeddingTarget', encoder=vit),
            target_norm=dict(
                type='TargetNorm', mode='standardize', num_channels=192
            ),
            neck=concept_extractor,
            head=alignment_head,
        )
    ),
    predicts=('targets',),
)
