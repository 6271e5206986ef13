# BERT-base, a language Transformer. Released as bert-base-uncased
# (transformers), today google-bert/bert-base-uncased on the hub.
teacher = dict(
    type='LanguageTeacher',
    model='bert-base-uncased',
    num_prompts=64,
)
