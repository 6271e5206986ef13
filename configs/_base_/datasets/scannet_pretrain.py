# ScanNet's scenes for pretraining, without labels: 20 000 points of a crop in
# metres, where it lies in its aligned room. The papers give no settings: the
# crops and augmentations are those of the detector.
_base_ = './scannet_det.py'

num_points = 20000

load_scene = [
    dict(type='LoadScene'),
    dict(type='GlobalAlignment', rotation_axis=2),
]
take_points = dict(
    type='SamplePoints', num_points=num_points, on_too_few='repeat'
)
crop_scene = [
    dict(type='RandomCuboidCrop', min_points=num_points),
    take_points,
]

train_dataloader = dict(
    dataset=dict(
        samples_per_scene=4,
        pipeline=[
            *load_scene,
            *crop_scene,
            *_base_.scene_augmentation,
            dict(type='PackPointInputs'),
        ],
    ),
)
# Whole scenes, for the reconstruction of stage I.
val_dataloader = dict(
    dataset=dict(
        pipeline=[*load_scene, take_points, dict(type='PackPointInputs')],
    ),
)
test_dataloader = val_dataloader

# The methods have these.
_base_.pop('val_evaluator')
_base_.pop('test_evaluator')
_base_.pop('train_pipeline')
_base_.pop('test_pipeline')
