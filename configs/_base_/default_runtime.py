default_scope = 'mmdet3d'
# The one place that imports the package; it registers its classes.
custom_imports = dict(imports=['mmdet3d_act'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # MMEngine's, but a kill while saving takes nothing away.
    checkpoint=dict(
        type='AtomicCheckpointHook', interval=10, max_keep_ckpts=3
    ),
    # Also tells the sampler the epoch, on which samples depend.
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
custom_hooks = [dict(type='IterationSeedHook')]
randomness = dict(seed=0, deterministic=False)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # Without CUDA tools/train.py starts gloo instead.
    dist_cfg=dict(backend='nccl'),
)

# MMEngine's own: MMDetection3D's needs open3d and, for some pictures, a
# display. For TensorBoard add dict(type='TensorboardVisBackend').
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)

log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'
load_from = None
resume = False
