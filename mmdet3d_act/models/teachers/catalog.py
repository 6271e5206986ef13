"""Teachers that are known to run, for a list of them.

Sizes are written down here so that a list needs no library; tests compute
them again from the libraries' models. ``docs/teachers.md`` has the licences
and what differs from the original models.
"""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

from mmdet3d_act.models.teachers import (
    language_teacher,
    open_clip_teacher,
    timm_teacher,
)
from mmdet3d_act.models.teachers.pretrained import WeightSource

# Package, and extra of mmdet3d_act, of a class of teachers.
LIBRARIES = {
    'TimmTeacher': timm_teacher.LIBRARY,
    'OpenCLIPTeacher': open_clip_teacher.LIBRARY,
    'LanguageTeacher': language_teacher.LIBRARY,
}


class CatalogEntry(NamedTuple):
    """A teacher.

    Attributes:
        key: Its name here.
        model: Name of the model in its library.
        embed_dims: Width D.
        num_layers: Blocks.
        megabytes: About the size of its file, in float32.
        num_prompts: Prompts for 64 patches.
        type: Its class.
        tag: Which weights of the model, where its name does not say it.
        hub_id: Repository of its weights on Hugging Face's hub, where it is
            not called as the model.
    """

    key: str
    model: str
    embed_dims: int
    num_layers: int
    megabytes: int
    num_prompts: int = 64
    type: str = 'TimmTeacher'
    tag: str | None = None
    hub_id: str | None = None

    @property
    def source(self) -> WeightSource:
        """The places of its weights, found without its library."""
        if self.type == 'LanguageTeacher':
            return language_teacher.weight_source(self.model)
        if self.type == 'OpenCLIPTeacher':
            names = (f'{self.model}.{self.tag}', self.model)
            files = open_clip_teacher.HUB_FILES
            return WeightSource(self.model, names, self.hub_id, files)
        names = (self.model, self.model.partition('.')[0])
        return WeightSource(self.model, names, f'timm/{self.model}')


_TIMM = (
    ('vit-b', 'vit_base_patch16_384.augreg_in21k_ft_in1k', 768, 12, 347),
    ('vit-s', 'vit_small_patch16_384.augreg_in21k_ft_in1k', 384, 12, 89),
    ('vit-r50', 'vit_base_r50_s16_384.orig_in21k_ft_in1k', 768, 12, 396),
    ('vit-r50-in21k', 'vit_base_r50_s16_224.orig_in21k', 768, 12, 392),
    ('deit-s', 'deit_small_distilled_patch16_224.fb_in1k', 384, 12, 90),
    ('deit-b', 'deit_base_distilled_patch16_384.fb_in1k', 768, 12, 351),
    ('beit-b', 'beit_base_patch16_384.in22k_ft_in22k_in1k', 768, 12, 347),
    ('beit-l', 'beit_large_patch16_384.in22k_ft_in22k_in1k', 1024, 24, 1220),
    ('mixer-b', 'mixer_b16_224.goog_in21k', 768, 12, 304, 132),
    ('mixer-b-miil', 'mixer_b16_224.miil_in21k_ft_in1k', 768, 12, 240, 132),
    ('resmlp-24', 'resmlp_24_224.fb_distilled_in1k', 384, 24, 120, 132),
    ('dinov2-b', 'vit_base_patch14_dinov2.lvd142m', 768, 12, 346),
    ('vit-tiny', 'vit_tiny_patch16_224.augreg_in21k_ft_in1k', 192, 12, 23),
    ('mae-b', 'vit_base_patch16_224.mae', 768, 12, 343),
    ('dinov3-b', 'vit_base_patch16_dinov3.lvd1689m', 768, 12, 343),
    ('siglip-b', 'vit_base_patch16_siglip_224.webli', 768, 12, 372),
    ('eva02-b', 'eva02_base_patch14_224.mim_in22k', 768, 12, 343),
)
_LANGUAGE = (
    ('bert-b', 'bert-base-uncased', 768, 12, 438),
    ('minilm', 'all-MiniLM-L6-v2', 384, 6, 91),
    ('roberta-b', 'roberta-base', 768, 12, 499),
)
CATALOG = (
    *(CatalogEntry(*row) for row in _TIMM),
    CatalogEntry(
        *('clip-b', 'ViT-B-16', 768, 12, 598),
        type='OpenCLIPTeacher',
        tag='openai',
        hub_id='timm/vit_base_patch16_clip_224.openai',
    ),
    *(CatalogEntry(*row, type='LanguageTeacher') for row in _LANGUAGE),
)


def missing_package(kind: str) -> str | None:
    """Say how to get the library of a teacher class; None if it is here."""
    package, extra = LIBRARIES[kind]
    if importlib.util.find_spec(package) is not None:
        return None
    return (
        f'{package} is not installed; run `pip install "mmdet3d_act[{extra}]"`'
    )
