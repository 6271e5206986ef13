# ACT's autoencoder for a CPU of two cores: the first blocks of ViT-Tiny as
# the teacher, 64 codes.
num_groups = 32
group_size = 32

autoencoder = dict(
    type='DiscreteVAE',
    num_groups=num_groups,
    group_size=group_size,
    embed_dims=128,
    num_codes=64,
    code_dims=128,
    decoder_dims=128,
    patch_channels=(32, 64, 128),
    dgcnn_channels=(64, 128, 128),
    folding_channels=(128, 128),
    # Without it a training this short barely tells the codes apart.
    logit_scale=3.0,
    teacher=dict(
        type='TimmTeacher',
        model_name='vit_tiny_patch16_224.augreg_in21k_ft_in1k',
        num_layers=3,
        num_prompts=16,
        prompt_mode='deep',
        prompt_dropout=0.1,
    ),
)
