# ViT-B/16 on ResNet-50 at 384 pixels. Released as vit_base_r50_s16_384
# (timm 0.5); also vit_base_r50_s16_224_in21k, now
# vit_base_r50_s16_224.orig_in21k.
teacher = dict(
    type='TimmTeacher',
    model_name='vit_base_r50_s16_384.orig_in21k_ft_in1k',
    num_prompts=64,
)
