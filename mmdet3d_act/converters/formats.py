"""The published checkpoint formats, and how they are told apart.

A format is recognised by its parameter names alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from mmdet3d_act.converters.keys import (
    ACT_PRETRAINING,
    CLASSIFIER,
    DETECTOR,
    ENCODER,
    MASKPOINT_ENCODER,
    PART_SEGMENTOR,
    POINT_MAE_PRETRAINING,
    QUERY_NETWORK,
    RECON,
    RECON_PRETRAINING,
    SEMANTIC_SEGMENTOR,
    STUDENT,
    Rules,
    nest,
)

OBJECTS = {'up_axis': 'y', 'normalization': 'unit_sphere'}
SCENES = {'up_axis': 'z', 'normalization': 'none'}
IN_DISTILLER = 'objectives.act.target_generator.autoencoder.module.'

Ignored = list[tuple[str, str]]


class Part(NamedTuple):
    """Where a model lies in a format.

    Attributes:
        rules: From published names to ours, without the autoencoder's.
        autoencoder: What stands before the autoencoder's published names, and
            before ours; None where the model has none.
    """

    rules: Rules
    autoencoder: tuple[str, str] | None = None


class Format(NamedTuple):
    """A published format.

    Attributes:
        title: What it is, for people.
        marks: Patterns; each begins the name of a parameter that it has.
        parts: Its models by task; the first is the whole.
        ignored: Patterns of names that no model here has, and why.
        num_groups: Patches of the published training.
        dataset_meta: What the training data were.
        residual: See :class:`~mmdet3d_act.models.layers.TransformerBlock`.
        fits: Looks at shapes where names are not enough.
    """

    title: str
    marks: tuple[str, ...]
    parts: dict[str, Part] = {}  # noqa: RUF012
    ignored: Ignored = []  # noqa: RUF012
    num_groups: int = 64
    dataset_meta: dict[str, str] = OBJECTS
    residual: str = 'input'
    fits: Callable[[Mapping[str, Tensor]], bool] | None = None


def _even_head(state: Mapping[str, Tensor]) -> bool:
    """Whether a head is linear, or has the hidden layers of Point-MAE's."""
    widths = [
        len(state[f'cls_head_finetune.{i}.weight'])
        for i in (0, 4)
        if f'cls_head_finetune.{i}.weight' in state
    ]
    head = [name for name in state if name.startswith('cls_head_finetune.')]
    layers = {name.split('.')[1] for name in head}
    known = layers in ({'0'}, {'0', '1', '4', '5', '8'})
    return known and len(set(widths)) == 1


UNTRAINED_HEADS: Ignored = [
    (
        r'(?:ACT_encoder\.|transformer_q\.)?(?:lm_head|cls_head|bin_cls_head)'
        r'\..+',
        'heads of the pretraining objective, without a counterpart here',
    )
]
MOMENTUM: Ignored = [
    *UNTRAINED_HEADS,
    (r'transformer_k\..+', 'moving average of the network that is converted'),
    (r'queue(?:_ptr)?', 'negatives of the contrastive objective'),
    (r'transformer_q\.mask_token', 'token of the masked patches'),
    (r'transformer_q\.decoder\..+', "decoder of MaskPoint's objective"),
]
SCENE_TOKENS: Ignored = [
    (
        r'transformer_q\.(?:cls_token|cls_pos|pos_embed\..+'
        r'|(?:blocks\.)?norm\..+)',
        "class token, positions and last norm, which 3DETR's encoder does not "
        'have',
    )
]
GLOBAL_TOKENS: Ignored = [
    (
        r'(?:MAE_encoder\.)?(?:(?:cls|img|text)_(?:token|pos)'
        r'|blocks\.blocks\.\d+\.\w+_contrast\..+)',
        'tokens that read the patches by cross-attention, which the point '
        'Transformer does not have; no patch depends on them',
    ),
    (
        r'(?:(?:img|text)_encoder|(?:img|text|cls)_proj|contrastive_head'
        r'|decoder_pos_embed|MAE_decoder|increase_dim)\..+|mask_token',
        'image and text models, projections and decoder of the pretraining',
    ),
    (
        r'cls_head_finetune\..+',
        'a head that reads class, image and text tokens',
    ),
]
OTHER_HEAD: Ignored = [
    (
        r'cls_head_finetune\..+',
        'a head of Point-BERT or MaskPoint, which are converted as backbones',
    )
]
_BARE: Part = Part(STUDENT)

# The first that fits is taken.
FORMATS: dict[str, Format] = {
    'act_stage2': Format(
        'ACT, stage II',
        (r'ACT_encoder\.',),
        parts={
            'distiller': Part(
                ACT_PRETRAINING, ('dvae_tokenizer.', IN_DISTILLER)
            ),
            'backbone': Part(nest(STUDENT, 'ACT_encoder.', '')),
            'autoencoder': Part([], ('dvae_tokenizer.', '')),
        },
        ignored=UNTRAINED_HEADS,
    ),
    'recon_pretrain': Format(
        'ReCon, pretraining',
        (r'MAE_encoder\.img_token',),
        parts={'backbone': Part(RECON_PRETRAINING)},
        ignored=GLOBAL_TOKENS,
        residual='normed',
    ),
    'point_mae_pretrain': Format(
        'Point-MAE, pretraining',
        (r'MAE_encoder\.',),
        parts={
            'distiller': Part(POINT_MAE_PRETRAINING),
            'backbone': Part(nest(STUDENT, 'MAE_encoder.', '')),
        },
    ),
    'maskpoint_scannet': Format(
        'MaskPoint, pretraining on ScanNet',
        (r'transformer_q\.encoder\.mlp_module\.',),
        parts={'backbone': Part(MASKPOINT_ENCODER)},
        ignored=[*MOMENTUM, *SCENE_TOKENS],
        num_groups=2048,
        dataset_meta=SCENES,
    ),
    'maskpoint_pretrain': Format(
        'MaskPoint, pretraining',
        (r'transformer_q\.', r'transformer_q\.bin_cls_head\.'),
        parts={'backbone': Part(QUERY_NETWORK)},
        ignored=MOMENTUM,
    ),
    'point_bert_pretrain': Format(
        'Point-BERT, pretraining',
        (r'transformer_q\.',),
        parts={
            'backbone': Part(QUERY_NETWORK),
            'autoencoder': Part([], ('dvae.', '')),
        },
        ignored=MOMENTUM,
    ),
    'act_stage1': Format(
        'ACT, stage I',
        (r'codebook$', r'dgcnn_1\.', r'visual_embed\.'),
        parts={'autoencoder': Part([], ('', ''))},
    ),
    'point_bert_dvae': Format(
        'dVAE of Point-BERT, or of ACT without a teacher',
        (r'codebook$', r'dgcnn_1\.'),
        parts={'autoencoder': Part([], ('', ''))},
    ),
    'part_segmentation': Format(
        'ACT or Point-MAE, part segmentation',
        (r'propagation_0', r'label_conv'),
        parts={'part_seg': Part(PART_SEGMENTOR), 'backbone': _BARE},
        num_groups=128,
    ),
    'semantic_segmentation': Format(
        'ACT, semantic segmentation',
        (r'propagation_0',),
        parts={'semantic_seg': Part(SEMANTIC_SEGMENTOR), 'backbone': _BARE},
        num_groups=128,
        dataset_meta=SCENES,
    ),
    'recon_classifier': Format(
        'ReCon, fine-tuned',
        (r'cls_head_finetune\.', r'img_token'),
        parts={'backbone': Part(RECON)},
        ignored=GLOBAL_TOKENS,
        residual='normed',
    ),
    'classifier': Format(
        'ACT or Point-MAE, fine-tuned',
        (r'cls_head_finetune\.',),
        parts={'classifier': Part(CLASSIFIER), 'backbone': _BARE},
        ignored=UNTRAINED_HEADS,
        fits=_even_head,
    ),
    'other_classifier': Format(
        'Point-BERT or MaskPoint, fine-tuned',
        (r'cls_head_finetune\.',),
        parts={'backbone': _BARE},
        ignored=OTHER_HEAD,
    ),
    '3detr': Format(
        '3DETR, detector',
        (r'pre_encoder\.', r'mlp_heads\.'),
        parts={'detector': Part(DETECTOR), 'backbone': Part(ENCODER)},
        num_groups=2048,
        dataset_meta=SCENES,
    ),
}


def recognize(state: Mapping[str, Tensor]) -> str:
    """Find the name of the format of published weights.

    Args:
        state: Published name to tensor, without ``module.`` in front.

    Raises:
        ValueError: If the format is unknown.
    """
    for name, known in FORMATS.items():
        is_marked = all(
            any(re.match(mark, one) for one in state) for mark in known.marks
        )
        if is_marked and (known.fits is None or known.fits(state)):
            return name
    titles = [known.title for known in FORMATS.values()]
    raise ValueError(
        'no published format has these parameters: '
        f'{", ".join(list(state)[:5])}, ... ({len(state)}); known are '
        f'{"; ".join(titles)}. Checkpoints of this package need no '
        'conversion: init_cfg and extract_backbone.py read them as they are'
    )


def choose_task(name: str, task: str | None) -> str:
    """Choose the model that is taken out of a format.

    Args:
        name: Of the format.
        task: Its name; None for all that the format holds.

    Raises:
        ValueError: If the format does not hold the model.
    """
    parts = FORMATS[name].parts
    task = task or next(iter(parts))
    if task not in parts:
        raise ValueError(
            f'this is {FORMATS[name].title}, which holds no {task}; choose '
            f'among {", ".join(parts)}'
        )
    return task
