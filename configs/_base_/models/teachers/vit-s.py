# ViT-S/16 at 384 pixels. Released as vit_small_patch16_384 (timm 0.5).
teacher = dict(
    type='TimmTeacher',
    model_name='vit_small_patch16_384.augreg_in21k_ft_in1k',
    num_prompts=64,
)
