_base_ = './default_runtime.py'

default_hooks = dict(
    # MMDetection3D's pictures, as in scene_runtime.py.
    visualization=dict(type='Det3DVisualizationHook'),
    checkpoint=dict(
        save_best='published/mAP_0.25', rule='greater', max_keep_ckpts=1
    ),
)
visualizer = dict(type='Det3DLocalVisualizer')
val_cfg = dict()
test_cfg = dict()
