# ResMLP-24, distilled. Its blocks mix 196 tokens, so 64 patches take 132
# prompts. Released as resmlp_24_distilled_224 (timm 0.5).
teacher = dict(
    type='TimmTeacher',
    model_name='resmlp_24_224.fb_distilled_in1k',
    num_prompts=132,
)
