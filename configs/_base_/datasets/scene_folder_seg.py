# A folder of your own scans with a label of every point: ACT_CLOUDS=FOLDER
# (docs/data.md). ACT_LABEL names the column, ACT_SCALE makes metres (0.001 of
# millimetres), ACT_UP_AXIS is x, y or z. Blocks are of ACT_BLOCK metres.
num_points = 8192
block_size = float('{{$ACT_BLOCK:1.5}}')

scene_folder = dict(
    type='SceneFolder',
    data_root='{{$ACT_CLOUDS:data/clouds}}',
    task='segmentation',
    labels='{{$ACT_LABEL:auto}}',
    scale=float('{{$ACT_SCALE:1}}'),
    up_axis='{{$ACT_UP_AXIS:format}}',
    split_ratio='auto',
)
take_block = dict(
    type='IndoorPatchPointSample',
    num_points=num_points,
    block_size=block_size,
    ignore_index=255,
    use_normalized_coord=False,
    enlarge_size=0.2,
    min_unique_num=1,
)

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        **scene_folder,
        split='train',
        pipeline=[
            dict(type='LoadFolderScene'),
            take_block,
            dict(type='PackPointInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **scene_folder,
        split='test',
        test_mode=True,
        pipeline=[
            dict(type='LoadFolderScene'),
            dict(type='PackPointInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SemanticSegMetric')
test_evaluator = val_evaluator
