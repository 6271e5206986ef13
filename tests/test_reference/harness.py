"""Golden arrays: find them, load them, compare with them.

A test module names the kinds (``KINDS``) that it compares in a literal tuple
``COVERS``; a kind that no module names is a visible skip of
``test_coverage.py``::

    COVERS = ('ops_sampling',)


    @pytest.mark.parametrize('name', fixture_params(*COVERS))
    def test_sampling(reference: Reference, name: str) -> None:
        arrays, meta = reference.load(name)
        ...
        reference.assert_all(name, {'fps_idx': idx, 'center': center, ...})

A run in which no test compared an array of a covered fixture fails at its end
(``completeness.py``). Values may be tensors, arrays or numbers; shapes must
agree exactly, tolerances are those of ``comparison.py``. The kind of a fixture
follows from its arrays, never from its name or sizes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from tests.test_reference.comparison import mismatch

REPO_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_FOLDERS = (
    REPO_ROOT.parent / 'shared' / 'reference',
    REPO_ROOT / 'tests' / 'data' / 'reference',
)
INDEX = 'fixtures_index.json'
UNKNOWN = 'unknown'
SLOW_VALUES = 20_000_000  # parameters from which a network counts as slow


class Kind(NamedTuple):
    """What identifies a kind of fixture.

    Args:
        present: Arrays that all must be there.
        absent: Arrays of which none may be there.
        inputs: Patterns of arrays that are given to the networks, or drawn
            from a generator that we do not use, and so are not compared.
    """

    present: frozenset[str]
    absent: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset({'points'})


def _kind(present: str, absent: str = '', inputs: str = 'points') -> Kind:
    return Kind(
        frozenset(present.split()),
        frozenset(absent.split()),
        frozenset(inputs.split()),
    )


# The first kind that fits is taken.
KINDS: dict[str, Kind] = {
    'ops_sampling': _kind('points fps_idx knn_idx'),
    'ops_chamfer': _kind('dist_ab dist_ba l1 l2', inputs='a b zeros_a'),
    'schedules': _kind('iterations temperature', inputs='iterations'),
    'augment': _kind(
        'rotate rotate_angles',
        inputs='points pc_norm_in rotate_angles st_scale st_shift '
        'seg_scales seg_shifts mask_draw_*',
    ),
    'autoencoder_clip': _kind('loss_recon loss_kl vis_ln_pre'),
    'autoencoder_vit': _kind('loss_recon loss_kl vis_final_norm'),
    'autoencoder_bert': _kind('loss_recon loss_kl vis_out_soft'),
    'autoencoder_plain': _kind('loss_recon loss_kl feature_soft'),
    'autoencoder_subsampled': _kind('loss_recon_soft loss_kl_soft'),
    'distill': _kind(
        'prediction target_masked loss_cosine', inputs='points mask'
    ),
    'masked_points': _kind('rebuilt mask loss_cdl2', inputs='points mask'),
    'partseg': _kind(
        'concat_taps_sub shape_class',
        inputs='points shape_class target fp_xyz1 fp_xyz2 fp_feat2',
    ),
    'semseg': _kind(
        'concat_taps_sub class_weight',
        inputs='points class_weight target fp_xyz1 fp_xyz2 fp_feat2',
    ),
    'classifier': _kind('points logits head_in', inputs='points label'),
    'classifier_logits': _kind('points logits', 'target tokens'),
    'detector': _kind(
        'point_clouds query_xyz', inputs='point_clouds raw_boxes_*'
    ),
    'detector_boxes': _kind(
        'centers sizes giou_rotated',
        inputs='centers sizes angles gt_corners gt_corners_axis_aligned '
        'gt_count angle_in',
    ),
    'detector_lr': _kind('lr progress'),
    'ap_full_path': _kind(
        'map25 kept_score',
        inputs='point_clouds pred_box pred_corners sem_cls_prob '
        'objectness_prob gt_*',
    ),
    'ap': _kind('map25 map50', inputs='gt_* det_*'),
    'ap_threshold': _kind('exact_half_map50', inputs='gt det'),
    'metric_partseg': _kind(
        'instance_avg_iou category_iou', inputs='logits target shape_class'
    ),
    'metric_semseg': _kind(
        'iou_per_class miou', inputs='logits target class_weight'
    ),
    'caption_prefix': _kind('clip_embedding prefix', inputs='clip_embedding'),
    'caption_model': _kind(
        'clip_embedding tokens logits', inputs='clip_embedding tokens mask'
    ),
}


def kind_of(arrays: Iterable[str]) -> str:
    """Return the kind that a fixture with these arrays has, or 'unknown'."""
    names = frozenset(arrays)
    for name, kind in KINDS.items():
        if kind.present <= names and not kind.absent & names:
            return name
    return UNKNOWN


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; objects keep their order."""
    return json.loads(path.read_text(encoding='utf-8'))


class Reference:
    """A folder with golden arrays.

    Args:
        folder: Holds ``fixtures_index.json``, ``fixtures/*.npz`` and
            ``keys/*.json``; ``make_weights.py`` may be absent, then that of
            ``tests/data/reference`` is used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.index: dict[str, dict] = read_json(self.folder / INDEX)
        self.kinds = {
            name: kind_of(entry['arrays'])
            for name, entry in self.index.items()
        }
        self.compared: dict[str, set[str]] = {}
        self._loaded: dict[str, tuple[dict[str, np.ndarray], dict]] = {}

    def names(self, *kinds: str) -> list[str]:
        """Return the fixtures of the kinds, sorted; all without argument."""
        unknown = set(kinds) - {*KINDS, UNKNOWN}
        if unknown:
            raise ValueError(
                f'kinds must be among {sorted(KINDS)}, got {sorted(unknown)}'
            )
        return sorted(
            name
            for name, kind in self.kinds.items()
            if not kinds or kind in kinds
        )

    def load(self, name: str) -> tuple[dict[str, np.ndarray], dict]:
        """Return a fixture's arrays by name, and its ``meta``.

        Raises:
            ValueError: If the file is not the one that the index describes.
        """
        if name not in self._loaded:
            path = self.folder / 'fixtures' / f'{name}.npz'
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest != self.index[name]['sha256']:
                raise ValueError(
                    f'{path} has sha256 {digest}, the index says '
                    f'{self.index[name]["sha256"]}; restore the file'
                )
            with np.load(path, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            meta = json.loads(str(arrays.pop('meta')))
            if set(arrays) != set(self.index[name]['arrays']):
                raise ValueError(f'{path} holds other arrays than the index')
            self._loaded[name] = arrays, meta
        arrays, meta = self._loaded[name]
        return {key: value.copy() for key, value in arrays.items()}, meta

    def shapes(self, name: str) -> OrderedDict[str, list[int]]:
        """Return the official parameter names and shapes of a fixture.

        They come from the key file that the index names, as far as its
        ``prefix`` goes (not stripped), or from ``meta['keys']``.
        """
        entry = self.index[name]
        if entry.get('keys') is None:
            keys = self.load(name)[1].get('keys')
            if keys is None:
                raise ValueError(f'fixture {name} has no parameters')
            return OrderedDict(keys)
        keys = read_json(self.folder / 'keys' / f'{entry["keys"]}.json')
        prefix = entry.get('prefix', '')
        return OrderedDict(
            (key, shape)
            for key, shape in keys.items()
            if key.startswith(prefix)
        )

    def num_values(self, name: str) -> int:
        """Return how many parameter values a fixture's network has."""
        entry = self.index[name]
        if entry.get('keys') is None:
            return 0
        return sum(math.prod(shape) for shape in self.shapes(name).values())

    def weights(
        self, name: str, *, strip_prefix: bool = True
    ) -> OrderedDict[str, torch.Tensor]:
        """Return a fixture's state dict with the official names.

        Args:
            name: The fixture.
            strip_prefix: Whether names lose the ``prefix`` of the index, after
                the values were generated from the whole names.
        """
        maker = self.weight_rule()
        prefix = self.index[name].get('prefix', '') if strip_prefix else ''
        return OrderedDict(
            (key[len(prefix) :], maker.make_tensor(key, shape))
            for key, shape in self.shapes(name).items()
        )

    def weight_rule(self) -> ModuleType:
        """Return the folder's ``make_weights`` module, or our copy of it."""
        for folder in (self.folder, DEFAULT_FOLDERS[-1]):
            path = folder / 'make_weights.py'
            if path.is_file():
                return _load_module(path)
        raise FileNotFoundError(
            f'make_weights.py is neither in {self.folder} nor in '
            f'{DEFAULT_FOLDERS[-1]}; restore tests/data/reference'
        )

    def grad_array(
        self, name: str, norms: Mapping[str, float | torch.Tensor | None]
    ) -> np.ndarray:
        """Return gradient norms in the order of ``meta['param_names']``.

        Args:
            name: The fixture.
            norms: Norm by official parameter name; None, or no entry, where
                no gradient reaches the parameter (-1 in the result).

        Raises:
            ValueError: If ``norms`` has a name that the fixture lacks.
        """
        order = self.load(name)[1]['param_names']
        unknown = sorted(set(norms) - set(order))
        if unknown:
            raise ValueError(f'{name} has no parameters {unknown}')
        found = (norms.get(key) for key in order)
        return np.array([-1.0 if x is None else float(x) for x in found])

    def assert_matches(self, name: str, array: str, actual: Any) -> None:
        """Compare one array of a fixture by its tolerance, and record it."""
        self.assert_some(name, {array: actual})

    def assert_some(self, name: str, results: Mapping[str, Any]) -> None:
        """Compare some arrays of a fixture by name, and record them."""
        arrays, _ = self.load(name)
        strange = sorted(set(results) - set(arrays))
        assert not strange, f'{name} has no arrays {strange}'
        faults = [
            fault
            for array, actual in results.items()
            if (fault := mismatch(array, actual, arrays[array]))
        ]
        assert not faults, f'{name} differs:\n' + '\n'.join(faults)
        self.compared.setdefault(name, set()).update(results)

    def assert_all(
        self,
        name: str,
        results: Mapping[str, Any],
        elsewhere: Iterable[str] = (),
    ) -> None:
        """Compare every array of a fixture that is no input of its kind.

        Args:
            name: The fixture.
            results: Ours by array name; names that it lacks are an error.
            elsewhere: Arrays that another test of the module compares.
        """
        missing = self.outputs(name) - set(results) - set(elsewhere)
        self.assert_some(name, results)
        assert not missing, f'{name}: {sorted(missing)} were not compared'

    def outputs(self, name: str) -> set[str]:
        """Return the arrays of a fixture that are not inputs of its kind."""
        kind = KINDS.get(self.kinds[name])
        inputs = kind.inputs if kind else frozenset()
        return {
            array
            for array in self.index[name]['arrays']
            if not any(fnmatchcase(array, pattern) for pattern in inputs)
        }


@cache
def _load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location('_make_weights', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_STATE: dict[str, Any] = {'folder': None, 'reference': None}


def choose_folder(folder: Path | None = None) -> None:
    """Choose the folder with golden arrays; the first default that exists.

    Raises:
        FileNotFoundError: If a named folder is not one of golden arrays.
    """
    candidates = DEFAULT_FOLDERS if folder is None else (Path(folder),)
    found = [path for path in candidates if (path / INDEX).is_file()]
    if not found:
        raise FileNotFoundError(
            f'no {INDEX} in {" or ".join(map(str, candidates))}; pass a '
            'folder of the reference format by --reference DIR'
        )
    _STATE.update(folder=found[0].resolve(), reference=None)


def chosen_folder() -> Path:
    """Return the folder in use."""
    if _STATE['folder'] is None:
        choose_folder()
    return _STATE['folder']


def current() -> Reference:
    """Return the one object on the folder in use."""
    folder = chosen_folder()
    if _STATE['reference'] is None:
        _STATE['reference'] = Reference(folder)
    return _STATE['reference']


def listed(file: str) -> Any:
    """Read a JSON list of the folder in use, or of our copy."""
    for folder in (chosen_folder(), DEFAULT_FOLDERS[-1]):
        if (folder / file).is_file():
            return read_json(folder / file)
    pytest.skip(f'{file} is in none of the folders')


def fixture_names(*kinds: str) -> list[str]:
    """Return the fixtures of these kinds in the folder in use."""
    return current().names(*kinds)


def fixture_params(*kinds: str) -> list:
    """Return ``fixture_names`` as parameters, big networks marked slow."""
    return [
        pytest.param(
            name,
            marks=[pytest.mark.slow]
            if current().num_values(name) >= SLOW_VALUES
            else [],
        )
        for name in fixture_names(*kinds)
    ]
