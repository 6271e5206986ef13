# Point-BERT's objective on the tiny autoencoder's codes, for a CPU of two
# cores; train act_dvae_shapenet_tiny.py first.
_base_ = './act_pretrain_shapenet_tiny.py'

model = dict(
    objectives=dict(
        act=dict(
            target_generator=dict(generator=dict(type='AutoencoderCodes')),
            # Classes are not whitened.
            target_norm=None,
            head=dict(
                _delete_=True,
                type='CodeHead',
                embed_dims=128,
                num_codes=64,
            ),
        )
    )
)
