"""The teachers that configs name, and others that are known to run.

Sizes are written down here so that a list of them needs no library; tests
compute them again from the libraries' models.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

from mmdet3d_act.models.teachers import language_files
from mmdet3d_act.models.teachers.open_clip_files import (
    find_file as find_open_clip_file,
)
from mmdet3d_act.models.teachers.timm_models import (
    find_file as find_timm_file,
)

BYTES_PER_VALUE = 4
# Package and extra of mmdet3d_act that a class of teachers needs.
REQUIREMENTS = {
    'TimmTeacher': ('timm', 'teacher'),
    'OpenCLIPTeacher': ('open_clip', 'teacher'),
    'LanguageTeacher': ('transformers', 'demo'),
}
# What a repository on the hub calls its weights; the first that is there.
HUB_FILES = (
    'model.safetensors',
    'open_clip_model.safetensors',
    'pytorch_model.bin',
    'open_clip_pytorch_model.bin',
)


class CatalogEntry(NamedTuple):
    """A teacher.

    Attributes:
        key: What configs call it: ``act_dvae_shapenet_KEY.py``.
        type: Its class.
        model: Name of the model in its library, today.
        hub: Where its weights come from: a repository of Hugging Face's hub.
        embed_dims: Width D.
        num_layers: Blocks.
        num_parameters: Values of the blocks and norms that the teacher uses.
        file_parameters: Values of the whole model, which its file holds.
        licence: Of the weights; None where it is not known for certain.
        num_prompts: Prompts for 64 patches.
        tag: Which weights of the model, where its name does not say it.
        released: Names in the published configs (timm 0.5, clip).
        config: The stage-I config, below ``configs/act``; None without one.
        note: What differs from a plain Vision Transformer.
    """

    key: str
    type: str
    model: str
    hub: str
    embed_dims: int
    num_layers: int
    num_parameters: int
    file_parameters: int
    licence: str | None = None
    num_prompts: int = 64
    tag: str | None = None
    released: tuple[str, ...] = ()
    config: str | None = None
    note: str = ''

    @property
    def package(self) -> str:
        """The package that it needs."""
        return REQUIREMENTS[self.type][0]

    @property
    def file_bytes(self) -> int:
        """About the size of its file, in float32."""
        return self.file_parameters * BYTES_PER_VALUE

    def teacher(self) -> dict[str, Any]:
        """Return its config, but for the channels of the tokens."""
        name = 'model' if self.type == 'LanguageTeacher' else 'model_name'
        config = {'type': self.type, name: self.model}
        if self.tag is not None:
            config['pretrained_tag'] = self.tag
        return {**config, 'num_prompts': self.num_prompts}


def _timm(
    key: str, model: str, *sizes: int, config: str | None = '', **more: Any
) -> CatalogEntry:
    """Return a teacher of timm; by default its config is called by its key."""
    more.setdefault('licence', 'apache-2.0')
    if config == '':
        config = f'act_dvae_shapenet_{key}.py'
    return CatalogEntry(
        key,
        'TimmTeacher',
        model,
        f'timm/{model}',
        *sizes,
        config=config,
        **more,
    )


def _language(
    key: str, model: str, *sizes: int, config: str | None = None, **more: Any
) -> CatalogEntry:
    hub = language_files.HUB_IDS[model]
    return CatalogEntry(
        key, 'LanguageTeacher', model, hub, *sizes, config=config, **more
    )


_NO_TABLE = 'runs without its table of relative positions'
_FIXED = 'mixes 196 tokens: prompts + patches'
_NO_ROTARY = 'rotary positions are not applied'
_CAUSAL = 'decoder, run without its causal mask'

CATALOG = (
    _timm(
        'vit-b',
        'vit_base_patch16_384.augreg_in21k_ft_in1k',
        *(768, 12, 85056000, 86859496),
        released=('vit_base_patch16_384',),
        config='act_dvae_shapenet.py',
    ),
    _timm(
        'vit-s',
        'vit_small_patch16_384.augreg_in21k_ft_in1k',
        *(384, 12, 21294336, 22196584),
        released=('vit_small_patch16_384',),
    ),
    _timm(
        'vit-r50',
        'vit_base_r50_s16_384.orig_in21k_ft_in1k',
        *(768, 12, 85056000, 98950952),
        released=('vit_base_r50_s16_384',),
        note='its ResNet-50 is not used',
    ),
    _timm(
        'vit-r50-in21k',
        'vit_base_r50_s16_224.orig_in21k',
        *(768, 12, 85056000, 97890112),
        released=('vit_base_r50_s16_224_in21k',),
        config=None,
        note='its ResNet-50 is not used',
    ),
    _timm(
        'deit-s',
        'deit_small_distilled_patch16_224.fb_in1k',
        *(384, 12, 21294336, 22436432),
        released=('deit_small_distilled_patch16_224',),
    ),
    _timm(
        'deit-b',
        'deit_base_distilled_patch16_384.fb_in1k',
        *(768, 12, 85056000, 87630032),
        released=('deit_base_distilled_patch16_384',),
    ),
    _timm(
        'beit-b',
        'beit_base_patch16_384.in22k_ft_in22k_in1k',
        *(768, 12, 85065216, 86744104),
        released=('beit_base_patch16_384',),
        note=_NO_TABLE,
    ),
    _timm(
        'beit-l',
        'beit_large_patch16_384.in22k_ft_in22k_in1k',
        *(1024, 24, 302336000, 304998888),
        released=('beit_large_patch16_384',),
        note=_NO_TABLE,
    ),
    CatalogEntry(
        'clip-b',
        'OpenCLIPTeacher',
        'ViT-B-16',
        'timm/vit_base_patch16_clip_224.openai',
        *(768, 12, 85057536, 149620737),
        licence='apache-2.0',
        tag='openai',
        released=('ViT-B/16',),
        config='act_dvae_shapenet_clip-b.py',
        note='visual tower; norm before the blocks; quick-GELU',
    ),
    _language(
        'bert-b',
        'bert-base-uncased',
        *(768, 12, 85054464, 109482240),
        licence='apache-2.0',
        released=('bert-base-uncased',),
        config='act_dvae_shapenet_bert-b.py',
        note='positions added once; no final norm',
    ),
    _timm(
        'mixer-b',
        'mixer_b16_224.goog_in21k',
        *(768, 12, 58520880, 75908739),
        num_prompts=132,
        released=('mixer_b16_224_in21k',),
        note=_FIXED,
    ),
    _timm(
        'mixer-b-miil',
        'mixer_b16_224.miil_in21k_ft_in1k',
        *(768, 12, 58520880, 59880472),
        num_prompts=132,
        released=('mixer_b16_224_miil',),
        config=None,
        note=_FIXED,
    ),
    _timm(
        'resmlp-24',
        'resmlp_24_224.fb_distilled_in1k',
        *(384, 24, 29340384, 30020680),
        num_prompts=132,
        released=('resmlp_24_distilled_224',),
        note=_FIXED,
    ),
    _timm(
        'dinov2-b',
        'vit_base_patch14_dinov2.lvd142m',
        *(768, 12, 85074432, 86579712),
    ),
    _timm(
        'vit-tiny',
        'vit_tiny_patch16_224.augreg_in21k_ft_in1k',
        *(192, 12, 5338752, 5717416),
        config='act_dvae_shapenet_tiny.py',
        note='the tiny configs use its first 3 blocks and 16 prompts',
    ),
    _language(
        'minilm',
        language_files.MINILM,
        *(384, 6, 10646784, 22713216),
        licence='apache-2.0',
        config='act_dvae_shapenet_demo.py',
        note='in a package; the demo uses its first 3 layers, 16 prompts',
    ),
    _timm(
        'mae-b',
        'vit_base_patch16_224.mae',
        *(768, 12, 85056000, 85798656),
        licence='cc-by-nc-4.0',
        config=None,
    ),
    _timm(
        'dinov3-b',
        'vit_base_patch16_dinov3.lvd1689m',
        *(768, 12, 85046784, 85641216),
        licence='dinov3-license',
        config=None,
        note=_NO_ROTARY,
    ),
    _timm(
        'siglip-b',
        'vit_base_patch16_siglip_224.webli',
        *(768, 12, 85056000, 92884224),
        config=None,
        note='its pooling by attention is not used',
    ),
    _timm(
        'eva02-b',
        'eva02_base_patch14_224.mim_in22k',
        *(768, 12, 85108224, 85758720),
        licence='mit',
        config=None,
        note=_NO_ROTARY,
    ),
    _language(
        'roberta-b',
        'roberta-base',
        *(768, 12, 85054464, 124645632),
        licence='mit',
        note='positions added once; no final norm',
    ),
    _language(
        'gpt2',
        'gpt2',
        *(768, 12, 85056000, 124439808),
        note=f'positions added once; {_CAUSAL}',
    ),
)


def weights_of(entry: CatalogEntry) -> Path | None:
    """Return the file with a teacher's weights on this machine, or None.

    It looks where the teacher itself looks, without its library: in the
    teacher folder, in the cache of the hub and in an installed package.

    Args:
        entry: The teacher.
    """
    if entry.type == 'LanguageTeacher':
        return language_files.locate(entry.model).weights
    if entry.type == 'OpenCLIPTeacher':
        path = find_open_clip_file(entry.model, entry.tag)
    else:
        path = find_timm_file(entry.model)
    return path or in_hub_cache(entry.hub)


def in_hub_cache(hub: str) -> Path | None:
    """Return a repository's weights file in the cache of the hub, or None.

    Args:
        hub: Id of the repository.
    """
    if importlib.util.find_spec('huggingface_hub') is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    for name in HUB_FILES:
        path = try_to_load_from_cache(hub, name)
        if isinstance(path, str):
            return Path(path)
    return None


def missing_package(kind: str) -> str | None:
    """Say which package a class of teachers misses; None where it is here.

    Args:
        kind: Name of the class.
    """
    package, extra = REQUIREMENTS[kind]
    if importlib.util.find_spec(package) is not None:
        return None
    return (
        f'{package} is not installed; run `pip install "mmdet3d_act[{extra}]"`'
    )


def markdown_table() -> str:
    """Return the catalogue as the table of ``docs/teachers.md``."""
    lines = [
        '| name | class, model today | released as | config | width x blocks '
        '| used | file | prompts | weights from | licence | what differs |',
        f'|{" --- |" * 11}',
    ]
    for entry in CATALOG:
        released = ', '.join(f'`{name}`' for name in entry.released)
        model = f'`{entry.model}`' + (f', `{entry.tag}`' * bool(entry.tag))
        cells = [
            f'`{entry.key}`',
            f'`{entry.type}` {model}',
            released or '-',
            f'`{entry.config}`' if entry.config else '-',
            f'{entry.embed_dims} x {entry.num_layers}',
            f'{entry.num_parameters / 1e6:.1f} M',
            f'{entry.file_bytes / 1e6:.0f} MB',
            str(entry.num_prompts),
            f'`{entry.hub}`',
            entry.licence or '-',
            entry.note or '-',
        ]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)
