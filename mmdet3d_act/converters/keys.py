"""Parameter names of the published implementations, and ours.

Every table is a list of (pattern, replacement); the first pattern that
matches a whole name wins. A name that no pattern matches is reported, never
dropped; a name whose replacement is None is dropped for the stated reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

Rules = list[tuple[str, str | None]]

PATCH_EMBED: Rules = [
    (r'first_conv\.0\.(.+)', r'conv1.\1'),
    (r'first_conv\.1\.(.+)', r'norm1.\1'),
    (r'first_conv\.3\.(.+)', r'conv2.\1'),
    (r'second_conv\.0\.(.+)', r'conv3.\1'),
    (r'second_conv\.1\.(.+)', r'norm2.\1'),
    (r'second_conv\.3\.(.+)', r'conv4.\1'),
]
DGCNN: Rules = [
    (r'input_trans\.(.+)', r'proj.\1'),
    (r'layer1\.0\.(.+)', r'layers.0.conv.\1'),
    (r'layer1\.1\.(.+)', r'layers.0.norm.\1'),
    (r'layer2\.0\.(.+)', r'layers.1.conv.\1'),
    (r'layer2\.1\.(.+)', r'layers.1.norm.\1'),
    (r'layer3\.0\.(.+)', r'layers.2.conv.\1'),
    (r'layer3\.1\.(.+)', r'layers.2.norm.\1'),
    (r'layer4\.0\.(.+)', r'layers.3.conv.\1'),
    (r'layer4\.1\.(.+)', r'layers.3.norm.\1'),
    (r'layer5\.0\.(.+)', r'fuse.\1'),
    (r'layer5\.1\.(.+)', r'norm.\1'),
]
FOLDING: Rules = [
    (r'mlp\.(.+)', r'coarse.\1'),
    (r'final_conv\.0\.(.+)', r'fold1.\1'),
    (r'final_conv\.1\.(.+)', r'norm1.\1'),
    (r'final_conv\.3\.(.+)', r'fold2.\1'),
    (r'final_conv\.4\.(.+)', r'norm2.\1'),
    (r'final_conv\.6\.(.+)', r'fold3.\1'),
]
POSITION: Rules = [(r'0\.(.+)', r'fc1.\1'), (r'2\.(.+)', r'fc2.\1')]
BLOCKS: Rules = [(r'(\d+\..+)', r'\1')]
NORM: Rules = [(r'(weight|bias)', r'\1')]


def nest(rules: Rules, prefix: str, new_prefix: str) -> Rules:
    """Return the rules of a part as rules of the whole.

    Args:
        rules: Rules of the part.
        prefix: What stands before the part's names, not a pattern.
        new_prefix: What shall stand before them.
    """
    return [
        (
            re.escape(prefix) + pattern,
            None if new is None else new_prefix + new,
        )
        for pattern, new in rules
    ]


AUTOENCODER: Rules = [
    (r'codebook', r'codebook'),
    *nest(PATCH_EMBED, 'encoder.', 'patch_embed.'),
    *nest(DGCNN, 'dgcnn_1.', 'to_logits.'),
    *nest(DGCNN, 'dgcnn_2.', 'mixer.'),
    *nest(FOLDING, 'decoder.', 'decoder.'),
]
STUDENT: Rules = [
    (r'(cls_token|cls_pos)', r'\1'),
    *nest(PATCH_EMBED, 'encoder.', 'patch_embed.'),
    (r'(reduce_dim\..+)', r'\1'),
    *nest(POSITION, 'pos_embed.', 'pos_embed.'),
    *nest(BLOCKS, 'blocks.blocks.', 'blocks.'),
    *nest(NORM, 'norm.', 'norm.'),
    # Stored in stage-II checkpoints, and never reached by a gradient.
    (r'(lm_head|cls_head)\..+', None),
]


def _pretraining(encoder: str, decoder: str, objective: str) -> Rules:
    neck = f'objectives.{objective}.neck.'
    return [
        *nest(STUDENT, f'{encoder}.', 'student.'),
        (r'mask_token', f'{neck}mask_token'),
        (r'cls_pos', f'{neck}cls_pos'),
        *nest(POSITION, 'decoder_pos_embed.', f'{neck}pos_embed.'),
        *nest(BLOCKS, f'{decoder}.blocks.', f'{neck}blocks.'),
        *nest(NORM, f'{decoder}.norm.', f'{neck}norm.'),
        (r'proj_head\.(.+)', rf'objectives.{objective}.head.proj.\1'),
        (r'increase_dim\.0\.(.+)', rf'objectives.{objective}.head.proj.\1'),
    ]


ACT_PRETRAINING = _pretraining('ACT_encoder', 'ACT_decoder', 'act')
POINT_MAE_PRETRAINING = _pretraining('MAE_encoder', 'MAE_decoder', 'point_mae')


def translate(name: str, rules: Rules) -> tuple[bool, str | None]:
    """Return whether a rule knows ``name``, and the name's replacement."""
    for pattern, new in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return True, None if new is None else match.expand(new)
    return False, None


def convert(
    state: Mapping[str, Tensor], rules: Rules
) -> tuple[dict[str, Tensor], list[str]]:
    """Rename the tensors of a published state dict.

    Weights of convolutions of kernel size 1 become those of linear layers.

    Args:
        state: Published name to tensor.
        rules: The table of the format.

    Returns:
        The renamed tensors, and the names that no rule knows.
    """
    renamed, unknown = {}, []
    for name, value in state.items():
        known, new = translate(name, rules)
        if not known:
            unknown.append(name)
        elif new is not None:
            renamed[new] = _linear_weight(value)
    return renamed, unknown


def with_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors under ``prefix``, named without it."""
    return {
        name[len(prefix) :]: value
        for name, value in state.items()
        if name.startswith(prefix)
    }


def _linear_weight(value: Tensor) -> Tensor:
    kernel: Iterable[int] = value.shape[2:]
    if value.ndim > 2 and all(size == 1 for size in kernel):
        return value.flatten(1)
    return value
