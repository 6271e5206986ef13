# Point-BERT's tokenizer: the discrete autoencoder without a teacher.
_base_ = './act_dvae_shapenet.py'

model = dict(embed_dims=256, code_dims=256, decoder_dims=256, teacher=None)
