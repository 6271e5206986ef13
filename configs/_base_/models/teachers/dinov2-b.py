# DINOv2 ViT-B/14, self-supervised. Not among the released configs.
teacher = dict(
    type='TimmTeacher',
    model_name='vit_base_patch14_dinov2.lvd142m',
    num_prompts=64,
)
