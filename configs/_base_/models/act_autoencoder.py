# ACT's autoencoder: ViT-B/16, frozen and prompt-tuned, between the codes and
# the decoder.
autoencoder = dict(
    type='DiscreteVAE',
    num_groups=64,
    group_size=32,
    embed_dims=384,
    num_codes=8192,
    code_dims=384,
    decoder_dims=384,
    teacher=dict(
        type='TimmTeacher',
        model_name='vit_base_patch16_384.augreg_in21k_ft_in1k',
        num_prompts=64,
        prompt_mode='deep',
        prompt_dropout=0.1,
    ),
)
