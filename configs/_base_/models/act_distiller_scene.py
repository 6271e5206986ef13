# ACT, stage II, on scenes: the detector's 2048 patches.
_base_ = './act_distiller.py'

num_groups = 2048
chunk_size = 1

model = dict(
    student=dict(num_groups=num_groups),
    objectives=dict(
        act=dict(
            target_generator=dict(
                autoencoder=dict(num_groups=num_groups, chunk_size=chunk_size),
                checkpoint='{{$ACT_AUTOENCODER:work_dirs/act_dvae_scannet}}',
                stage1_config='configs/act/act_dvae_scannet.py',
            )
        )
    ),
)
