"""Pretrained students: a folder each, of the package or of others."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STUDENTS = Path(__file__).parent
STUDENT_WEIGHTS, STUDENT_CONFIG = 'model.safetensors', 'config.json'
CARD = 'README.md'
# Of a student of concept distillation: what predicts the teacher's vector, and
# the teacher's vectors of texts.
STUDENT_CONCEPT = 'concept.safetensors'
STUDENT_TEXTS = 'texts.safetensors'
_HUB_ID = re.compile(r'[\w-][\w.-]*/[\w-][\w.-]*')


def student_names() -> list[str]:
    """List the students that the package ships."""
    return sorted(file.parent.name for file in STUDENTS.glob('*/config.json'))


def list_students() -> list[dict]:
    """Tell name, sizes and data of each student of the package."""
    return [
        dict(
            json.loads((STUDENTS / name / STUDENT_CONFIG).read_text()),
            name=name,
            card=str(STUDENTS / name / CARD),
            megabytes=(STUDENTS / name / STUDENT_WEIGHTS).stat().st_size / 1e6,
        )
        for name in student_names()
    ]


def fitting_students(backbone: Mapping) -> list[str]:
    """List the students of the package whose weights fit a backbone.

    Args:
        backbone: Its config.
    """
    sizes = ('embed_dims', 'num_layers', 'num_heads')
    found = []
    for name in student_names():
        text = (STUDENTS / name / STUDENT_CONFIG).read_text(encoding='utf-8')
        own = json.loads(text)['backbone']
        if all(backbone.get(key) == own[key] for key in sizes):
            found.append(name)
    return found


def find_student(name: str) -> Path | None:
    """Find the weights of a student.

    Args:
        name: A folder, that of a ``pretrain``, the name of one that the
            package ships, or the id of one that the cache of Hugging Face's
            hub has.
    """
    places = [Path(name).expanduser(), Path(name, 'student').expanduser()]
    if name in student_names():
        places.append(STUDENTS / name)
    for place in places:
        if (place / STUDENT_WEIGHTS).is_file():
            return place / STUDENT_WEIGHTS
    if places[0].exists() or not _HUB_ID.fullmatch(name):
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(name, STUDENT_WEIGHTS)
    return Path(cached) if isinstance(cached, str) else None


def student_meta(weights: str) -> dict[str, Any]:
    """Read what the folder of a student says of it, as a checkpoint does.

    Args:
        weights: A file; what does not lie in such a folder has nothing.
    """
    file = Path(weights).with_name(STUDENT_CONFIG)
    if Path(weights).name != STUDENT_WEIGHTS or not file.is_file():
        return {}
    told = json.loads(file.read_text(encoding='utf-8'))
    # Models of other libraries have such a folder, too.
    if told.pop('library_name', None) != 'mmdet3d_act':
        return {}
    told.pop('concept', None)
    return dict(backbone=told.pop('backbone'), dataset_meta=told)
