# DeiT-S/16, distilled. Released as
# deit_small_distilled_patch16_224 (timm 0.5).
teacher = dict(
    type='TimmTeacher',
    model_name='deit_small_distilled_patch16_224.fb_in1k',
    num_prompts=64,
)
