# BEiT-L/16 at 384 pixels, without its table of relative positions. Released
# as beit_large_patch16_384 (timm 0.5), which could not run.
teacher = dict(
    type='TimmTeacher',
    model_name='beit_large_patch16_384.in22k_ft_in22k_in1k',
    num_prompts=64,
)
