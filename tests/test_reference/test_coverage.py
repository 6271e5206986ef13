"""Which golden arrays are compared, and which are not yet."""

from __future__ import annotations

import numpy as np
import pytest

from tests.test_reference import harness
from tests.test_reference.comparison import mismatch
from tests.test_reference.completeness import Completeness, covered_kinds
from tests.test_reference.harness import Reference


def test_covers_names_known_kinds() -> None:
    modules = covered_kinds().get(harness.UNKNOWN)
    assert not modules, f'COVERS of {modules} names kinds not in KINDS'


@pytest.mark.parametrize('kind', sorted(set(harness.current().kinds.values())))
def test_kind_has_a_test(reference: Reference, kind: str) -> None:
    names = reference.names(kind)
    if kind == harness.UNKNOWN:
        pytest.skip(
            f'fixtures of no known kind, compared by no test: {names}; their '
            f'arrays: {[sorted(reference.index[n]["arrays"]) for n in names]}'
        )
    if kind not in covered_kinds():
        pytest.skip(f'no test covers the kind "{kind}" yet: {names}')
    assert all(reference.outputs(name) for name in names)


def finished_run(reference: Reference) -> Completeness:
    """A run of everything, which compared every array."""
    run = Completeness()
    run.modules = {'test_coverage.py'}.union(*covered_kinds().values())
    run.compared = {n: reference.outputs(n) for n in reference.names()}
    return run


def test_an_array_without_comparison_is_a_gap(reference: Reference) -> None:
    name = reference.names(*covered_kinds())[0]
    array = min(reference.outputs(name))
    run = finished_run(reference)
    assert run.find_gaps(reference) == []
    run.compared[name] = run.compared[name] - {array}
    assert run.find_gaps(reference) == [
        f"{name}: no test compared ['{array}']"
    ]
    run.deselected = {name}
    assert run.find_gaps(reference) == []


@pytest.mark.parametrize('name', harness.fixture_names())
def test_file_is_the_indexed_one(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    described = {
        key: f'{value.dtype} {list(value.shape)}'
        for key, value in arrays.items()
    }
    assert described == reference.index[name]['arrays']
    if 'param_names' in meta:
        assert len(meta['param_names']) == len(arrays['grad_norm'])


def test_weight_rule_gives_pinned_values(reference: Reference) -> None:
    for row in harness.listed('selfcheck.json'):
        values = reference.weight_rule().make_array(row['name'], row['shape'])
        np.testing.assert_allclose(
            values.reshape(-1)[:4], row['first'], rtol=0, atol=1e-6
        )
        assert str(values.dtype) == row['dtype']


def test_comparison_finds_differences() -> None:
    want = np.array([1.0, 2.0], dtype=np.float32)
    assert mismatch('enc_out', want + 3e-5, want) is None
    assert 'largest difference 0.001' in mismatch('enc_out', want + 1e-3, want)
    assert 'shape (1,)' in mismatch('enc_out', want[:1], want)
    assert 'exact' in mismatch('fps_idx', np.array([1, 2]), np.array([1, 3]))
    assert mismatch('enc_out', want * np.nan, want) is not None
    assert mismatch('grad_norm', [0, 1e3], np.array([-1.0, 1e3])) is not None
    assert mismatch('miou', want * np.nan, want * np.nan) is None
