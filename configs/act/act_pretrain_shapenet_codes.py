# Point-BERT's objective on ACT's autoencoder: masked patches predict the codes
# instead of the teacher's features.
_base_ = './act_pretrain_shapenet.py'

model = dict(
    objectives=dict(
        act=dict(
            target_generator=dict(type='AutoencoderCodes'),
            head=dict(
                _delete_=True,
                type='CodeHead',
                embed_dims=384,
                num_codes=8192,
            ),
        )
    )
)
