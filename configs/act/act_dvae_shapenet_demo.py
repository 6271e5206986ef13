# The tiny stage I with a language Transformer as the teacher: `make demo`.
_base_ = './act_dvae_shapenet_tiny.py'

model = dict(
    teacher=dict(
        _delete_=True,
        type='LanguageTeacher',
        model='all-MiniLM-L6-v2',
        num_layers=3,
        num_prompts=16,
        prompt_mode='deep',
        prompt_dropout=0.1,
    )
)
