# ACT and concepts on one student, which is ACT's: masked patches predict the
# autoencoder's features, concepts of the whole cloud the image's.
_base_ = './act_distiller.py'

num_layers = 12

model = dict(
    student=dict(
        out_indices=tuple(range(num_layers)), norm_hidden_states=True
    ),
    objectives=dict(
        concept=dict(
            whole_cloud=True,
            target_generator=dict(
                type='ImageEmbeddingTarget',
                encoder=dict(
                    type='OpenCLIPImageEncoder',
                    model_name='ViT-B-32-quickgelu',
                ),
            ),
            neck=dict(
                type='ConceptExtractor',
                embed_dims=_base_.embed_dims,
                num_concepts=32,
                num_layers=num_layers,
                num_heads=_base_.num_heads,
            ),
            head=dict(
                type='AlignmentHead',
                embed_dims=_base_.embed_dims,
                num_tokens=32,
                loss=dict(type='MSEFeatureLoss'),
            ),
        )
    ),
    predicts=('targets',),
)
