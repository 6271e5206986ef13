# Point-BERT: masked patches of a block stand as mask tokens at the student's
# input and predict the codes of its tokenizer; train dvae_shapenet.py first.
# Its contrastive branch and its mixing of two clouds are left out.
_base_ = './act_pretrain_shapenet.py'

model = dict(
    # The paper draws a share of 0.25 to 0.45 for each cloud.
    mask=dict(type='BlockPatchMask', ratio=0.35),
    mask_tokens='input',
    objectives=dict(
        act=dict(
            target_generator=dict(
                type='AutoencoderCodes',
                autoencoder=dict(
                    embed_dims=256,
                    code_dims=256,
                    decoder_dims=256,
                    teacher=None,
                ),
                checkpoint='{{$ACT_AUTOENCODER:work_dirs/dvae_shapenet}}',
                stage1_config='configs/act/dvae_shapenet.py',
            ),
            neck=dict(_delete_=True, type='MaskedFeatures'),
            head=dict(
                _delete_=True,
                type='CodeHead',
                embed_dims=384,
                num_codes=8192,
            ),
        )
    ),
)
