# S3DIS for short trainings on a CPU: blocks of 1024 points, a tenth of the
# points in an epoch. Another area than 5: ACT_S3DIS_AREA=1
_base_ = './s3dis.py'

num_points = 1024
sample_rate = 0.1

sample_blocks = [
    dict(
        type='LoadRoomBlock',
        num_points=num_points,
        block_size=1.0,
        min_points=256,
    ),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        num_points=num_points,
        sample_rate=sample_rate,
        pipeline=[
            *sample_blocks,
            *_base_.scale_shift,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        num_points=num_points,
        sample_rate=sample_rate,
        pipeline=[*sample_blocks, dict(type='PackPointInputs')],
    ),
)
test_dataloader = dict(num_workers=0)
