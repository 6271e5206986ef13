"""Pretrained students by name: load them, save them, share them.

The folder of a student holds ``model.safetensors``, ``config.json`` (sizes
of the backbone, and what is known of its data) and a model card. A student of
concept distillation may have ``concept.safetensors``, which predicts its
teacher's vector, and ``texts.safetensors``, that teacher's vectors of texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from mmengine.config import Config
from mmengine.registry import init_default_scope
from safetensors.torch import save_file
from torch import Tensor, nn

from mmdet3d_act.apis.loading import find_config, initialize, points_per_cloud
from mmdet3d_act.checkpoint import (
    CheckpointError,
    MissingCheckpointError,
    fill_module,
    read_checkpoint,
    read_weights,
    resolve_checkpoint,
    under_prefix,
)
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.io import write_json
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.backbones.pretrained import (
    SETTINGS,
    backbone_settings,
    backbone_sizes,
    backbone_state,
    checkpoint_settings,
)
from mmdet3d_act.models.distillers import Distiller
from mmdet3d_act.students import (
    CARD,
    STUDENT_CONCEPT,
    STUDENT_CONFIG,
    STUDENT_TEXTS,
    STUDENT_WEIGHTS,
)

FILES = (STUDENT_WEIGHTS, STUDENT_CONFIG, CARD, STUDENT_CONCEPT, STUDENT_TEXTS)
ANCHOR = 'patch_embed.conv1.weight'
# What a student is told of its data, beside the weights.
DEFAULTS = dict(up_axis='y', normalization='unit_sphere', num_points=1024)
OPTIONAL = ('unit', 'classes', 'features')
FACTS = (*DEFAULTS, *OPTIONAL)
_CARD = """---
library_name: mmdet3d_act
license: {license}
tags: [point-cloud, 3d, self-supervised, feature-extraction]
---
# {name}

A point Transformer of mmdet3d_act: {size}, clouds of {num_points} points,
`{up_axis}` up, normalisation `{normalization}`.

```python
import mmdet3d_act
embed = mmdet3d_act.Embedder({name!r})
vector = embed('cloud.ply')['predictions'][0]['embedding']
```

{text}
"""


def from_pretrained(source: str | Path, device: str = 'cpu') -> nn.Module:
    """Load a student with its sizes; it is in evaluation mode.

    ``pretrained_meta`` of it says which axis was up in its data, how they
    were normalised, ``num_points`` and, where there were, ``classes``.

    Args:
        source: The name of a student of the package, a folder of
            :func:`save_pretrained`, a work directory, a checkpoint, or the id
            of a repository on Hugging Face's hub, which is downloaded.
        device: Where the student goes.

    Raises:
        MissingCheckpointError: If there is none; names the known ones.
        CheckpointError: If it holds no point Transformer.

    Example:
        >>> student = from_pretrained('act-mini')
        >>> student(torch.rand(2, 1024, 3))['features'].shape
        torch.Size([2, 128, 32])
    """
    path = _find_weights(str(source))
    loaded = read_checkpoint(path)
    state = backbone_state(loaded, path, ANCHOR)
    told = checkpoint_settings(loaded)
    if 'num_heads' not in told:
        raise CheckpointError(
            f'{path} does not say how many heads its blocks have; extract it '
            'by tools/model_converters/extract_backbone.py with its config'
        )
    settings = {key: told[key] for key in SETTINGS if key in told}
    student = PointTransformer(
        **backbone_sizes(state),
        **settings,
        drop_path_rate=0.0,
        init_cfg=dict(type='Pretrained', checkpoint=path),
    )
    initialize(student)
    config = find_config(path)
    if config is not None and 'num_points' not in student.pretrained_meta:
        cfg = launch.load_config(str(config))
        student.pretrained_meta['num_points'] = points_per_cloud(cfg)
    for key, value in DEFAULTS.items():
        student.pretrained_meta.setdefault(key, value)
    return student.to(device).eval()


def _find_weights(source: str) -> str:
    """Find the weights of a student; those on the hub are downloaded."""
    remedy = 'give a name, a folder, a checkpoint, or OWNER/NAME on the hub'
    try:
        return resolve_checkpoint(source, remedy)
    except MissingCheckpointError as error:
        if source.count('/') != 1 or Path(source).exists():
            raise
        try:
            folder = snapshot_download(source, allow_patterns=[*FILES])
        except (HfHubHTTPError, HFValidationError, OSError) as reason:
            text = str(reason).strip().partition('\n')[0]
            raise MissingCheckpointError(f'{error} ({text})') from reason
    return resolve_checkpoint(folder, remedy)


class ConceptStudent(NamedTuple):
    """A student with the part that predicts the vector of its teacher.

    Attributes:
        model: With the student, and ``concept`` as its objective.
        config: Settings of that part, as JSON has them.
        texts: The teacher's vectors of texts, (D,), by their words.
    """

    model: Distiller
    config: dict
    texts: dict[str, Tensor]


def load_concepts(
    source: str | Path, texts: str | Path | None = None
) -> ConceptStudent:
    """Load a student with its concepts and the head that reads them.

    Args:
        source: See :func:`from_pretrained`; of a training's checkpoint the
            config must lie beside it.
        texts: A file with more vectors of texts, ``.safetensors`` or ``.npz``.

    Raises:
        UsageError: If it does not predict the vector of an image-text model.
    """
    student = from_pretrained(source)
    path = Path(_find_weights(str(source)))
    told, state = _read_concept(path)
    if not told:
        raise UsageError(
            f'{source} does not predict the vector of an image-text model; '
            'train a student by configs/concept/concept_pretrain_shapenet.py, '
            'and give its work directory with the config (docs/concept.md)'
        )
    student.out_indices = tuple(told['out_indices'])
    student.norm_hidden_states = told['norm_hidden_states']
    init_default_scope('mmdet3d')
    target = dict(type='VectorTarget')
    parts = dict(neck=dict(told['neck']), head=dict(told['head']))
    concept = dict(target_generator=target, **parts)
    model = Distiller(student, {'concept': concept}, predicts=('vectors',))
    fill_module(model.objectives['concept'], state, str(path))
    files = [path.with_name(STUDENT_TEXTS), *([texts] if texts else [])]
    known: dict[str, Tensor] = {}
    width = tuple(state['head.fc2.bias'].shape)
    for file in files:
        if file == texts or Path(file).is_file():
            for text, vector in read_weights(file).items():
                if vector.shape != width:
                    raise UsageError(
                        f'{file}: the vector of {text!r} has shape '
                        f'{tuple(vector.shape)}, the student predicts {width}'
                    )
                known[text] = vector.float()
    return ConceptStudent(model.eval(), told, known)


def _read_concept(path: Path) -> tuple[dict, dict[str, Tensor]]:
    """Read settings and weights of the concept part; empty without one."""
    if path.name == STUDENT_WEIGHTS:
        folder = json.loads(path.with_name(STUDENT_CONFIG).read_text())
        if 'concept' not in folder:
            return {}, {}
        return folder['concept'], read_weights(path.with_name(STUDENT_CONCEPT))
    config = find_config(path)
    name, told = _concept_config(config and launch.load_config(str(config)))
    every = under_prefix(read_weights(path), f'objectives.{name}.')
    state = {k: v for k, v in every.items() if k.startswith(('neck', 'head'))}
    if told:
        told['head']['target_shape'] = [len(state['head.fc2.bias'])]
    if told and 'target_norm.transform' in every:
        # The head then predicts in the axes and the unit of the teacher.
        back = every['target_norm.transform'].double().inverse()
        for key in ('head.fc2.weight', 'head.fc2.bias'):
            state[key] = (back.T @ state[key].double()).float()
    return told, state


def _concept_config(cfg: Config | None) -> tuple[str, dict]:
    """Find the first objective whose target is an image's vector."""
    model = (cfg or {}).get('model') or {}
    for name, objective in (model.get('objectives') or {}).items():
        parts = [*iter_typed(objective.get('target_generator'))]
        teachers = {part['type']: part for part in parts}
        head = dict(objective.get('head', {}))
        if (
            head.get('type') != 'AlignmentHead'
            or 'CaptionPrefixTarget' in teachers
        ):
            continue
        head.pop('loss', None)
        student = model['student']
        encoder = teachers.get('OpenCLIPImageEncoder', {})
        names = ('model_name', 'pretrained_tag', 'checkpoint')
        teacher = {k: encoder[k] for k in names if encoder.get(k)}
        if 'checkpoint' in teacher:
            # Folders of this machine do not travel.
            teacher['checkpoint'] = Path(teacher['checkpoint']).name
        return name, dict(
            neck=objective['neck'].to_dict(),
            head=head,
            out_indices=student.get('out_indices', ()),
            norm_hidden_states=student.get('norm_hidden_states', False),
            teacher=teacher or None,
        )
    return '', {}


def save_pretrained(
    model: nn.Module | ConceptStudent,
    folder: str | Path,
    *,
    name: str | None = None,
    card: str = '',
    license: str = 'apache-2.0',
    half: bool = False,
    texts: Mapping[str, Tensor] | None = None,
    **facts: Any,
) -> Path:
    """Write the folder of a student.

    Args:
        model: A point Transformer, or a model with one as its ``student`` or
            ``backbone``. Of :func:`load_concepts`, its concepts are written.
        folder: The folder; it is made.
        name: Of the student in its card; the folder's by default.
        card: Text of the card, Markdown: data, training, results.
        license: Of the weights.
        half: Whether to store float16, half the size.
        texts: Vectors (D,) of texts by their words, from the text encoder of
            the image-text model that a :class:`ConceptStudent` learned from;
            they are added to those that it has.
        **facts: What is known of the data: ``up_axis``, ``normalization``,
            ``unit``, ``num_points``, ``classes``, ``features``. What is not
            given is taken from the model's ``pretrained_meta``; None leaves
            ``unit``, ``classes`` or ``features`` out.

    Returns:
        The folder.

    Raises:
        TypeError: If the model has no point Transformer, or cannot have texts.
        ValueError: If another fact is None.
    """
    whole = model.model if isinstance(model, ConceptStudent) else model
    student = getattr(whole, 'student', getattr(whole, 'backbone', whole))
    if not isinstance(student, PointTransformer):
        raise TypeError(
            f'expected a model with a PointTransformer, got {type(model)}'
        )
    if texts and not isinstance(model, ConceptStudent):
        raise TypeError(f'only a ConceptStudent has texts, got {type(model)}')
    folder = Path(folder)
    told = _told_facts(student.pretrained_meta, facts)
    state = _stored(student, half)
    sizes = backbone_sizes(state) | backbone_settings(student)
    number = sum(value.numel() for value in state.values())
    size = (
        f'{number / 1e6:.2f} M parameters, {sizes["num_layers"]} blocks of '
        f'width {sizes["embed_dims"]}, {sizes["num_groups"]} patches of '
        f'{sizes["group_size"]} points'
    )
    text = _CARD.format(
        name=name or folder.name, size=size, license=license, text=card, **told
    )
    files, concept = {STUDENT_WEIGHTS: state}, {}
    if isinstance(model, ConceptStudent):
        concept = dict(concept=model.config)
        objective = model.model.objectives['concept']
        files[STUDENT_CONCEPT] = _stored(objective, half)
        known = {**model.texts, **(texts or {})}
        if known:
            files[STUDENT_TEXTS] = {
                name: torch.as_tensor(value).float().cpu().clone()
                for name, value in known.items()
            }
    folder.mkdir(parents=True, exist_ok=True)
    for stale in {STUDENT_CONCEPT, STUDENT_TEXTS} - set(files):
        (folder / stale).unlink(missing_ok=True)
    for file, tensors in files.items():
        save_file(tensors, folder / file, {'format': 'pt'})
        # It makes a file for its owner alone.
        (folder / file).chmod(0o644)
    write_json(
        folder / STUDENT_CONFIG,
        dict(
            library_name='mmdet3d_act',
            backbone=dict(type='PointTransformer', **sizes),
            **told,
            **concept,
        ),
    )
    (folder / CARD).write_text(text.rstrip() + '\n', encoding='utf-8')
    return folder


def _stored(module: nn.Module, half: bool) -> dict[str, Tensor]:
    """Collect the tensors of a module as a file holds them."""
    return {
        name: (value.half() if half and value.is_floating_point() else value)
        .cpu()
        .contiguous()
        for name, value in module.state_dict().items()
    }


def _told_facts(meta: dict, facts: dict) -> dict[str, Any]:
    """Choose what a folder says of its data, as JSON can hold it."""
    known = {key: value for key, value in meta.items() if value is not None}
    told = DEFAULTS | known | facts
    told = {key: told[key] for key in FACTS if told.get(key) is not None}
    for key in DEFAULTS:
        if key not in told:
            raise ValueError(
                f'{key} must be known, got None; only '
                f'{" and ".join(OPTIONAL)} may be left out'
            )
    told['num_points'] = int(told['num_points'])
    classes = [str(one) for one in told.pop('classes', ())]
    return told | (dict(classes=classes) if classes else {})


def push_to_hub(
    folder: str | Path, repo_id: str, *, private: bool = False
) -> str:
    """Upload the folder of a student; return the address of the repository.

    Only the files of a student are uploaded.

    Args:
        folder: From :func:`save_pretrained`, or the name of a student.
        repo_id: OWNER/NAME on Hugging Face's hub; it is made.
        private: Whether a new repository is private.

    Raises:
        UsageError: If it is something else, such as a work directory.
    """
    weights = Path(resolve_checkpoint(folder))
    config = weights.with_name(STUDENT_CONFIG)
    if weights.name != STUDENT_WEIGHTS or not config.is_file():
        raise UsageError(
            f'{folder} is no folder of a student with {STUDENT_WEIGHTS} and '
            f'{STUDENT_CONFIG}; write one by save_pretrained'
        )
    api = HfApi()
    address = api.create_repo(repo_id, private=private, exist_ok=True)
    api.upload_folder(
        repo_id=repo_id,
        folder_path=str(weights.parent),
        allow_patterns=[*FILES],
    )
    return str(address)
