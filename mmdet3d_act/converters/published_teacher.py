"""Parameter names of the teacher in published stage-I checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from mmdet3d_act.converters.keys import POSITION, Rules, nest, translate

# What the published code keeps apart from the prompts of the first block.
LATER_PROMPTS = {
    'deep_prompt_tokens': 'prompts.tokens',
    'deep_prompt_pos': 'prompts.pos',
}
FIRST_PROMPTS = {
    'visual_prompt_token': 'prompts.tokens',
    'visual_prompt_pos': 'prompts.pos',
}


def teacher_rules(*, frozen: bool = True) -> Rules:
    """Return the rules for all but the prompts.

    Args:
        frozen: Whether the teacher's Transformer is frozen here.
    """
    encoder = 'encoder.module.' if frozen else 'encoder.'
    return [
        (r'proj_pre\.(.+)', r'proj_in.\1'),
        (r'proj_post\.(.+)', r'proj_out.\1'),
        *nest(POSITION, 'visual_pos_embed.', 'pos_embed.'),
        (r'visual_embed\.0\.layer\.(\d+\..+)', rf'{encoder}blocks.\1'),
        (r'visual_embed\.0\.(\d+\..+)', rf'{encoder}blocks.\1'),
        (r'visual_embed\.1\.(weight|bias)', rf'{encoder}norm.\1'),
        # CLIP's: norm, blocks, norm.
        (r'visual_embed\.0\.(weight|bias)', rf'{encoder}pre_norm.\1'),
        (r'visual_embed\.1\.(\d+\..+)', rf'{encoder}blocks.\1'),
        (r'visual_embed\.2\.(weight|bias)', rf'{encoder}norm.\1'),
    ]


def teacher_names(
    names: Iterable[str], *, frozen: bool = True, prefix: str = 'teacher.'
) -> dict[str, str | tuple[str, slice]]:
    """Return our name of each published parameter of a teacher.

    Args:
        names: Published names; those that are not a teacher's are left out.
        frozen: Whether the teacher's Transformer is frozen here.
        prefix: What stands before our names.

    Returns:
        Our name, or for prompts, of which ours hold all blocks in one, the
        name and the rows.
    """
    rules = teacher_rules(frozen=frozen)
    found: dict[str, str | tuple[str, slice]] = {}
    for name in names:
        if name in FIRST_PROMPTS:
            found[name] = (prefix + FIRST_PROMPTS[name], slice(0, 1))
        elif name in LATER_PROMPTS:
            found[name] = (prefix + LATER_PROMPTS[name], slice(1, None))
        else:
            new = translate(name, rules)[1]
            if new is not None:
                found[name] = prefix + new
    return found


def convert_teacher(
    state: Mapping[str, Tensor],
    *,
    frozen: bool = True,
    prefix: str = 'teacher.',
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Rename the teacher's part of a published stage-I state dict.

    Args:
        state: Published name to tensor.
        frozen: Whether the teacher's Transformer is frozen here.
        prefix: What stands before our names.

    Returns:
        The teacher's tensors by our names, and the tensors that are not the
        teacher's by their published names.
    """
    names = teacher_names(state, frozen=frozen, prefix=prefix)
    renamed: dict[str, Tensor] = {}
    rows: dict[str, list[tuple[int, Tensor]]] = {}
    for name, new in names.items():
        if isinstance(new, tuple):
            rows.setdefault(new[0], []).append((new[1].start, state[name]))
        else:
            renamed[new] = state[name]
    for new, parts in rows.items():
        ordered = [value for _, value in sorted(parts, key=lambda p: p[0])]
        renamed[new] = torch.cat(ordered)
    rest = {name: state[name] for name in state if name not in names}
    return renamed, rest
