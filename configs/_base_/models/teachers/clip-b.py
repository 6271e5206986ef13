# The visual tower of OpenAI's CLIP ViT-B/16, with the quick-GELU that its
# weights were trained with. Released as ViT-B/16 (OpenAI's clip).
teacher = dict(
    type='OpenCLIPTeacher',
    model_name='ViT-B-16',
    pretrained_tag='openai',
    num_prompts=64,
)
