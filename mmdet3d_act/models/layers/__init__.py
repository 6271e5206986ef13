"""Building blocks shared by backbones, teachers, autoencoders and others."""

from mmdet3d_act.models.layers.cross_attention import (
    CrossAttention,
    CrossAttentionBlock,
)
from mmdet3d_act.models.layers.dgcnn import EdgeConv, PatchDGCNN
from mmdet3d_act.models.layers.folding import FoldingDecoder
from mmdet3d_act.models.layers.masking import (
    BlockPatchMask,
    RandomPatchMask,
    count_values,
    select,
)
from mmdet3d_act.models.layers.point_patches import (
    MiniPointNet,
    PointPatches,
    make_patches,
    patches_in_place,
)
from mmdet3d_act.models.layers.pooling import max_pool
from mmdet3d_act.models.layers.positional import FourierPosition, PositionMLP
from mmdet3d_act.models.layers.propagation import FeaturePropagation
from mmdet3d_act.models.layers.set_abstraction import (
    AbstractedPoints,
    SetAbstraction,
)
from mmdet3d_act.models.layers.sliding_windows import SlidingWindows
from mmdet3d_act.models.layers.threedetr_layers import (
    QueryAttention,
    ReLUFeedForward,
    ThreeDETRDecoder,
    ThreeDETRDecoderLayer,
    ThreeDETREncoderLayer,
    xavier_matrices,
)
from mmdet3d_act.models.layers.transformer import (
    POSITION_MODES,
    Attention,
    DropPath,
    FeedForward,
    TransformerBlock,
    TransformerEncoder,
    attend,
    init_linears,
)
