"""The catalogue against the libraries and the docs."""

from __future__ import annotations

import open_clip
import pytest
import timm
import torch
import transformers

from mmdet3d_act.models import teachers
from mmdet3d_act.models.teachers import catalog as module
from mmdet3d_act.models.teachers.language_teacher import KNOWN_CONFIGS

ENTRIES = pytest.mark.parametrize(
    'entry', module.CATALOG, ids=[entry.key for entry in module.CATALOG]
)
# Of models whose words are counted too.
VOCABULARIES = {
    'roberta-base': {
        'vocab_size': 50265,
        'max_position_embeddings': 514,
        'type_vocab_size': 1,
    }
}


def whole_model(entry: module.CatalogEntry) -> torch.nn.Module:
    """Build the library's own model, which its file fills."""
    with torch.device('meta'):
        if entry.type == 'TimmTeacher':
            return timm.create_model(entry.model)
        if entry.type == 'OpenCLIPTeacher':
            return open_clip.CLIP(**open_clip.get_model_config(entry.model))
        settings = {
            'model_type': 'bert',
            **KNOWN_CONFIGS[entry.model],
            **VOCABULARIES.get(entry.model, {}),
        }
        config = transformers.AutoConfig.for_model(**settings)
        return transformers.AutoModel.from_config(config)


@ENTRIES
def test_sizes_are_the_libraries(entry: module.CatalogEntry) -> None:
    spec = getattr(teachers, entry.type).describe(entry.model)
    assert spec[:2] == (entry.embed_dims, entry.num_layers)
    sizes = [value.numel() for value in whole_model(entry).parameters()]
    assert sum(sizes) * 4e-6 == pytest.approx(entry.megabytes, abs=0.51)
    if spec.num_tokens is not None:
        assert spec.num_tokens == entry.num_prompts + 64


@ENTRIES
def test_weights_are_where_the_teacher_looks(
    entry: module.CatalogEntry,
) -> None:
    cls = getattr(teachers, entry.type)
    tag = () if entry.tag is None else (entry.tag,)
    theirs, ours = cls.weight_source(entry.model, *tag), entry.source
    assert (theirs.hub_id, theirs.files) == (ours.hub_id, ours.files)
    assert set(ours.names) <= set(theirs.names)
