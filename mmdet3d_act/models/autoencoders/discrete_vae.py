"""The discrete autoencoder of point patches (stage I).

Letters: B batch, N points, G patches, K points of a patch, T codes,
C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.autoencoders.quantization import (
    Reconstruction,
    choose_codes,
    draw_codes,
    map_clouds,
    quantize,
)
from mmdet3d_act.models.autoencoders.statistics import (
    code_statistics,
    variance_share,
)
from mmdet3d_act.models.layers import (
    FoldingDecoder,
    MiniPointNet,
    PatchDGCNN,
    PointPatches,
    make_patches,
    patches_in_place,
)
from mmdet3d_act.models.losses import PatchChamferLoss
from mmdet3d_act.models.point_model import PointModel
from mmdet3d_act.models.teachers import TokenTeacher
from mmdet3d_act.ops import check_positive
from mmdet3d_act.registry import MODELS, build_module
from mmdet3d_act.text import check_least


@MODELS.register_module()
class DiscreteVAE(PointModel):
    """Discrete autoencoder of point patches, with or without a teacher.

    Patches are embedded, mixed by a DGCNN to logits over a codebook, quantised
    with Gumbel-softmax, mixed by a second DGCNN and folded back to points.
    Without a teacher this is Point-BERT's tokenizer; with one, a frozen and
    prompt-tuned Transformer between the codes and the second DGCNN, it is
    ACT's autoencoder, whose features are the targets of stage II.

    Source: Yu et al., Point-BERT, CVPR 2022, section 3.1; Dong et al.,
    Autoencoders as Cross-Modal Teachers, ICLR 2023, section 3.2.

    Example:
        >>> vae = DiscreteVAE(num_groups=16, num_codes=64)
        >>> patches = vae.group(torch.rand(2, 128, 3))
        >>> vae.reconstruct(patches).fine.shape
        torch.Size([2, 16, 32, 3])

    Args:
        num_groups: Patches G per cloud.
        group_size: Points K per patch, a multiple of 4.
        embed_dims: Width of the patch embedding.
        num_codes: Codes T.
        code_dims: Width of a code.
        decoder_dims: Width C of the features that the decoder reads.
        patch_channels: See :class:`~mmdet3d_act.models.layers.MiniPointNet`.
        dgcnn_channels: See :class:`~mmdet3d_act.models.layers.PatchDGCNN`.
        folding_channels: Widths of the coarse and the fine MLP of
            :class:`~mmdet3d_act.models.layers.FoldingDecoder`.
        teacher: A token teacher (config or module), or None. Its
            ``in_channels`` and ``out_channels`` default to ``code_dims``. A
            mixer of a fixed number of tokens refuses a wrong ``num_prompts``.
        temperature: Temperature of the Gumbel-softmax; a
            ``ScheduledValueHook`` lowers it during training.
        kl_weight: Weight of the KL loss; scheduled likewise.
        logit_scale: Factor of the logits; above 1 the codes are more
            distinct from the start, for short trainings.
        skip_origin: Whether farthest point sampling skips points close to the
            origin, as published code does.
        chunk_size: Clouds whose code logits, (B, G, T), are held at once, see
            :func:`~mmdet3d_act.models.autoencoders.quantization.map_clouds`;
            for many patches. None: all.
        data_preprocessor: Config of the data preprocessor.
        init_cfg: Initialisation config.
    """

    def __init__(
        self,
        *,
        num_groups: int = 64,
        group_size: int = 32,
        embed_dims: int = 384,
        num_codes: int = 8192,
        code_dims: int = 384,
        decoder_dims: int = 384,
        patch_channels: tuple[int, int, int] = (128, 256, 512),
        dgcnn_channels: tuple[int, ...] = (128, 256, 512, 512, 1024),
        folding_channels: tuple[int, int] = (1024, 512),
        teacher: dict | nn.Module | None = None,
        temperature: float = 1.0,
        kl_weight: float = 0.0,
        logit_scale: float = 1.0,
        skip_origin: bool = False,
        chunk_size: int | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if chunk_size is not None:
            check_least('chunk_size', chunk_size, 1)
        check_positive(logit_scale, 'logit_scale')
        super().__init__(data_preprocessor, init_cfg)
        self.num_groups = num_groups
        self.group_size = group_size
        self.temperature = temperature
        self.kl_weight = kl_weight
        self.logit_scale = logit_scale
        self.skip_origin = skip_origin
        self.chunk_size = chunk_size
        self.patch_embed = MiniPointNet(
            embed_dims, channels=tuple(patch_channels)
        )
        dgcnn_channels = tuple(dgcnn_channels)
        self.to_logits = PatchDGCNN(embed_dims, num_codes, dgcnn_channels)
        self.codebook = nn.Parameter(torch.randn(num_codes, code_dims))
        if isinstance(teacher, dict):
            teacher = {
                'in_channels': code_dims,
                'out_channels': code_dims,
                **teacher,
            }
        self.teacher = build_module(teacher)
        if isinstance(self.teacher, TokenTeacher):
            self.teacher.check_num_groups(num_groups)
        self.mixer = PatchDGCNN(code_dims, decoder_dims, dgcnn_channels)
        self.decoder = FoldingDecoder(
            decoder_dims, group_size, *folding_channels
        )
        self.chamfer = PatchChamferLoss(norm='l1')

    @property
    def out_channels(self) -> int:
        """Width of the features that :meth:`encode` returns by default."""
        return self.mixer.fuse.out_features

    def group(
        self,
        points: Tensor,
        center_indices: Tensor | None = None,
        neighbor_indices: Tensor | None = None,
        **_: Tensor,
    ) -> PointPatches:
        """Return the patches of ``points`` (B, N, 3).

        What else a sample has, such as the pixels of its points, is not read.

        Raises:
            ValueError: If the points have features: the autoencoder reads
                and writes coordinates.
        """
        if points.shape[-1] != 3:
            raise ValueError(
                'the autoencoder expects coordinates only, (B, N, 3), got '
                f'{tuple(points.shape)}; use_dim=[0, 1, 2] in the pipeline '
                'keeps them'
            )
        return make_patches(
            points,
            self.num_groups,
            self.group_size,
            skip_origin=self.skip_origin,
            center_indices=center_indices,
            neighbor_indices=neighbor_indices,
        )

    def get_logits(self, patches: PointPatches) -> Tensor:
        """Return the code logits, (B, G, T), of ``patches``."""
        return self._logits(self._mix(patches))

    def _mix(self, patches: PointPatches) -> Tensor:
        tokens = self.patch_embed(patches.neighborhoods[..., :3])
        return self.to_logits.mix(tokens, patches.centers)

    def _logits(self, mixed: Tensor) -> Tensor:
        logits = self.to_logits.project(mixed)
        return logits if self.logit_scale == 1 else logits * self.logit_scale

    def get_codes(self, patches: PointPatches, noise: bool = False) -> Tensor:
        """Return the index of the code of every patch, int64 (B, G).

        Args:
            patches: The whole cloud's patches.
            noise: Whether the codes are drawn, see :meth:`encode`.
        """

        def choose(mixed: Tensor) -> tuple[Tensor]:
            logits = self._logits(mixed)
            return (draw_codes(logits) if noise else logits.argmax(-1),)

        with torch.no_grad():
            return map_clouds(choose, self._mix(patches), self.chunk_size)[0]

    def encode(
        self,
        patches: PointPatches,
        *,
        noise: bool = True,
        local: bool = False,
    ) -> Tensor:
        """Return the features of hard codes: the target of stage II.

        Args:
            patches: The whole cloud's patches.
            noise: Whether the codes are drawn (Gumbel noise, temperature 1)
                as the paper does, or the most likely ones.
            local: Whether to stop before the second DGCNN.

        Returns:
            (B, G, C); C is ``decoder_dims``, or ``code_dims`` where local.
        """

        def choose(mixed: Tensor) -> tuple[Tensor]:
            settings = dict(hard=True, noise=noise)
            return (quantize(self._logits(mixed), self.codebook, **settings),)

        (codes,) = map_clouds(choose, self._mix(patches), self.chunk_size)
        return self._contextualize(codes, patches.centers, local=local)

    def _contextualize(
        self, codes: Tensor, centers: Tensor, *, local: bool = False
    ) -> Tensor:
        if self.teacher is not None:
            codes = self.teacher(codes, centers)
        return codes if local else self.mixer(codes, centers)

    def decode(
        self, features: Tensor, centers: Tensor, *, local: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the coarse and fine patches that features stand for.

        Args:
            features: From :meth:`encode` or like it, (B, G, C).
            centers: (B, G, 3).
            local: Whether they are features of before the second DGCNN.

        Returns:
            (B, G, K/4, 3) and (B, G, K, 3), relative to the patch centre.
        """
        return self.decoder(
            self.mixer(features, centers) if local else features
        )

    def decode_codes(
        self, codes: Tensor, centers: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the coarse and fine patches that codes stand for.

        Args:
            codes: Code indices, int64 (B, G).
            centers: (B, G, 3).

        Returns:
            (B, G, K/4, 3) and (B, G, K, 3), relative to the patch centre.
        """
        tokens = F.embedding(codes, self.codebook)
        return self.decoder(self._contextualize(tokens, centers))

    def reconstruct(
        self,
        patches: PointPatches,
        *,
        hard: bool = True,
        noise: bool = False,
        temperature: float = 1.0,
    ) -> Reconstruction:
        """Return the reconstructed patches.

        Args:
            patches: From :meth:`group`.
            hard: See
                :func:`~mmdet3d_act.models.autoencoders.quantization.quantize`.
            noise: See there.
            temperature: See there.
        """
        settings = dict(hard=hard, noise=noise, temperature=temperature)

        def choose(mixed: Tensor) -> tuple[Tensor, ...]:
            logits = self._logits(mixed)
            chosen = choose_codes(logits, self.codebook, **settings)
            return chosen if self.chunk_size else (*chosen, logits)

        tokens, codes, divergence, *logits = map_clouds(
            choose, self._mix(patches), self.chunk_size
        )
        features = self._contextualize(tokens, patches.centers)
        coarse, fine = self.decoder(features)
        return Reconstruction(
            coarse,
            fine,
            logits[0] if logits else None,
            features,
            codes,
            divergence,
        )

    def _forward(self, inputs: dict) -> Tensor:
        """Compute the features of the most likely codes, (B, G, C)."""
        return self.encode(self.group(**inputs), noise=False)

    def loss(self, inputs: dict, data_samples: list | None = None) -> dict:
        """Return the losses and what shows a collapse early.

        Returns:
            ``loss_coarse``, ``loss_fine``: Chamfer-L1 on local patches;
            ``loss_kl``: weighted; ``kl``: unweighted; ``codes_used`` and
            ``perplexity`` of the most likely codes of the batch;
            ``target_variance``: share of the decoder input's energy that is
            left after its mean is removed; ``temperature``.
        """
        patches = self.group(**inputs)
        output = self.reconstruct(
            patches, hard=False, noise=True, temperature=self.temperature
        )
        divergence = output.divergence.mean()
        return {
            'loss_coarse': self.chamfer(output.coarse, patches.neighborhoods),
            'loss_fine': self.chamfer(output.fine, patches.neighborhoods),
            'loss_kl': self.kl_weight * divergence,
            'kl': divergence.detach(),
            'temperature': torch.tensor(self.temperature),
            'kl_weight': torch.tensor(self.kl_weight),
            **code_statistics(output.codes, len(self.codebook)),
            'target_variance': variance_share(output.features.detach()),
        }

    @torch.no_grad()
    def predict(self, inputs: dict, data_samples: list) -> list:
        """Return the data samples with their reconstructions.

        The most likely codes are decoded. Each sample gets ``pred_coarse``
        (G*K/4, 3) and ``pred_fine`` (G*K, 3), ``gt_patches`` (G*K, 3) and
        ``eval_points`` (N, 3), all at their place in the cloud.
        """
        patches = self.group(**inputs)
        output = self.reconstruct(patches)
        places = [
            patches_in_place(patches.centers, local)
            for local in (output.coarse, output.fine, patches.neighborhoods)
        ]
        for index, sample in enumerate(data_samples):
            sample.pred_coarse = places[0][index]
            sample.pred_fine = places[1][index]
            sample.gt_patches = places[2][index]
            sample.eval_points = inputs['points'][index]
        return data_samples
