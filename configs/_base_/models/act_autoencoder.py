# ACT's autoencoder: a Transformer of images or language, frozen and
# prompt-tuned, between the codes and the decoder. ACT_TEACHER=deit-b chooses
# another one than ViT-B/16, in both stages; a name that is not here is one of
# timm's models.
teacher_name = '{{$ACT_TEACHER:vit-b}}'
timm_names = {
    'vit-b': 'vit_base_patch16_384.augreg_in21k_ft_in1k',
    'vit-s': 'vit_small_patch16_384.augreg_in21k_ft_in1k',
    # ViT-B/16 on ResNet-50.
    'vit-r50': 'vit_base_r50_s16_384.orig_in21k_ft_in1k',
    'deit-b': 'deit_base_distilled_patch16_384.fb_in1k',
    'deit-s': 'deit_small_distilled_patch16_224.fb_in1k',
    # Without their table of relative positions.
    'beit-b': 'beit_base_patch16_384.in22k_ft_in22k_in1k',
    'beit-l': 'beit_large_patch16_384.in22k_ft_in22k_in1k',
    'mixer-b': 'mixer_b16_224.goog_in21k',
    'resmlp-24': 'resmlp_24_224.fb_distilled_in1k',
    # Not among the published ones.
    'dinov2-b': 'vit_base_patch14_dinov2.lvd142m',
}
if teacher_name == 'clip-b':
    # The visual tower of OpenAI's CLIP, with its quick-GELU.
    teacher = dict(
        type='OpenCLIPTeacher', model_name='ViT-B-16', pretrained_tag='openai'
    )
elif teacher_name == 'bert-b':
    teacher = dict(type='LanguageTeacher', model='bert-base-uncased')
else:
    teacher = dict(
        type='TimmTeacher',
        model_name=timm_names.get(teacher_name, teacher_name),
    )
# MLP-Mixer and ResMLP mix 196 tokens: 64 patches and 132 prompts.
mixes_tokens = teacher_name in ('mixer-b', 'resmlp-24')
# Of work directories.
teacher_suffix = '' if teacher_name == 'vit-b' else f'_{teacher_name}'
del timm_names

autoencoder = dict(
    type='DiscreteVAE',
    num_groups=64,
    group_size=32,
    embed_dims=384,
    num_codes=8192,
    code_dims=384,
    decoder_dims=384,
    teacher=dict(
        **teacher,
        num_prompts=132 if mixes_tokens else 64,
        prompt_mode='deep',
        prompt_dropout=0.1,
    ),
)
