"""Models of image libraries as teachers, a few blocks of them at a time."""

from __future__ import annotations

import torch
from torch import nn

from mmdet3d_act.models.teachers import ImageTeacher, TokenTeacher
from mmdet3d_act.models.teachers.vit_encoder import TakenEncoder

WIDTH = 8


def materialized(taken: TakenEncoder) -> TakenEncoder:
    """Return an encoder of the meta device with random values on the CPU."""
    encoder = taken.encoder.to_empty(device='cpu')
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            scale = 'norm' in name and name.endswith('weight')
            nn.init.normal_(value, mean=float(scale), std=0.05)
        for value in encoder.buffers():
            value.zero_()
    return taken


def first_blocks_of(
    cls: type[ImageTeacher], name: str, num_layers: int = 2, **settings
) -> TakenEncoder:
    """Return the first blocks of a model of any size, with random weights.

    Raises:
        ValueError: If the model is refused.
    """
    with torch.device('meta'):
        return materialized(cls.take(name, num_layers=num_layers, **settings))


def teacher_of(taken: TakenEncoder, **settings) -> TokenTeacher:
    """Return a teacher of an encoder that is there."""

    class Given(TokenTeacher):
        def read_pretrained(self) -> None:
            raise AssertionError('nothing is to be read')

    return Given(
        taken.encoder,
        taken.embed_dims,
        in_channels=WIDTH,
        out_channels=WIDTH,
        pretrained=False,
        **settings,
    ).eval()


@torch.no_grad()
def assert_runs(taken: TakenEncoder, num_groups: int = 6, **settings) -> None:
    """Check shape and values of the output, and that prompts matter."""
    fixed = taken.encoder.num_tokens
    prompts = 3 if fixed is None else fixed - num_groups
    teacher = teacher_of(taken, **{'num_prompts': prompts, **settings})
    torch.manual_seed(0)
    tokens = torch.randn(2, num_groups, WIDTH)
    centers = torch.randn(2, num_groups, 3)
    before = teacher(tokens, centers)
    assert before.shape == (2, num_groups, WIDTH)
    assert before.isfinite().all()
    assert (before[0] - before[1]).abs().max() > 1e-6
    states = teacher.forward_hidden(tokens, centers)
    scale = before.abs().max()
    assert (states.output - before).abs().max() < 1e-4 * scale
    teacher.prompts.tokens.normal_(std=3.0)
    after = teacher(tokens, centers)
    assert (after - before).abs().max() > 1e-5 * scale
