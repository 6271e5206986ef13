# ScanNet for semantic segmentation: 8192 points of a block of 1.5 m, as
# MMDetection3D draws them, coordinates only; validation and test on whole
# scenes, which the model cuts into windows.
_base_ = 'mmdet3d::_base_/datasets/scannet-seg.py'

data_root = '{{$ACT_DATA_ROOT:data/}}/scannet'
num_points = 8192

# MMDetection3D's test pipeline leaves out the mapping, which its metric needs.
load_scene = [
    dict(type='LoadScene', with_semantic_mask=True),
    dict(type='PointSegClassMapping'),
]
# MMDetection3D's inference looks for it.
load_points = dict(
    type='LoadPointsFromFile',
    coord_type='DEPTH',
    load_dim=6,
    use_dim=[0, 1, 2],
)
train_pipeline = [
    *load_scene,
    dict(
        type='IndoorPatchPointSample',
        num_points=num_points,
        block_size=1.5,
        ignore_index=20,
        use_normalized_coord=False,
        enlarge_size=0.2,
        min_unique_num=None,
    ),
    dict(type='PackPointInputs'),
]
test_pipeline = [load_points, *load_scene, dict(type='PackPointInputs')]
# Four views of the same points, by tools/test.py --tta.
views = [
    dict(
        type='RandomFlip3D',
        sync_2d=False,
        flip_ratio_bev_horizontal=horizontal,
        flip_ratio_bev_vertical=vertical,
    )
    for horizontal in (0.0, 1.0)
    for vertical in (0.0, 1.0)
]
tta_pipeline = [
    load_points,
    *load_scene,
    dict(
        type='TestTimeAug',
        transforms=[views, [dict(type='PackPointInputs')]],
    ),
]
tta_model = dict(type='AverageSegLogitsTTA')

train_dataloader = dict(
    _delete_=True,
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='ScanNetScenes',
        data_root=data_root,
        split='train',
        task='segmentation',
        # Large scenes come more often. A share of the scenes:
        # label_fraction=0.1.
        scene_idxs='seg_info/train_resampled_scene_idxs.npy',
        metainfo=_base_.metainfo,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ScanNetScenes',
        data_root=data_root,
        split='val',
        task='segmentation',
        test_mode=True,
        metainfo=_base_.metainfo,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# default_runtime.py has these.
_base_.pop('vis_backends')
_base_.pop('visualizer')
_base_.pop('eval_pipeline')
