"""Which language Transformers run as teachers, and how their layers do."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmdet3d_act.models.teachers.language_files import (
    MINILM,
    how_to_get,
    locate,
    short_name,
)


class Family(NamedTuple):
    """How transformers names the parts of a kind of language model.

    Attributes:
        classes: What the names of its classes begin with.
        layers: Path of the layers in the base model.
        norm: Path of the norm after the last layer; None without one.
        prefixes: Names of the base model within files of larger ones.
    """

    classes: str
    layers: str
    norm: str | None = None
    prefixes: tuple[str, ...] = ()


class LanguageEncoder(NamedTuple):
    """The pretrained part of a language model.

    Attributes:
        layers: Each (B, L, D) -> (B, L, D), every token sees every other.
        norm: The norm after the last; None without one.
        embed_dims: Width D.
        num_heads: Heads of the attention.
        layer_prefixes: What may stand before "0. ..." in files.
        norm_prefixes: What may stand before the norm's names in files.
    """

    layers: list[nn.Module]
    norm: nn.Module | None
    embed_dims: int
    num_heads: int
    layer_prefixes: list[str]
    norm_prefixes: list[str]


# Layers of the whole family compute what BERT's do, by the same names.
_BERT = Family(
    'Bert', 'encoder.layer', prefixes=('bert', 'roberta', 'electra')
)
_LLAMA_LIKE = {
    'llama': 'Llama',
    'mistral': 'Mistral',
    'qwen2': 'Qwen2',
    'qwen3': 'Qwen3',
    'gemma': 'Gemma',
    'gemma2': 'Gemma2',
    'gemma3_text': 'Gemma3Text',
    'phi3': 'Phi3',
    'olmo2': 'Olmo2',
    'smollm3': 'SmolLM3',
}
FAMILIES: dict[str, Family] = {
    'bert': _BERT,
    'roberta': _BERT,
    'xlm-roberta': _BERT,
    'camembert': _BERT,
    'electra': _BERT,
    'distilbert': Family(
        'DistilBert', 'transformer.layer', prefixes=('distilbert',)
    ),
    'mpnet': Family('MPNet', 'encoder.layer', prefixes=('mpnet',)),
    'modernbert': Family('ModernBert', 'layers', 'final_norm'),
    'gpt2': Family('GPT2', 'h', 'ln_f', ('transformer',)),
    'gpt_neox': Family('GPTNeoX', 'layers', 'final_layer_norm', ('gpt_neox',)),
    'opt': Family('OPT', 'decoder.layers', 'decoder.final_layer_norm'),
    'phi': Family('Phi', 'layers', 'final_layernorm'),
    **{
        kind: Family(classes, 'layers', 'norm')
        for kind, classes in _LLAMA_LIKE.items()
    },
}
_RELATIVE = 'its attention needs a table of relative positions of words'
_ALIBI = 'its attention adds a bias of distances between words (ALiBi)'
REFUSED = {
    'albert': 'all of its layers are one layer with one set of weights',
    'deberta': _RELATIVE,
    'deberta-v2': _RELATIVE,
    't5': _RELATIVE,
    'mt5': _RELATIVE,
    'xlnet': _RELATIVE,
    'bloom': _ALIBI,
    'mpt': _ALIBI,
    'falcon': _ALIBI,
    'mamba': 'it is a recurrence over words in their order, not attention',
    'mixtral': 'its layers choose among experts for each word',
}
# What layers of the BERT family depend on; the rest of a config.json is of
# the embeddings and of other classes than BertConfig.
BERT_SETTINGS = (
    'hidden_size',
    'num_hidden_layers',
    'num_attention_heads',
    'intermediate_size',
    'hidden_act',
    'hidden_dropout_prob',
    'attention_probs_dropout_prob',
    'layer_norm_eps',
    'initializer_range',
)
# Entries of a config.json that say nothing about layers.
_NOT_OF_LAYERS = (
    'architectures',
    'auto_map',
    'dtype',
    'torch_dtype',
    'transformers_version',
    'attn_implementation',
    'vocab_size',
)
# Words are never embedded. Two of them, as MPNet pads with the second.
_NO_WORDS = {
    'vocab_size': 2,
    **{
        f'{name}_token_id': 0
        for name in ('pad', 'bos', 'eos', 'cls', 'sep', 'mask')
    },
}
_ROBERTA = {
    'model_type': 'roberta',
    'layer_norm_eps': 1e-5,
    'vocab_size': 50265,
    'max_position_embeddings': 514,
    'type_vocab_size': 1,
}
_LARGE = {
    'hidden_size': 1024,
    'num_hidden_layers': 24,
    'num_attention_heads': 16,
    'intermediate_size': 4096,
}
# Sizes of models that are known by name, so that their teachers can be built
# before anything is downloaded. What is not given is the library's default.
KNOWN_CONFIGS: dict[str, dict[str, Any]] = {
    MINILM: {
        'hidden_size': 384,
        'num_hidden_layers': 6,
        'num_attention_heads': 12,
        'intermediate_size': 1536,
    },
    'bert-base-uncased': {},
    'bert-base-cased': {'vocab_size': 28996},
    'bert-large-uncased': _LARGE,
    'distilbert-base-uncased': {'model_type': 'distilbert'},
    'roberta-base': _ROBERTA,
    'roberta-large': {**_ROBERTA, **_LARGE},
    'xlm-roberta-base': {
        **_ROBERTA,
        'model_type': 'xlm-roberta',
        'vocab_size': 250002,
    },
    'gpt2': {'model_type': 'gpt2'},
    'gpt2-medium': {
        'model_type': 'gpt2',
        'n_embd': 1024,
        'n_layer': 24,
        'n_head': 16,
    },
}


def language_settings(
    model: str, config: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the config of a language model as its library has it.

    Args:
        model: See :class:`LanguageTeacher`.
        config: Instead of the model's own.

    Raises:
        ValueError: If the model is not known, or cannot be a teacher.
    """
    settings: Mapping[str, Any] | None = config
    if settings is None:
        file = locate(model).config
        if file is not None:
            settings = json.loads(file.read_text(encoding='utf-8'))
        else:
            settings = KNOWN_CONFIGS.get(short_name(model))
    if settings is None:
        name = model.rpartition('/')[2].lower()
        for kind, why in REFUSED.items():
            if name.startswith(kind):
                raise ValueError(
                    f'{model!r} cannot be a LanguageTeacher: models called '
                    f'so are of the kind {kind!r}, and {why}; expected one '
                    f'of {", ".join(FAMILIES)}'
                )
        raise ValueError(
            f'the sizes of the language model {model!r} are not known here; '
            'pass config=dict(hidden_size=..., num_hidden_layers=..., '
            'num_attention_heads=..., intermediate_size=...), with '
            "model_type='gpt2' or another for other kinds than BERT, a folder "
            f'with config.json, or {how_to_get(model)}'
        )
    settings = {'model_type': 'bert', **settings}
    reason = refusal_of(settings)
    if reason is not None:
        raise ValueError(f'{model!r} cannot be a LanguageTeacher: {reason}')
    return settings


def refusal_of(settings: Mapping[str, Any]) -> str | None:
    """Return why a model cannot be a teacher; None where it can.

    Args:
        settings: Its config, with ``model_type``.
    """
    kind = settings['model_type']
    table = settings.get('position_embedding_type', 'absolute')
    if kind not in FAMILIES:
        why = REFUSED.get(kind, 'how its layers run without words is unknown')
        return (
            f'its kind is {kind!r}, and {why}; expected one of '
            f'{", ".join(FAMILIES)}'
        )
    if table != 'absolute':
        return (
            'expected absolute positions, got position_embedding_type '
            f'{table!r}: {_RELATIVE}; take a model without'
        )
    if settings.get('quantization_config'):
        return 'its weights are quantised; take the model in full precision'
    return None


def build_encoder(
    settings: Mapping[str, Any], num_layers: int | None = None
) -> LanguageEncoder:
    """Return the layers of a language model, randomly initialised.

    Every token sees every other, in decoders too. Rotary positions are those
    of tokens that are all at position 0: nothing is rotated.

    Args:
        settings: From :func:`language_settings`.
        num_layers: How many layers are built, from the first; None for all.

    Raises:
        ImportError: If transformers is missing or too old for the model.
        ValueError: If there are fewer layers.
    """
    family = FAMILIES[settings['model_type']]
    config = _library_config(family, settings)
    total = config.num_hidden_layers
    if num_layers is not None:
        if not 1 <= num_layers <= total:
            raise ValueError(
                f'num_layers must be within 1 and {total}, the layers of the '
                f'language model, got {num_layers}'
            )
        config.num_hidden_layers = num_layers
        if getattr(config, 'layer_types', None):
            config.layer_types = config.layer_types[:num_layers]
    network = _library_class(family.classes, 'Model')(config)
    layers = list(network.get_submodule(family.layers))
    for part in network.modules():
        if getattr(part, 'is_causal', False):
            part.is_causal = False
    rotary = getattr(network, 'rotary_emb', None)
    if rotary is not None:
        for layer, given in zip(
            layers, _at_position_zero(rotary, config), strict=True
        ):
            layer.register_forward_pre_hook(given, with_kwargs=True)
    elif any('rotary' in name for name, _ in layers[0].named_modules()):
        raise ImportError(
            f'transformers {_library().__version__} rotates within the layers '
            f'of {family.classes}; update it with `pip install -U '
            'transformers`'
        )
    return LanguageEncoder(
        layers,
        _submodule(network, family.norm),
        config.hidden_size,
        config.num_attention_heads,
        [*_names(family, family.layers), 'layer.'],
        _names(family, family.norm or ''),
    )


def _library() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            'LanguageTeacher needs transformers; install it with `pip install '
            '"mmdet3d_act[demo]"`'
        ) from error
    return transformers


def _library_class(classes: str, suffix: str) -> type:
    library = _library()
    found = getattr(library, f'{classes}{suffix}', None)
    if found is None:
        raise ImportError(
            f'transformers {library.__version__} has no {classes}{suffix}; '
            'update it with `pip install -U transformers`'
        )
    return found


def _library_config(family: Family, settings: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if family is _BERT:
        kept = {k: settings[k] for k in BERT_SETTINGS if k in settings}
    else:
        kept = {k: v for k, v in settings.items() if k not in _NOT_OF_LAYERS}
        del kept['model_type']
    make = _library_class(family.classes, 'Config')
    return make(**{**kept, **_NO_WORDS}, attn_implementation='eager')


def _submodule(network: nn.Module, path: str | None) -> nn.Module | None:
    """Return a part of a model; None where it has none there."""
    if path is None:
        return None
    parent, _, name = path.rpartition('.')
    return getattr(network.get_submodule(parent), name, None)


def _names(family: Family, path: str) -> list[str]:
    return [
        f'{path}.',
        *(f'{prefix}.{path}.' for prefix in family.prefixes),
    ]


class _Given:
    """Hands a decoder layer what its model would: no mask, no rotation."""

    def __init__(self, width: int, scale: float) -> None:
        self.width = width
        self.scale = scale

    def __call__(
        self, layer: nn.Module, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict]:
        tokens: Tensor = args[0]
        # The same for every token and head: (1, 1, width of the rotation).
        cos = tokens.new_full((1, 1, self.width), self.scale)
        pair = (cos, torch.zeros_like(cos))
        kwargs = {'attention_mask': None, 'position_embeddings': pair}
        return args, kwargs


def _at_position_zero(
    rotary: nn.Module,
    config: Any,  # noqa: ANN401
) -> Iterator[_Given]:
    """Yield, for each layer, what the rotation of position 0 is.

    It has no effect but for a factor of the attention that some long-context
    variants put into it, which is of the model and is kept.
    """
    # Anew, with values also where the model is on the meta device.
    with torch.device('cpu'):
        rotary = type(rotary)(config)
        where = torch.zeros(1, 1, dtype=torch.long)
        tokens = torch.zeros(1, 1, 1)
    by_type = 'layer_type' in inspect.signature(rotary.forward).parameters
    for index in range(config.num_hidden_layers):
        named = [config.layer_types[index]] if by_type else []
        cos, _ = rotary(tokens, where, *named)
        yield _Given(cos.shape[-1], float(cos.flatten()[0]))
