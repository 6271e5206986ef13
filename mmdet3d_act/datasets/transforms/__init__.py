"""Transforms of one point-cloud sample; importing it registers them."""

from mmdet3d_act.datasets.transforms.augment import (
    RandomFeatureDropout,
    RandomPointDropout,
    RandomPointRotation,
    RandomPointScaleShift,
    rotate,
    scale_and_shift,
)
from mmdet3d_act.datasets.transforms.formatting import PackPointInputs
from mmdet3d_act.datasets.transforms.images import (
    LoadFrame,
    LoadImage,
    PrepareImage,
)
from mmdet3d_act.datasets.transforms.loading import (
    LoadFolderScene,
    LoadPointCloud,
    LoadRoom,
    LoadRoomBlock,
    LoadScene,
)
from mmdet3d_act.datasets.transforms.normalize import (
    CenterOnGround,
    NormalizeToUnitSphere,
    normalize_to_unit_sphere,
)
from mmdet3d_act.datasets.transforms.sampling import (
    GroupPoints,
    KeepFarthestPoints,
    RandomCuboidCrop,
    SamplePoints,
)
