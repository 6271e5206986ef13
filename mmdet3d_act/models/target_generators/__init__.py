"""What turns a batch into the detached target of a distillation."""

from mmdet3d_act.models.target_generators.autoencoder_target import (
    AutoencoderCodes,
    AutoencoderTarget,
)
from mmdet3d_act.models.target_generators.batch_target import (
    PatchCoordinates,
    VectorTarget,
)
from mmdet3d_act.models.target_generators.image_target import (
    CaptionPrefixTarget,
    ImageEmbeddingTarget,
    ImagePatchTarget,
    PairedImageTarget,
)
from mmdet3d_act.models.target_generators.stored_target import (
    CachedTarget,
    StoredTarget,
    StoreError,
    TargetStore,
)
from mmdet3d_act.models.target_generators.target_norm import TargetNorm
