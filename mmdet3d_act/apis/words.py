"""Words for shapes: what the text encoder of a student's teacher says.

Letters: T texts, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mmdet3d_act.apis.embedding import Embedder
from mmdet3d_act.apis.scan_files import name_outputs
from mmdet3d_act.apis.students import ConceptStudent
from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.evaluation.zero_shot_metric import text_key, text_likeness
from mmdet3d_act.io import write_json
from mmdet3d_act.models.teachers.open_clip_teacher import encode_texts

# What a class is called in, as in Radford et al., Learning Transferable Visual
# Models From Natural Language Supervision, ICML 2021.
PROMPTS = (
    'a photo of a {}.',
    'a photo of the {}.',
    'a close-up photo of a {}.',
    'a rendering of a {}.',
    'a 3D model of a {}.',
)
# Says no more than any text about an object.
NEUTRAL = 'object'
_SHOWN = 4


def text_vectors(
    student: ConceptStudent,
    texts: Sequence[str],
    prompts: Sequence[str] | None = None,
    usual: Sequence[str] = ('{}',),
) -> np.ndarray:
    """Find the teacher's vectors of texts, (T, D).

    Those that travel with the student are looked up, whatever their case; the
    others are computed by the teacher's text encoder.

    Args:
        student: From :func:`load_concepts`.
        texts: Words, names of classes or sentences.
        prompts: What the text encoder reads, with ``{}`` for the text; the
            vectors of several are averaged. Given, all texts are read in them.
        usual: The prompts of texts without a vector where none are given.

    Raises:
        UsageError: If a text has no vector and the encoder is not here, or a
            prompt has no place for the text.
    """
    used = prompts or usual
    if any('{}' not in prompt for prompt in used):
        raise UsageError(f'a prompt has {{}} for the text, got {used}')
    known = {text_key(name): v.numpy() for name, v in student.texts.items()}
    missing = [one for one in texts if prompts or text_key(one) not in known]
    if missing:
        asked = [one.replace('{}', text) for text in missing for one in used]
        named = ', '.join(map(repr, missing[:_SHOWN]))
        named += ' by the given prompts' if prompts else ''
        found = _encode(student, asked, named)
        means = found.reshape(len(missing), len(used), -1).mean(axis=1)
        known |= dict(zip(map(text_key, missing), means, strict=True))
    return np.stack([known[text_key(text)] for text in texts])


def text_center(student: ConceptStudent) -> np.ndarray | None:
    """Find what all texts have in common, (D,): the mean of the stored ones.

    Where there are fewer than two, it is what the text encoder says of an
    object of no kind, or None where that is not here.

    Args:
        student: From :func:`load_concepts`.
    """
    if len(student.texts) > 1:
        stored = text_vectors(student, [*student.texts])
        lengths = np.linalg.norm(stored, axis=1, keepdims=True)
        return (stored / lengths).mean(axis=0)
    try:
        return text_vectors(student, [NEUTRAL], PROMPTS)[0]
    except UsageError:
        return None


def name_clouds(
    embedder: Embedder,
    inputs: Sequence[str | Path],
    classes: Sequence[str],
    folder: str | Path,
    *,
    prompts: Sequence[str] | None = None,
    top: int = 5,
) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Yield each file with the classes that are most like it.

    ``NAME.json`` gets them, too. The numbers are cosines, no probabilities.

    Args:
        embedder: Of a student of :func:`load_concepts`.
        inputs: Files and folders.
        classes: At least two names.
        folder: Gets the files.
        prompts: See :func:`text_vectors`; ``PROMPTS`` are the usual ones.
        top: How many classes are told.

    Raises:
        UsageError: If there is one class, a class has no vector, or a file
            cannot be used, which is said once the others are done.
    """
    if len(classes) < 2:
        raise UsageError(
            f'give at least two classes, got {", ".join(classes)}'
        )
    texts = text_vectors(embedder.concepts, classes, prompts, usual=PROMPTS)
    names, faults = name_outputs(inputs), []
    axis = embedder.find_axis(list(names))
    for file, name in names.items():
        ((_, found),) = embedder.embed_each([file], axis)
        if not isinstance(found, dict):
            faults.append(str(found))
            continue
        likeness = text_likeness(found['vector'][None], texts)[0]
        best = np.argsort(-likeness, kind='stable')[:top]
        told = [(classes[i], round(float(likeness[i]), 4)) for i in best]
        entries = [dict(label=label, cosine=value) for label, value in told]
        write_json(
            Path(folder) / f'{name}.json', dict(file=file, classes=entries)
        )
        yield file, told
    if faults:
        raise UsageError('\n'.join(faults))


def _encode(
    student: ConceptStudent, prompts: list[str], named: str
) -> np.ndarray:
    """Compute vectors by the text encoder of the student's teacher."""
    there = ', '.join(map(repr, [*student.texts][:_SHOWN])) or 'none'
    text = f'no vector of {named} travels with the student (there: {there})'
    teacher = student.config.get('teacher')
    if teacher is None:
        raise UsageError(
            f'{text}, and its teacher is no model of open_clip; give vectors '
            "of that teacher's text encoder by --texts FILE, or to "
            'save_pretrained(texts=...), see docs/concept.md'
        )
    try:
        return encode_texts(prompts, **teacher).numpy()
    except (FileNotFoundError, CheckpointError, ImportError) as error:
        raise UsageError(f'{text}; {error}') from error
