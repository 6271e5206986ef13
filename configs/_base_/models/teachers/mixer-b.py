# MLP-Mixer-B/16. Its blocks mix 196 tokens, so 64 patches take 132 prompts.
# Released as mixer_b16_224_in21k (timm 0.5); also mixer_b16_224_miil, now
# mixer_b16_224.miil_in21k_ft_in1k.
teacher = dict(
    type='TimmTeacher',
    model_name='mixer_b16_224.goog_in21k',
    num_prompts=132,
)
