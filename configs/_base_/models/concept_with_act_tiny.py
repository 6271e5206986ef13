# ACT and concepts on one student, for a CPU of two cores.
_base_ = './act_distiller_tiny.py'

num_layers = 4

model = dict(
    student=dict(
        out_indices=tuple(range(num_layers)), norm_hidden_states=True
    ),
    objectives=dict(
        # The points of a cloud are others in every epoch: nothing to cache.
        act=dict(
            target_generator=dict(
                _delete_=True,
                type='AutoencoderTarget',
                autoencoder=_base_.autoencoder,
                checkpoint='{{$ACT_AUTOENCODER:work_dirs/act_dvae_shapenet_tiny}}',
                stage1_config='configs/act/act_dvae_shapenet_tiny.py',
                noise=False,
            )
        ),
        concept=dict(
            whole_cloud=True,
            target_generator=dict(type='VectorTarget', num_channels=1024),
            target_norm=dict(
                type='TargetNorm', mode='standardize', num_channels=1024
            ),
            neck=dict(
                type='ConceptExtractor',
                embed_dims=_base_.embed_dims,
                num_concepts=8,
                num_layers=num_layers,
                num_heads=_base_.num_heads,
            ),
            head=dict(
                type='AlignmentHead',
                embed_dims=_base_.embed_dims,
                num_tokens=8,
                hidden_dims=256,
                loss=dict(type='MSEFeatureLoss'),
            ),
        ),
    ),
    predicts=('targets',),
)
