# ACT's autoencoder for scenes: the detector's 2048 patches. Their logits, half
# a gigabyte in a batch of 8, are held one scene at a time.
_base_ = './act_autoencoder.py'

num_groups = 2048
chunk_size = 1

autoencoder = dict(num_groups=num_groups, chunk_size=chunk_size)
