import pytest

from mmdet3d_act.ops import _checks


@pytest.fixture
def values_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with ACT_CHECK_FINITE=1."""
    monkeypatch.setattr(_checks, 'CHECK_FINITE', True)
