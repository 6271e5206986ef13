# The tiny ACT, stage II, on scenes: 256 patches. Crops differ in every epoch,
# so that no target can be computed in advance but the targets' statistics.
_base_ = './act_distiller_tiny.py'

num_groups = 256

autoencoder = dict(num_groups=num_groups)
model = dict(
    student=dict(num_groups=num_groups),
    objectives=dict(
        act=dict(
            target_generator=dict(
                _delete_=True,
                type='AutoencoderTarget',
                autoencoder=dict(_base_.autoencoder, num_groups=num_groups),
                checkpoint='{{$ACT_AUTOENCODER:work_dirs/act_dvae_scannet_tiny}}',
                stage1_config='configs/act/act_dvae_scannet_tiny.py',
                noise=False,
            )
        )
    ),
)
