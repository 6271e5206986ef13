"""A frozen stage-I autoencoder as the teacher of stage II."""

from __future__ import annotations

import os.path as osp
from abc import abstractmethod
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.checkpoint import (
    fill_module,
    find_checkpoint,
    read_weights,
    resolve_checkpoint,
    under_prefix,
)
from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.models.layers.frozen import FrozenModule
from mmdet3d_act.registry import MODELS, build_module
from mmdet3d_act.text import inform

STAGE1_CONFIG = 'configs/act/act_dvae_shapenet.py'
# Where a converted stage II keeps the codebook of its autoencoder.
IN_DISTILLER = '.autoencoder.module.codebook'


class _FrozenAutoencoder(BaseModule):
    """Base of the targets that a frozen stage-I autoencoder gives.

    The autoencoder is frozen in every respect: no gradient, evaluation mode,
    buffers untouched. Its weights are not stored again in the checkpoints of
    the student; their fingerprint is, and resuming checks it.

    Args:
        autoencoder: Config of the autoencoder, or the loaded module.
        checkpoint: Its stage-I checkpoint: a file, or the work directory of
            the training, whose last checkpoint is taken. None only where a
            loaded module is given.
        noise: Whether the codes are drawn at random or are the most likely
            ones; None for the published choice.
        published_train_mode: Whether the autoencoder follows the student into
            training mode, as in the published loop: batch statistics that
            drift and prompt dropout.
        reduced: Whether the targets are computed in bfloat16 while the
            student stays in its own precision. These are not the published
            targets: with random weights of the published sizes some codes are
            others, the mean cosine to the targets in float32 is 0.96 without
            noise, in 0.55 of their time on a CPU.
        stage1_config: Config that trains the autoencoder; named where the
            checkpoint is missing.
    """

    published_noise: bool

    def __init__(
        self,
        autoencoder: dict | nn.Module,
        checkpoint: str | None = None,
        *,
        noise: bool | None = None,
        published_train_mode: bool = False,
        reduced: bool = False,
        stage1_config: str = STAGE1_CONFIG,
    ) -> None:
        super().__init__()
        if checkpoint is None and not isinstance(autoencoder, nn.Module):
            raise ValueError(
                f'{type(self).__name__} needs the checkpoint of its '
                f'autoencoder; train it with `python tools/train.py '
                f'{stage1_config}` and give the work directory or the file'
            )
        self.autoencoder = FrozenModule(
            build_module(autoencoder),
            train_mode=published_train_mode,
            pending=checkpoint is not None,
        )
        self.checkpoint = checkpoint
        self.noise = self.published_noise if noise is None else noise
        self.reduced = reduced
        self.stage1_config = stage1_config

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """List what keeps a config from being built, with the remedy."""
        checkpoint = cfg.get('checkpoint')
        if not isinstance(checkpoint, str) or find_checkpoint(checkpoint):
            return []
        stage1 = cfg.get('stage1_config', STAGE1_CONFIG)
        return [
            f'the stage-I autoencoder is missing: no checkpoint at '
            f'{checkpoint!r}. Train it first with `python tools/train.py '
            f'{stage1}`, or name another by the environment variable '
            'ACT_AUTOENCODER (a .pth file or a work directory)'
        ]

    def init_weights(self) -> None:
        """Load the autoencoder.

        Raises:
            CheckpointError: If there is no checkpoint, or it does not fill
                the autoencoder exactly.
        """
        if not self.autoencoder.pending:
            return
        remedy = f'train it by `python tools/train.py {self.stage1_config}`'
        path = resolve_checkpoint(self.checkpoint, remedy)
        module = self.autoencoder.module
        state = _of_autoencoder(read_weights(path))
        if not set(module.state_dict()) <= set(state):
            # A converted file has all of it; others leave out the teacher's
            # own weights, which are loaded from their file.
            module.init_weights()
        fill_module(
            module,
            state,
            path,
            remedy=f'give the autoencoder that it was trained as, or {remedy}',
        )
        self.autoencoder.set_source(osp.basename(path))
        inform(f'autoencoder loaded from {path}')

    @torch.no_grad()
    def forward(
        self,
        inputs: dict,
        patches: PointPatches,
        data_samples: list | None = None,
    ) -> Tensor:
        """Return the target of every patch, (B, G, ...).

        Raises:
            ValueError: If the autoencoder has other patches.
        """
        self.autoencoder.check_ready()
        given = patches.neighborhoods.shape[1:3]
        module = self.autoencoder.module
        own = (module.num_groups, module.group_size)
        if own != tuple(given):
            raise ValueError(
                f'num_groups and group_size must be those of the autoencoder, '
                f'{own}, got {tuple(given)} of the student'
            )
        if not self.reduced:
            return self._target(patches)
        with torch.autocast(patches.centers.device.type, torch.bfloat16):
            target = self._target(patches)
        return target.float() if target.is_floating_point() else target

    @abstractmethod
    def _target(self, patches: PointPatches) -> Tensor:
        """Compute the target of every patch, (B, G, ...)."""


@MODELS.register_module()
class AutoencoderTarget(_FrozenAutoencoder):
    """Features of a frozen autoencoder, of the whole cloud, as targets.

    Codes are drawn at random by default, the paper's way. Other arguments are
    the base class's.

    Source: Dong et al., Autoencoders as Cross-Modal Teachers, ICLR 2023,
    section 3.3.

    Args:
        autoencoder: Config of the autoencoder, or the loaded module.
        checkpoint: Its stage-I checkpoint, a file or a work directory.
        local: Whether the target stops before the second DGCNN.
        **options: ``noise``, ``published_train_mode``, ``reduced``,
            ``stage1_config``.
    """

    published_noise = True

    def __init__(
        self,
        autoencoder: dict | nn.Module,
        checkpoint: str | None = None,
        *,
        local: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(autoencoder, checkpoint, **options)
        self.local = local
        module = self.autoencoder.module
        self.target_channels = (
            module.codebook.shape[-1] if local else module.out_channels
        )

    def _target(self, patches: PointPatches) -> Tensor:
        """Compute the features, (B, G, C)."""
        return self.autoencoder.module.encode(
            patches, noise=self.noise, local=self.local
        )


@MODELS.register_module()
class AutoencoderCodes(_FrozenAutoencoder):
    """Code indices of a frozen autoencoder, of the whole cloud, as targets.

    Point-BERT's targets: what a masked patch's code is, by default the most
    likely one. They depend on the patch embedding, the first DGCNN and the
    codebook's size only; the teacher behind the codes is not evaluated.
    :class:`~mmdet3d_act.models.heads.CodeHead` predicts them. Targets that are
    classes cannot be normalised.

    Source: Yu et al., Point-BERT, CVPR 2022, section 3.2. Its contrastive
    branch (momentum encoder and queue), the mixing of patches of two clouds,
    the random replacement of visible patches and a mask ratio drawn for each
    cloud are not covered.
    """

    published_noise = False

    def _target(self, patches: PointPatches) -> Tensor:
        """Look up the indices, int64 (B, G)."""
        return self.autoencoder.module.get_codes(patches, noise=self.noise)


def _of_autoencoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the autoencoder's weights, also out of a whole stage II."""
    anchor = next((key for key in state if key.endswith(IN_DISTILLER)), None)
    if anchor is None:
        return state
    return under_prefix(state, anchor.removesuffix('codebook'))
