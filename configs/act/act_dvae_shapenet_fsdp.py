# ACT, stage I, with FSDP: gradients, states of the optimizer and, between
# steps, weights of what is trained are shared out to the processes. One
# process trains as act_dvae_shapenet.py does; checkpoints are the same.
_base_ = './act_dvae_shapenet.py'

strategy = dict(type='ShardedStrategy')
# No pictures during the training: one process would need the whole model.
custom_hooks = [
    hook for hook in _base_.custom_hooks if hook.type != 'ReconstructionHook'
]
