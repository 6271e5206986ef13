# ACT, stage II, with a hybrid ViT-B on ResNet-50 as the teacher; train
# act_dvae_shapenet_vit-r50.py first.
_base_ = ['./act_pretrain_shapenet.py', '../_base_/models/teachers/vit-r50.py']

target_generator = dict(
    autoencoder=dict(teacher=dict(_delete_=True, **_base_.teacher)),
    checkpoint='{{$ACT_AUTOENCODER:work_dirs/act_dvae_shapenet_vit-r50}}',
    stage1_config='configs/act/act_dvae_shapenet_vit-r50.py',
)
model = dict(objectives=dict(act=dict(target_generator=target_generator)))
