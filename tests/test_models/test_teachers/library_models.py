"""Models of image libraries as teachers, a few blocks of them at a time."""

from __future__ import annotations

import torch
from torch import nn

from mmdet3d_act.models.teachers import TeacherEncoder, TokenTeacher
from tests.teacher_states import teacher_states

WIDTH = 8


def materialized(encoder: TeacherEncoder) -> TeacherEncoder:
    """Give an encoder of the meta device random values on the CPU."""
    encoder = encoder.to_empty(device='cpu')
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            scale = 'norm' in name and name.endswith('weight')
            nn.init.normal_(value, mean=float(scale), std=0.05)
        for value in encoder.buffers():
            value.zero_()
    return encoder


def first_blocks_of(
    cls: type[TokenTeacher], name: str, num_layers: int = 2, **settings
) -> TeacherEncoder:
    """Build the first blocks of a model of any size, with random weights.

    Raises:
        ValueError: If the model is refused.
    """
    with torch.device('meta'):
        return materialized(
            cls.build_encoder(name, num_layers=num_layers, **settings)
        )


class GivenTeacher(TokenTeacher):
    """A teacher of an encoder that is there."""

    @classmethod
    def build_encoder(cls, *args, **kwargs):
        raise AssertionError('it is built')

    weight_source = build_encoder


def teacher_of(encoder: TeacherEncoder, **settings) -> TokenTeacher:
    """Build a teacher of an encoder that is there."""
    return GivenTeacher(
        encoder,
        in_channels=WIDTH,
        out_channels=WIDTH,
        pretrained=False,
        **settings,
    ).eval()


@torch.no_grad()
def assert_runs(
    encoder: TeacherEncoder, num_groups: int = 6, **settings
) -> None:
    """Check shape and values of the output, and that prompts matter."""
    fixed = encoder.num_tokens
    prompts = 3 if fixed is None else fixed - num_groups
    teacher = teacher_of(encoder, **{'num_prompts': prompts, **settings})
    torch.manual_seed(0)
    tokens = torch.randn(2, num_groups, WIDTH)
    centers = torch.randn(2, num_groups, 3)
    before = teacher(tokens, centers)
    assert before.shape == (2, num_groups, WIDTH)
    assert before.isfinite().all()
    assert (before[0] - before[1]).abs().max() > 1e-6
    states = teacher_states(teacher, tokens, centers)
    scale = before.abs().max()
    assert (states.output - before).abs().max() < 1e-4 * scale
    teacher.prompts.tokens.normal_(std=3.0)
    after = teacher(tokens, centers)
    assert (after - before).abs().max() > 1e-5 * scale
