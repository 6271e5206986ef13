"""Concept tokens that are drawn out of a student, block by block.

Letters: B batch, G patches, T concepts, C channels.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.backbones import EncodedPatches
from mmdet3d_act.models.layers import CrossAttentionBlock, PointPatches
from mmdet3d_act.registry import MODELS
from mmdet3d_act.text import check_least


@MODELS.register_module()
class ConceptExtractor(BaseModule):
    """Learned concepts read the patches after every block of the student.

    T learned tokens pass one cross-attention block for each block of the
    student, in their order; its keys and values are that block's output. The
    student gives all of them: ``out_indices`` names its blocks, and
    ``norm_hidden_states=True`` passes them through its final norm, which they
    share. The concepts themselves are kept within bounds by the norms of the
    cross-attention block.

    Source: "3D Point Cloud Pre-training with Knowledge Distillation from 2D
    Images", section 3.2 and appendix A.1. Its self-attention block is the
    student's own; that of the concepts among themselves is an option.

    Example:
        >>> from mmdet3d_act.models.backbones import PointTransformer
        >>> student = PointTransformer(
        ...     num_layers=2, out_indices=(0, 1), norm_hidden_states=True
        ... )
        >>> patches = student.group(torch.rand(2, 256, 3))
        >>> neck = ConceptExtractor(num_layers=2)
        >>> neck(student.encode(patches), patches, None).shape
        torch.Size([2, 32, 384])

    Args:
        embed_dims: Width C, that of the student.
        num_concepts: Concepts T.
        num_layers: Blocks of the student.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP as a multiple of C.
        drop_path_rate: Stochastic depth of every step.
        shared: Whether all steps have the same parameters, as published, or
            each its own.
        self_attention: Whether the concepts attend to each other before they
            read the patches.

    Raises:
        ValueError: If there is no concept or no block.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        num_concepts: int = 32,
        *,
        num_layers: int = 12,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.0,
        shared: bool = True,
        self_attention: bool = False,
    ) -> None:
        super().__init__()
        check_least('num_concepts', num_concepts, 1)
        check_least('num_layers', num_layers, 1)
        self.num_layers = num_layers
        # Of the size of what the norms make of them.
        self.concept_tokens = nn.Parameter(
            torch.randn(1, num_concepts, embed_dims)
        )
        self.blocks = nn.ModuleList(
            CrossAttentionBlock(
                embed_dims,
                num_heads,
                mlp_ratio=mlp_ratio,
                drop_path=drop_path_rate,
                self_attention=self_attention,
            )
            for _ in range(1 if shared else num_layers)
        )
        # What is read then counts as much as the concept that reads it.
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(
        self,
        encoded: EncodedPatches,
        patches: PointPatches | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the concepts of every cloud, (B, T, C).

        Args:
            encoded: The student's
                :class:`~mmdet3d_act.models.backbones.EncodedPatches`.
            patches: Not used.
            mask: Not used; concepts read the patches that the student saw.

        Raises:
            ValueError: If the student does not give ``num_layers`` blocks.
        """
        states = encoded.hidden_states
        if len(states) != self.num_layers:
            raise ValueError(
                f'the concepts are drawn out of {self.num_layers} blocks, '
                f'the student gives those of out_indices={sorted(states)}; '
                'give the student all its blocks as out_indices, and '
                'ConceptExtractor as many num_layers'
            )
        concepts = self.concept_tokens.expand(len(encoded.features), -1, -1)
        for step, index in enumerate(sorted(states)):
            block = self.blocks[step % len(self.blocks)]
            concepts = block(concepts, states[index])
        return concepts
