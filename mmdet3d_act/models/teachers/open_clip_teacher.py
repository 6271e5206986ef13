"""Towers of open_clip: as teachers of tokens, whole, and for texts."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.checkpoint import fill_module, under_prefix
from mmdet3d_act.models.teachers.base import TeacherEncoder, TokenTeacher
from mmdet3d_act.models.teachers.image_encoder import (
    ImageEncoder,
    PatchFeatures,
)
from mmdet3d_act.models.teachers.pretrained import (
    Weights,
    WeightSource,
    import_library,
)
from mmdet3d_act.models.teachers.prompted_blocks import (
    PromptedBlock,
    library_block,
)
from mmdet3d_act.models.teachers.timm_teacher import (
    extract_encoder,
    first_blocks,
    try_blocks,
)
from mmdet3d_act.registry import MODELS
from mmdet3d_act.text import warn

LIBRARY = ('open_clip', 'teacher')
QUICK_GELU = '-quickgelu'
HUB_FILES = ('open_clip_model.safetensors', 'open_clip_pytorch_model.bin')
# Of the text tower, which is not used.
SMALL_TEXT = {'width': 8, 'heads': 1, 'layers': 1, 'vocab_size': 8}
# Of the visual tower, which texts do not need.
SMALL_VISION = {'image_size': 32, 'patch_size': 32, 'width': 64, 'layers': 1}
# Of OpenAI's training images; models without a note of their own have them.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def current_name(name: str) -> str:
    """Translate OpenAI's name of a model (``'ViT-B/16'``) to open_clip's."""
    return name.removeprefix('CLIP:').replace('/', '-')


def model_config(name: str) -> dict:
    """Look up the sizes of a model; refuse one that open_clip has not."""
    library = import_library(*LIBRARY)
    known = library.list_models()
    if name not in known:
        alike = difflib.get_close_matches(name, known, 5, 0.4)
        raise ValueError(
            f'open_clip {library.__version__} has no model {name!r}; alike '
            f'are {", ".join(alike) or "none"}'
        )
    return copy.deepcopy(library.get_model_config(name))


def tags_of(name: str) -> list[str]:
    """List the names of a model's weights in open_clip."""
    return import_library(*LIBRARY).list_pretrained_tags_by_model(name)


def weights_config(name: str, tag: str | None) -> dict:
    """Look up what open_clip knows of weights; empty without a tag."""
    if tag is None:
        return {}
    found = import_library(*LIBRARY).get_pretrained_cfg(name, tag)
    if not found:
        raise ValueError(
            f'open_clip has no weights {tag!r} of {name}; pretrained_tag must '
            f'be one of {", ".join(tags_of(name)) or "none: give a file"}'
        )
    return found


def weight_source(
    model_name: str, pretrained_tag: str | None = None
) -> WeightSource:
    """Name the places of a model's weights; see :class:`OpenCLIPTeacher`."""
    name = current_name(model_name)
    model_config(name)
    if pretrained_tag is None:
        remedy = 'name them by pretrained_tag (see open_clip.list_pretrained)'
        return WeightSource(name, (name,), remedy=remedy)
    hub = weights_config(name, pretrained_tag).get('hf_hub', '')
    hub_id, _, file = hub.rpartition('/')
    tagged = f'{name}.{pretrained_tag}'
    return WeightSource(
        tagged, (tagged, name), hub_id or None, (file,) if file else HUB_FILES
    )


def uses_quick_gelu(name: str, tag: str | None) -> bool:
    """Find whether the MLPs of a model, or of its weights, have quick-GELU."""
    by_model = bool(model_config(name).get('quick_gelu', False))
    return by_model or bool(weights_config(name, tag).get('quick_gelu'))


def warn_of_activation(name: str) -> None:
    """Warn that a file does not tell its activation, which may be either."""
    if f'{name}{QUICK_GELU}' not in import_library(*LIBRARY).list_models():
        return
    warn(
        f'weights of {name} come with GELU and with quick-GELU (OpenAI, DFN, '
        'MetaCLIP), which a file does not say; GELU is used. Give '
        f'pretrained_tag, or the model {name}{QUICK_GELU}'
    )


def build_model(
    name: str, quick_gelu: bool, model_args: dict | None
) -> nn.Module:
    """Build a model whose visual tower is complete, its weights random."""
    config = model_config(name)
    sizes = {**config['vision_cfg'], **(model_args or {})}
    if 'timm_model_name' in sizes:
        # Its weights would be fetched.
        sizes['timm_model_pretrained'] = False
    build = import_library(*LIBRARY).CLIP
    return build(config['embed_dim'], sizes, SMALL_TEXT, quick_gelu=quick_gelu)


def of_visual_tower(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Select the visual tower's tensors, of a whole model or the tower alone.

    They are named as in a whole model.
    """
    if any('token_embedding' in key or 'visual.' in key for key in state):
        return {key: state[key] for key in state if key.startswith('visual.')}
    return {f'visual.{key}': value for key, value in state.items()}


@MODELS.register_module()
class OpenCLIPTeacher(TokenTeacher):
    """Blocks and norms of a visual tower of open_clip as the teacher.

    The norm before the first block, where there is one, goes before the
    positions, which are added to the input of every block. Convolutional
    towers are refused.

    **Quick-GELU.** OpenAI's weights, and some others, were trained with x *
    sigmoid(1.702 x) in place of GELU, which no file says. It is used where
    the name of the model ends in ``-quickgelu``, or where open_clip says so of
    ``pretrained_tag``. Without a tag, a model whose weights come either way
    warns.

    **Deep prompts as published.** The published code hands (B, L, D) to
    blocks that expect (L, B, D) where prompts are deep. There samples of a
    batch influence each other, patches do not see one another nor the
    prompts, and the gradient of the prompts is zero. The default attends over
    tokens; ``published_batch_attention`` reproduces the published layout.

    Example:
        >>> teacher = OpenCLIPTeacher(
        ...     'ViT-S-16', in_channels=8, out_channels=8,
        ...     pretrained=False, num_layers=1)
        >>> teacher(torch.rand(2, 4, 8), torch.rand(2, 4, 3)).shape
        torch.Size([2, 4, 8])

    Args:
        model_name: Name in open_clip 3, such as ``'ViT-B-16'``, or OpenAI's,
            ``'ViT-B/16'``, also as the published configs have it,
            ``'CLIP:ViT-B/16'``.
        weights: A file (``.pth``, ``.pt``, ``.safetensors``, ``.npz``) with
            the names of open_clip, whole model or visual tower, or a state
            dict; a bare file name is looked for in
            ``$ACT_DATA_ROOT/teachers``. OpenAI's own ``.pt`` is a TorchScript
            archive: save its state dict first. None: a file called as the
            model, or as the model, a dot and the tag, in that folder, or else
            the download of the hub.
        pretrained_tag: Name of the weights in open_clip, such as
            ``'openai'``.
        published_batch_attention: See above.
        num_layers: How many blocks are used, from the first; None for all.
        model_args: Replaces entries of the tower's config, such as ``width``
            or ``layers``.
        **kwargs: See :class:`TokenTeacher`.

    Raises:
        ValueError: If the model cannot run as a teacher, or the published
            attention is asked for without deep prompts.
    """

    weight_source = staticmethod(weight_source)

    def __init__(
        self,
        model_name: str,
        weights: Weights = None,
        *,
        pretrained_tag: str | None = None,
        published_batch_attention: bool = False,
        num_layers: int | None = None,
        model_args: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            self.build_encoder(
                model_name, pretrained_tag, num_layers, model_args
            ),
            weight_source(model_name, pretrained_tag),
            weights,
            **kwargs,
        )
        if published_batch_attention and self.prompts.mode != 'deep':
            raise ValueError(
                'the published code attends over the batch with deep prompts '
                f'only, got prompt mode {self.prompts.mode!r}; leave '
                'published_batch_attention out'
            )
        self.published_batch_attention = published_batch_attention
        self.model_name = current_name(model_name)
        self.pretrained_tag = pretrained_tag

    @classmethod
    def build_encoder(
        cls,
        model_name: str,
        pretrained_tag: str | None = None,
        num_layers: int | None = None,
        model_args: dict | None = None,
    ) -> TeacherEncoder:
        """Build blocks and norms; see the base class."""
        name = current_name(model_name)
        quick_gelu = uses_quick_gelu(name, pretrained_tag)
        network = build_model(name, quick_gelu, model_args)
        tower = network.visual
        if hasattr(tower, 'trunk'):
            return extract_encoder(tower.trunk, name, num_layers, network)
        if not hasattr(tower, 'transformer'):
            raise ValueError(
                f'{name} cannot be a teacher: its visual tower is a '
                f'{type(tower).__name__}, not a Transformer; take a ViT'
            )
        blocks = first_blocks(tower.transformer.resblocks, num_layers, name)
        width = tower.transformer.width
        try_blocks(blocks, width, name)
        norm, pre_norm = tower.ln_post, tower.ln_pre
        # The norm of an attention pool may have another width.
        return TeacherEncoder(
            blocks,
            width,
            norm if norm.normalized_shape == (width,) else None,
            pre_norm=None if isinstance(pre_norm, nn.Identity) else pre_norm,
            network=network,
        )

    @classmethod
    def list_models(cls) -> list[str]:
        """List the names of open_clip's models."""
        return sorted(import_library(*LIBRARY).list_models())

    def convert_state(self, state: Mapping[str, Tensor]) -> Mapping:
        """Select the tower's tensors; warn of another activation."""
        if self.pretrained_tag is None:
            warn_of_activation(self.model_name)
        return of_visual_tower(state)

    def _library_block(self, block: nn.Module, x: Tensor) -> Tensor:
        if self.published_batch_attention:
            return library_block(block, x.transpose(0, 1)).transpose(0, 1)
        return super()._library_block(block, x)

    def _prompted_block(self, block: nn.Module) -> PromptedBlock | None:
        if self.published_batch_attention:
            return None
        return super()._prompted_block(block)


@MODELS.register_module()
class OpenCLIPImageEncoder(ImageEncoder):
    """A visual tower of open_clip, from pixels to CLIP's image embedding.

    The vector of an image is its embedding in the space of texts, not scaled
    to length 1. Patches are the last block's tokens after the last norm,
    before the projection into that space, or the last map of a ResNet.

    OpenAI's weights need quick-GELU, which :class:`OpenCLIPTeacher` says more
    about; the default model has it.

    Example:
        >>> encoder = OpenCLIPImageEncoder(
        ...     'ViT-B-32', pretrained=False,
        ...     model_args=dict(layers=1, width=64, head_width=32))
        >>> images = torch.zeros(2, 3, 224, 224, dtype=torch.uint8)
        >>> encoder(images).shape, encoder.forward_patches(images).shape
        (torch.Size([2, 512]), torch.Size([2, 49, 64]))

    Args:
        model_name: Name in open_clip 3, or OpenAI's, ``'ViT-B/32'``.
        checkpoint: See ``weights`` of :class:`OpenCLIPTeacher`.
        pretrained_tag: Name of the weights in open_clip; None for OpenAI's
            where the name of the model ends in ``-quickgelu``.
        pretrained: False for a random initialisation.
        model_args: Replaces entries of the tower's config, such as ``width``
            or ``layers``.

    Raises:
        ImportError: If open_clip is not installed.
        ValueError: If open_clip has no such model or weights.
    """

    def __init__(
        self,
        model_name: str = 'ViT-B-32-quickgelu',
        checkpoint: Weights = None,
        *,
        pretrained_tag: str | None = None,
        pretrained: bool = True,
        model_args: dict | None = None,
    ) -> None:
        name = current_name(model_name)
        self.pretrained_tag = pretrained_tag or _usual_tag(name)
        quick_gelu = uses_quick_gelu(name, self.pretrained_tag)
        self.quick_gelu = quick_gelu
        sizes = {**model_config(name)['vision_cfg'], **(model_args or {})}
        # Weights of one model differ in their data, hardly in mean and std.
        tag = self.pretrained_tag or next(iter(tags_of(name)), None)
        images = weights_config(name, tag)
        super().__init__(
            lambda: build_model(name, quick_gelu, model_args).visual,
            weight_source(name, self.pretrained_tag),
            checkpoint,
            model_name=name,
            image_size=sizes.get('image_size', 224),
            mean=images.get('mean') or CLIP_MEAN,
            std=images.get('std') or CLIP_STD,
            model_args=model_args,
            pretrained=pretrained,
        )

    @classmethod
    def weight_source(
        cls,
        model_name: str = 'ViT-B-32-quickgelu',
        pretrained_tag: str | None = None,
    ) -> WeightSource:
        """Name the places of a model's weights; see the base class."""
        name = current_name(model_name)
        return weight_source(name, pretrained_tag or _usual_tag(name))

    def convert_state(self, state: Mapping[str, Tensor]) -> Mapping:
        """Select the tower's tensors; warn of another activation."""
        if self.pretrained_tag is None:
            warn_of_activation(self.model_name)
        return under_prefix(of_visual_tower(state), 'visual.')

    def settings(self) -> dict:
        """List what decides the features besides the weights."""
        return {**super().settings(), 'quick_gelu': self.quick_gelu}

    def _embed(self, network: nn.Module, images: Tensor) -> Tensor:
        found = network(images)
        return found[0] if isinstance(found, tuple) else found

    def _patches(self, network: nn.Module, images: Tensor) -> PatchFeatures:
        found = network.forward_intermediates(
            images,
            indices=1,
            normalize_intermediates=True,
            intermediates_only=True,
        )
        return PatchFeatures.of_map(found['image_intermediates'][-1])


@torch.no_grad()
def encode_texts(
    texts: Sequence[str],
    model_name: str,
    pretrained_tag: str | None = None,
    checkpoint: Weights = None,
) -> Tensor:
    """Compute vectors of texts by a model's text tower, (T, D), of length 1.

    Nothing is fetched.

    Args:
        texts: T texts.
        model_name: See :class:`OpenCLIPImageEncoder`, like the others.
        pretrained_tag: Name of the weights in open_clip.
        checkpoint: A file of the whole model, both towers.

    Raises:
        FileNotFoundError: If weights or tokenizer are not on this machine.
        CheckpointError: If the file has no such text tower.
    """
    name = current_name(model_name)
    tag = pretrained_tag or _usual_tag(name)
    source = weight_source(name, tag)
    problem = source.problem(checkpoint)
    if problem is not None:
        raise FileNotFoundError(problem)
    library, config = import_library(*LIBRARY), model_config(name)
    try:
        tokens = library.get_tokenizer(name)(list(texts))
        tower = library.CustomTextCLIP(
            config['embed_dim'],
            SMALL_VISION,
            config['text_cfg'],
            quick_gelu=uses_quick_gelu(name, tag),
        ).text.eval()
    except OSError as error:
        raise FileNotFoundError(
            f'the tokenizer of {name} is not on this machine ({error}); where '
            'there is a network, run `python -c "import open_clip; '
            f"open_clip.get_tokenizer('{name}')\"`"
        ) from error
    state, file = source.read(checkpoint)
    fill_module(
        tower,
        under_prefix(state, 'text.') or state,
        str(file),
        allow_unused=True,
        remedy='texts need the file of the whole model, not of the visual '
        'tower alone',
    )
    found = tower(tokens)
    return F.normalize(found[0] if isinstance(found, tuple) else found, dim=-1)


def _usual_tag(name: str) -> str | None:
    """Take OpenAI's tag for a model whose name says its activation."""
    usual = name.endswith(QUICK_GELU) and 'openai' in tags_of(name)
    return 'openai' if usual else None
