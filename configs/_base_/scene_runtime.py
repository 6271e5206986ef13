# Scenes: with MMDetection3D's pictures of them, which its tools/test.py --show
# and browse_dataset.py draw by open3d.
_base_ = './default_runtime.py'

default_hooks = dict(visualization=dict(type='Det3DVisualizationHook'))
visualizer = dict(type='Det3DLocalVisualizer')
