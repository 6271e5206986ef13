"""The decoder that predicts masked patches from visible ones.

Letters: B batch, V visible, M masked, G = V + M patches, C channels.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.layers import (
    PointPatches,
    PositionMLP,
    TransformerEncoder,
    init_linears,
    select,
)
from mmdet3d_act.ops import gather_points
from mmdet3d_act.registry import MODELS
from mmdet3d_act.text import check_choice

MASK_TOKEN_PLACES = ('decoder', 'input', 'encoded')


@MODELS.register_module()
class MaskDecoder(BaseModule):
    """A small Transformer on [visible patches, mask tokens].

    It has position embeddings of its own, which are added before every block;
    the mask tokens' outputs are normalised and returned. With a shallow
    branch, a second pass through the same blocks reads [class token, visible
    patches of an earlier block, mask tokens].

    Source: Pang et al., Point-MAE, ECCV 2022, section 3.2; Dong et al., ACT,
    ICLR 2023, section 3.3 and its published code.

    Args:
        embed_dims: Width C, that of the student.
        num_layers: Number of blocks.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the blocks' MLPs as a multiple of C.
        drop_path_rate: Stochastic depth of the last block.
        shallow_index: Block of the student, counted from 0, whose output the
            second pass reads; it must be among the student's
            ``out_indices``. None leaves the second pass out.
        mask_tokens: Where mask tokens enter: ``'decoder'``, here, or
            ``'input'``, before the student, whose features of all patches are
            decoded then; the same as the distiller's. ``'encoded'``: here
            too, but the student saw the whole cloud, and what it made of the
            masked patches is left out; the mask is then the objective's own.

    Raises:
        ValueError: If ``mask_tokens`` is another, or not ``'decoder'`` with a
            shallow branch, which reads visible patches only.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        *,
        num_layers: int = 2,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.1,
        shallow_index: int | None = None,
        mask_tokens: str = 'decoder',
    ) -> None:
        super().__init__()
        self._check_places(mask_tokens, shallow_index)
        self.embed_dims = embed_dims
        self.shallow_index = shallow_index
        self.place = mask_tokens
        self.mask_token = None
        if mask_tokens != 'input':
            self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
            nn.init.trunc_normal_(self.mask_token, std=0.02)
        self.pos_embed = PositionMLP(embed_dims)
        self.blocks = TransformerEncoder(
            embed_dims,
            num_layers,
            num_heads,
            mlp_ratio=mlp_ratio,
            drop_path_rate=drop_path_rate,
        )
        self.norm = nn.LayerNorm(embed_dims)
        if shallow_index is not None:
            self.cls_pos = nn.Parameter(torch.zeros(1, 1, embed_dims))
            nn.init.trunc_normal_(self.cls_pos, std=0.02)
        init_linears(self)

    @staticmethod
    def _check_places(mask_tokens: str, shallow_index: int | None) -> None:
        check_choice('mask_tokens', mask_tokens, MASK_TOKEN_PLACES)
        if mask_tokens != 'decoder' and shallow_index is not None:
            raise ValueError(
                'the shallow branch reads visible patches only, which '
                f'mask_tokens={mask_tokens!r} does not keep apart; leave out '
                "shallow_index or use mask_tokens='decoder'"
            )

    def forward(
        self,
        encoded: EncodedPatches,
        patches: PointPatches,
        mask: Tensor | None,
    ) -> list[Tensor]:
        """Return one prediction a pass, each (B, M, C), in patch order.

        Args:
            encoded: The student's
                :class:`~mmdet3d_act.models.backbones.EncodedPatches`.
            patches: The whole cloud's patches.
            mask: Bool (B, G), True = masked.

        Raises:
            ValueError: If there is no mask, the mask tokens entered at
                another place, or the shallow branch lacks what it reads.
        """
        self._check_mask(encoded, mask)
        pos = self.pos_embed(patches.centers)
        if self.mask_token is None:
            # The student saw mask tokens at its input: all patches are here.
            x, _ = self.blocks(encoded.features, pos)
            return [self.norm(select(x, mask))]
        # Visible patches first, then masked ones, both in their order.
        pos = gather_points(pos, mask.byte().argsort(dim=1, stable=True))
        visible = encoded.features
        if self.place == 'encoded':
            visible = select(visible, ~mask)
        predictions = [self._decode(visible, pos)]
        if self.shallow_index is not None:
            tokens, own = self._shallow_input(encoded)
            pos = torch.cat([own.expand(len(pos), -1, -1), pos], dim=1)
            predictions.append(self._decode(tokens, pos))
        return predictions

    def _check_mask(
        self, encoded: EncodedPatches, mask: Tensor | None
    ) -> None:
        if mask is None:
            raise ValueError(
                'MaskDecoder predicts masked patches, but nothing is masked; '
                "give the Distiller mask=dict(type='RandomPatchMask', "
                'ratio=0.8), or use another neck'
            )
        complete = encoded.features.shape[1] == mask.shape[1]
        if complete != (self.place != 'decoder'):
            place = "input' or 'encoded" if complete else 'decoder'
            if self.place == 'encoded':
                raise ValueError(
                    f'the student read {encoded.features.shape[1]} of '
                    f"{mask.shape[1]} patches, but mask_tokens='encoded' "
                    'masks what it made of the whole cloud; give the mask to '
                    'the objective, not to the Distiller'
                )
            raise ValueError(
                f'the student read {encoded.features.shape[1]} of '
                f"{mask.shape[1]} patches, as with mask_tokens='{place}'; "
                'give MaskDecoder the same mask_tokens as the Distiller'
            )

    def _decode(self, tokens: Tensor, pos: Tensor) -> Tensor:
        batch, num_tokens = tokens.shape[:2]
        num_masked = pos.shape[1] - num_tokens
        masked = self.mask_token.expand(batch, num_masked, -1)
        tokens = torch.cat([tokens, masked], dim=1)
        return self.norm(self.blocks(tokens, pos, last=num_masked)[0])

    def _shallow_input(self, encoded: EncodedPatches) -> tuple[Tensor, Tensor]:
        hidden = encoded.hidden_states.get(self.shallow_index)
        if hidden is None or encoded.cls_token is None:
            raise ValueError(
                f'the shallow branch reads the class token and block '
                f'{self.shallow_index} of the student; give the student a '
                'class token and this index among its out_indices '
                f'(it has {sorted(encoded.hidden_states)})'
            )
        tokens = torch.cat([encoded.cls_token.unsqueeze(1), hidden], dim=1)
        return tokens, self.cls_pos
