"""What checkpoints say of a backbone beside its weights."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from mmdet3d_act.models.backbones import settings
from tests.test_models import toys


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    messages: list[str] = []
    monkeypatch.setattr(
        settings,
        'print_log',
        lambda text, logger, level: messages.append(text),
    )
    return messages


def test_sizes_build_the_same_network() -> None:
    student = toys.student(patch_dims=24, mlp_ratio=3.0, in_channels=6)
    sizes = settings.backbone_sizes(student.state_dict())
    assert sizes == dict(
        in_channels=6,
        embed_dims=32,
        num_layers=2,
        mlp_ratio=3.0,
        qkv_bias=False,
        patch_dims=24,
        patch_channels=(8, 16, 16),
        with_cls_token=True,
    )
    toys.student(**sizes).load_state_dict(student.state_dict())


def test_sizes_of_something_else() -> None:
    with pytest.raises(ValueError, match='only a patch embedding'):
        settings.backbone_sizes(toys.vae().state_dict())
    text = settings.describe_sizes(toys.vae().state_dict())
    assert 'only a patch embedding' in text
    assert 'embed_dims=32, num_layers=2' in settings.describe_sizes(
        toys.student().state_dict()
    )


def test_settings_of_a_converted_file() -> None:
    meta = dict(backbone=dict(num_heads=3), cfg='model = dict(')
    assert settings.checkpoint_settings(dict(meta=meta)) == dict(num_heads=3)


@pytest.mark.parametrize('checkpoint', [{}, dict(meta=None), dict(meta={})])
def test_no_settings(checkpoint: dict) -> None:
    assert settings.checkpoint_settings(checkpoint) == {}


def test_settings_of_a_training() -> None:
    student = dict(type='mmdet3d.PointTransformer', num_heads=2, num_groups=5)
    cfg = Config(
        dict(
            model=dict(
                type='Distiller',
                parts=[dict(type='DiscreteVAE', num_heads=9), student],
                lr=-1e-3,
            ),
            x=1,
        )
    )
    found = settings.checkpoint_settings(dict(meta=dict(cfg=cfg.pretty_text)))
    assert found == student


def test_the_student_is_taken_not_its_teacher() -> None:
    teacher = dict(type='PointTransformer', num_heads=8)
    student = dict(type='PointTransformer', num_heads=2)
    model = dict(objectives=dict(a=teacher), student=student)
    text = Config(dict(model=model)).pretty_text
    assert text.index('num_heads=8') < text.index('num_heads=2')
    found = settings.checkpoint_settings(dict(meta=dict(cfg=text)))
    assert found == student


def test_config_text_is_not_executed() -> None:
    text = (
        "import os\nos.mkdir('/nonexistent/x')\nboom = open('/etc/passwd')\n"
        'a, b = 1, 2\nmodel = dict(x=[1, (2, None)], y={"k": dict(z=-1.5)})\n'
        'bad = dict(x=exit())\nworse = dict(**model)\nmerged = {**model}\n'
    )
    assert settings.read_config_text(text) == dict(
        model=dict(x=[1, [2, None]], y=dict(k=dict(z=-1.5))), merged={}
    )
    assert settings.read_config_text('model = dict(') == {}
    assert settings.read_config_text(None) == {}


@pytest.mark.parametrize(
    ('key', 'theirs'), [('num_heads', 8), ('residual', 'normed')]
)
def test_what_must_agree(key: str, theirs: object) -> None:
    student = toys.student()
    given = dict(num_heads=4, group_size=toys.GROUP_SIZE)
    settings.compare_settings(given, student, 'a.pth')
    with pytest.raises(ValueError, match=f'a.pth was trained with {key}='):
        settings.compare_settings({**given, key: theirs}, student, 'a.pth')


def test_absent_settings_are_the_defaults() -> None:
    """A config names what differs from them: six heads here."""
    with pytest.raises(ValueError, match='trained with num_heads=6'):
        settings.compare_settings(
            dict(type='PointTransformer'), toys.student(), 'a.pth'
        )
    settings.compare_settings({}, toys.student(), 'a.pth')


def test_what_should_agree(log: list[str]) -> None:
    settings.compare_settings(
        dict(num_heads=4, group_size=16), toys.student(), 'a.pth'
    )
    assert len(log) == 1
    assert 'group_size=16, this PointTransformer has group_size=4' in log[0]


def test_networks_without_the_setting_are_not_compared() -> None:
    settings.compare_settings(
        dict(num_heads=4), torch.nn.Linear(1, 1), 'a.pth'
    )
