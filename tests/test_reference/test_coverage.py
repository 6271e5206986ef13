"""Which golden arrays are compared, and which are not yet."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.test_reference import harness
from tests.test_reference.comparison import mismatch, tolerance
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


def test_processes_of_a_run_are_taken_together(reference: Reference) -> None:
    whole = finished_run(reference)
    report = dict(
        modules=sorted(whole.modules),
        deselected=[],
        compared={k: sorted(v) for k, v in whole.compared.items()},
    )
    run = Completeness()
    run.modules = set(whole.modules)
    assert run.find_gaps(reference)
    run.pytest_testnodedown(
        SimpleNamespace(workeroutput={'golden_arrays': report})
    )
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
    path = reference.folder / 'selfcheck.json'
    if not path.is_file():
        path = harness.DEFAULT_FOLDERS[-1] / 'selfcheck.json'
    for row in harness.read_json(path):
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
    assert mismatch('miou', want * np.nan, want * np.nan) is None


def test_missing_gradient_is_exact() -> None:
    want = np.array([-1.0, 1000.0], dtype=np.float32)
    assert mismatch('grad_norm', [-1.0, 1004.0], want) is None
    assert 'first at (0,)' in mismatch('grad_norm', [0, 1e3], want)


def test_tolerances_follow_the_readme() -> None:
    three = np.array([-3.0, 1.0], dtype=np.float32)
    assert tolerance('enc_out', three) == pytest.approx(6e-5)
    assert tolerance('enc_out', three / 9) == pytest.approx(2e-5)
    assert tolerance('soft_tau0.25', three) == pytest.approx(3e-4)
    assert tolerance('soft_tau0.1', three) == pytest.approx(3e-4)
    assert tolerance('soft_tau1', three) == pytest.approx(6e-5)
    assert tolerance('loss_tau0.25', three / 3) == pytest.approx(1e-5)
    assert tolerance('loss_kl', three / 3) == pytest.approx(1e-5)
    assert tolerance('train_grad_norm', three) == pytest.approx(0.015)
    assert tolerance('lr_value_x', three / 3) == pytest.approx(1e-6)
    assert tolerance('mask', three > 0) == 0


def test_kind_follows_from_arrays() -> None:
    loss = {'loss_recon', 'loss_kl'}
    assert harness.kind_of({*loss, 'vis_out_soft'}) == 'autoencoder_bert'
    assert harness.kind_of({*loss, 'feature_soft'}) == 'autoencoder_plain'
    assert harness.kind_of({'something', 'else'}) == harness.UNKNOWN


def test_incomplete_comparison_fails(reference: Reference) -> None:
    name = reference.names()[0]
    with pytest.raises(AssertionError, match='were not compared'):
        reference.assert_all(name, {})
    with pytest.raises(AssertionError, match='has no arrays'):
        reference.assert_some(name, {'no such array': 0})


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match='kinds must be among'):
        harness.fixture_names('autoencoder')


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='--reference DIR'):
        harness.choose_folder(tmp_path)
    assert harness.chosen_folder() != tmp_path


def test_changed_file_is_refused(reference: Reference, tmp_path: Path) -> None:
    name = min(reference.index, key=lambda key: reference.index[key]['bytes'])
    source = reference.folder / 'fixtures' / f'{name}.npz'
    (tmp_path / 'fixtures').mkdir()
    (tmp_path / 'fixtures' / source.name).write_bytes(
        source.read_bytes() + b'0'
    )
    index = (reference.folder / harness.INDEX).read_text()
    (tmp_path / harness.INDEX).write_text(index)
    with pytest.raises(ValueError, match='sha256'):
        Reference(tmp_path).load(name)


def test_prefix_selects_names_and_is_stripped(reference: Reference) -> None:
    names = [n for n, e in reference.index.items() if e.get('prefix')]
    if not names:
        pytest.skip('no fixture of this folder has a prefix')
    prefix = reference.index[names[0]]['prefix']
    shapes = reference.shapes(names[0])
    assert all(key.startswith(prefix) for key in shapes)
    smallest = min(shapes, key=lambda key: (len(shapes[key]), shapes[key]))
    maker = reference.weight_rule()
    reference.shapes = lambda _: {smallest: shapes[smallest]}
    try:
        weights = reference.weights(names[0])
    finally:
        del reference.shapes
    (key,) = weights
    assert prefix + key == smallest
    want = maker.make_array(smallest, shapes[smallest])
    np.testing.assert_array_equal(weights[key].numpy(), want)


def test_gradient_norms_are_ordered(reference: Reference) -> None:
    names = [
        n for n, e in reference.index.items() if 'grad_norm' in e['arrays']
    ]
    if not names:
        pytest.skip('no fixture of this folder has gradient norms')
    order = reference.load(names[0])[1]['param_names']
    norms = {order[1]: 2.0, order[0]: None, order[2]: 3.0}
    got = reference.grad_array(names[0], norms)
    assert got[:3].tolist() == [-1, 2, 3]
    assert set(got[3:]) <= {-1}
    with pytest.raises(ValueError, match='has no parameters'):
        reference.grad_array(names[0], {'no such parameter': 1.0})
