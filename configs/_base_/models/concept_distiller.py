# Concept distillation: concepts that are drawn out of all blocks of the
# student become like what a caption model makes of the paired image.
embed_dims = 384
num_heads = 6
num_layers = 12
num_groups = 64
group_size = 32

student = dict(
    type='PointTransformer',
    embed_dims=embed_dims,
    num_layers=num_layers,
    num_heads=num_heads,
    drop_path_rate=0.1,
    num_groups=num_groups,
    group_size=group_size,
    with_cls_token=False,
    position='after',
    # What the concepts read: every block, through the final norm.
    out_indices=tuple(range(num_layers)),
    norm_hidden_states=True,
)
concept_extractor = dict(
    type='ConceptExtractor',
    embed_dims=embed_dims,
    num_concepts=32,
    num_layers=num_layers,
    num_heads=num_heads,
)
# Its size is that of the target.
alignment_head = dict(
    type='AlignmentHead',
    embed_dims=embed_dims,
    num_tokens=32,
    loss=dict(type='MSEFeatureLoss'),
)
clip = dict(type='OpenCLIPImageEncoder', model_name='ViT-B-32-quickgelu')
caption_prefix = dict(
    type='CaptionPrefixTarget',
    encoder=clip,
    # Of Conceptual Captions.
    mapping=dict(type='ClipCapMapping'),
)

# The ablations with reconstruction: features of 60 % of the encoded patches
# are left out, and the points of these patches predicted.
reconstruction = dict(
    target_generator=dict(type='PatchCoordinates'),
    mask=dict(type='RandomPatchMask', ratio=0.6),
    neck=dict(
        type='MaskDecoder',
        embed_dims=embed_dims,
        num_layers=3,
        num_heads=num_heads,
        drop_path_rate=0.1,
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
            target_generator=caption_prefix,
            neck=concept_extractor,
            head=alignment_head,
        )
    ),
    predicts=('targets',),
)
