# The tiny autoencoder for scenes: 256 patches.
_base_ = './act_autoencoder_tiny.py'

num_groups = 256

autoencoder = dict(num_groups=num_groups)
