from __future__ import annotations

import mmengine.runner.checkpoint as mmcheckpoint
import pytest
import torch
from timm.models.vision_transformer import Block
from torch import nn

from mmdet3d_act.models.teachers import TeacherEncoder, TokenTeacher
from mmdet3d_act.models.teachers.pretrained import WeightSource
from tests.teacher_states import teacher_states

WIDTH, CHANNELS, PATCHES = 16, 8, 5


class Foreign(nn.Module):
    """A block of no known kind."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block(WIDTH, num_heads=2, proj_drop=0.5)

    def forward(self, x):
        return self.block(x)


def encoder(seed: int, kind: type = Block) -> TeacherEncoder:
    torch.manual_seed(seed)
    blocks = [
        Foreign() if kind is Foreign else Block(WIDTH, 2, proj_drop=0.5)
        for _ in range(3)
    ]
    return TeacherEncoder(blocks, WIDTH, nn.LayerNorm(WIDTH))


class Toy(TokenTeacher):
    """Its pretrained weights are those of a seed."""

    def __init__(self, seed: int = 1, kind: type = Block, **kwargs) -> None:
        self.kind = kind
        self.seed = seed
        super().__init__(
            encoder(99, kind),
            in_channels=CHANNELS,
            out_channels=6,
            **{'num_prompts': 4, **kwargs},
        )

    @classmethod
    def build_encoder(cls, kind: type = Block) -> TeacherEncoder:
        return encoder(0, kind)

    @classmethod
    def weight_source(cls) -> WeightSource:
        return WeightSource('toy', ('toy',))

    def fill_part(self, part: nn.Module, names: dict | None = None) -> str:
        part.load_state_dict(encoder(self.seed, self.kind).state_dict())
        return f'seed{self.seed}.pth'


def inputs(grad: bool = False):
    # A generator of its own, so that dropout differs from call to call.
    source = torch.Generator().manual_seed(3)
    tokens = torch.randn(2, PATCHES, CHANNELS, generator=source)
    centers = torch.randn(2, PATCHES, 3, generator=source)
    return tokens.requires_grad_(grad), centers.requires_grad_(grad)


def ready(**kwargs) -> Toy:
    teacher = Toy(**kwargs)
    teacher.init_weights()
    for parameter in teacher.prompts.parameters():
        nn.init.normal_(parameter)
    return teacher


@pytest.mark.parametrize('kind', [Block, Foreign])
@pytest.mark.parametrize('mode', ['deep', 'shallow', 'none'])
@pytest.mark.parametrize('position', ['every_block', 'once'])
def test_leaving_out_changes_nothing(kind, mode, position) -> None:
    teacher = ready(kind=kind, prompt_mode=mode, position=position).eval()
    states = teacher_states(teacher, *inputs())
    got = teacher(*inputs())
    torch.testing.assert_close(got, states.output, rtol=1e-5, atol=1e-5)
    rows = PATCHES + (0 if mode == 'none' else 4)
    assert got.shape == (2, PATCHES, 6)
    assert {tuple(x.shape) for x in states.blocks} == {(2, rows, WIDTH)}


def test_positions_accumulate_or_enter_once() -> None:
    tokens, centers = inputs()
    for position in ('every_block', 'once'):
        teacher = ready(prompt_mode='none', position=position).eval()
        blocks = teacher.transformer.blocks
        x, pos = teacher.proj_in(tokens), teacher.pos_embed(centers)
        x = x + pos if position == 'once' else x
        for block in blocks:
            x = block(x if position == 'once' else x + pos)
        want = teacher.proj_out(teacher.transformer.norm(x))
        got = teacher(tokens, centers)
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('mode', ['deep', 'shallow', 'none'])
def test_gradient_reaches_what_is_trained(mode: str) -> None:
    teacher = ready(prompt_mode=mode).train()
    tokens, centers = inputs(grad=True)
    teacher(tokens, centers).square().sum().backward()
    reached = {n for n, p in teacher.named_parameters() if p.grad is not None}
    want = {n for n, _ in teacher.named_parameters() if 'encoder' not in n}
    assert reached == want
    assert ('prompts.pos' in want) == (mode != 'none')
    assert all(p.grad.abs().sum() > 0 for p in teacher.prompts.parameters())
    assert tokens.grad.abs().sum() > 0
    assert centers.grad.abs().sum() > 0


def test_published_gradient_cut() -> None:
    def reached(**kwargs) -> set[str]:
        teacher = ready(published_gradient_cut=True, **kwargs)
        teacher(*inputs(grad=True)).sum().backward()
        named = teacher.named_parameters()
        return {name for name, p in named if p.grad is not None}

    assert reached(num_prompts=0) == {'proj_out.weight', 'proj_out.bias'}
    assert 'proj_in.weight' in reached()
    assert 'encoder.blocks.0.norm1.bias' in reached(
        num_prompts=0, frozen=False
    )


def test_published_train_mode_drops_inside() -> None:
    teacher = ready(num_prompts=0, published_train_mode=True).train()
    assert not torch.equal(teacher(*inputs()), teacher(*inputs()))
    teacher(*inputs()).sum().backward()
    assert all(p.grad is None for p in teacher.encoder.parameters())


def test_checkpoint_of_a_frozen_teacher() -> None:
    teacher = ready()
    state = mmcheckpoint.get_state_dict(teacher)
    names = {name.split('.')[0] for name in state}
    assert names == {'proj_in', 'pos_embed', 'prompts', 'encoder', 'proj_out'}
    frozen = [name for name in state if name.startswith('encoder')]
    assert frozen == ['encoder.frozen_source']
    # Inference loads the checkpoint and never calls init_weights().
    other = Toy().eval()
    mmcheckpoint.load_state_dict(other, state, strict=True)
    assert torch.equal(other(*inputs()), teacher.eval()(*inputs()))
    with pytest.raises(ValueError, match=r'seed1\.pth .* seed2\.pth'):
        Toy(seed=2).load_state_dict(state)


def test_misfitting_checkpoint_leaves_it_unusable() -> None:
    full = ready(pretrained=False).state_dict()
    name = 'encoder.module.blocks.0.mlp.fc1.bias'
    full[name] = full[name][1:]
    teacher = Toy()
    mmcheckpoint.load_state_dict(teacher, full, strict=False)
    with pytest.raises(RuntimeError, match=r'call init_weights\(\)'):
        teacher(*inputs())


@pytest.mark.parametrize(
    ('use', 'offender'),
    [
        (lambda: Toy(position='twice'), 'twice'),
        (lambda: mixer(4, 5), 'num_prompts must be 5 .* got 4'),
        (lambda: mixer(0, 11), 'at most 10'),
    ],
)
def test_refusals(use, offender: str) -> None:
    with pytest.raises(ValueError, match=offender):
        use()


def mixer(num_prompts: int, num_groups: int) -> None:
    teacher = ready(num_prompts=num_prompts)
    teacher.transformer.num_tokens = 10
    teacher.check_num_groups(num_groups)


def test_fixed_number_of_tokens() -> None:
    mixer(4, 6)
