# DeiT-B/16 at 384 pixels, distilled. Released as
# deit_base_distilled_patch16_384 (timm 0.5).
teacher = dict(
    type='TimmTeacher',
    model_name='deit_base_distilled_patch16_384.fb_in1k',
    num_prompts=64,
)
