"""Vision Transformers of timm as teachers."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmdet3d_act.models.teachers.base import TeacherEncoder, TokenTeacher
from mmdet3d_act.models.teachers.prompted_blocks import library_block
from mmdet3d_act.models.teachers.weights import (
    as_state_dict,
    fill_module,
    find_named,
    find_weights,
    missing_file,
    read_weights,
    teacher_folder,
)
from mmdet3d_act.registry import MODELS

# Names of the published configs (timm 0.5), and what they mean in timm 1.0.
RELEASED_NAMES = {
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


@MODELS.register_module()
class TimmTeacher(TokenTeacher):
    """Blocks and final norm of a timm Vision Transformer as the teacher.

    Any timm model runs whose ``blocks`` map (B, L, D) to (B, L, D) for any
    number of tokens L and which has a final norm: ViT, DeiT, hybrid ViT,
    DINO. Rotary positions are not applied: the teacher's positions are the
    embedded centres. Refused are blocks with a table of relative positions
    (BEiT), mixers of a fixed number of tokens, and towers with a norm before
    the first block (CLIP).

    Example:
        >>> teacher = TimmTeacher(
        ...     'vit_tiny_patch16_224', in_channels=8, out_channels=8,
        ...     pretrained=False, num_layers=1)
        >>> teacher(torch.rand(2, 4, 8), torch.rand(2, 4, 3)).shape
        torch.Size([2, 4, 8])

    Args:
        model_name: Name in timm 1.0, or one of ``RELEASED_NAMES``.
        weights: A file (``.pth``, ``.safetensors``, ``.npz``) with the names
            of timm, or a state dict; a bare file name is looked for in
            ``$ACT_DATA_ROOT/teachers``. None: a file called as the model in
            that folder, or else timm's own download.
        pretrained: False for a random initialisation.
        num_layers: How many blocks are used, from the first; None for all.
        model_args: Further arguments of ``timm.create_model``.
        **kwargs: See :class:`TokenTeacher`.

    Raises:
        ValueError: If the model cannot run as a teacher.
    """

    def __init__(
        self,
        model_name: str,
        weights: str | Path | Mapping[str, Tensor] | None = None,
        *,
        pretrained: bool = True,
        num_layers: int | None = None,
        model_args: dict | None = None,
        **kwargs: Any,
    ) -> None:
        self.model_name = RELEASED_NAMES.get(model_name, model_name)
        self.model_args = dict(model_args or {})
        network = self._create(pretrained=False)
        encoder, self.norm_name = take_encoder(
            network, self.model_name, num_layers
        )
        super().__init__(
            encoder,
            embed_dims=network.num_features,
            pretrained=pretrained,
            **kwargs,
        )
        self.weights = weights
        self.given_name = model_name

    def _create(self, *, pretrained: bool) -> nn.Module:
        try:
            import timm
        except ImportError as error:
            raise ImportError(
                'TimmTeacher needs timm; install it with '
                '`pip install "mmdet3d_act[teacher]"`'
            ) from error
        return timm.create_model(
            self.model_name, pretrained=pretrained, **self.model_args
        )

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Return what keeps a config from running, with the remedy.

        Args:
            cfg: The config of this class.
        """
        if not cfg.get('pretrained', True):
            return []
        if importlib.util.find_spec('timm') is None:
            return [
                'the teacher needs timm, which is not installed; run '
                '`pip install "mmdet3d_act[teacher]"`'
            ]
        weights, given = cfg.get('weights'), cfg['model_name']
        if isinstance(weights, str | Path):
            return [] if find_weights(weights) else [missing_file(weights)]
        name = RELEASED_NAMES.get(given, given)
        if weights is not None or find_named(_file_names(given, name)):
            return []
        return [] if is_downloaded(name) else [_how_to_get(name)]

    def read_pretrained(self) -> str | None:
        """Fill blocks and norm; see :class:`TokenTeacher`."""
        weights, source = self.weights, None
        if isinstance(weights, Mapping):
            state = as_state_dict(weights)
        else:
            if weights is not None:
                path = find_weights(weights)
                if path is None:
                    raise FileNotFoundError(missing_file(weights))
            else:
                path = find_named(
                    _file_names(self.given_name, self.model_name)
                )
            source = self.model_name if path is None else path.name
            state = self._download() if path is None else read_weights(path)
        name = source or 'the state dict'
        fill_module(self.transformer.blocks, state, ['blocks.'], name=name)
        fill_module(
            self.transformer.norm, state, [f'{self.norm_name}.'], name=name
        )
        return source

    def _download(self) -> dict[str, Tensor]:
        """Return the weights that timm has, or fetches."""
        try:
            return dict(self._create(pretrained=True).state_dict())
        except Exception as error:
            raise FileNotFoundError(
                f'{_how_to_get(self.model_name)} (timm said '
                f'{type(error).__name__}: {error})'
            ) from error


def take_encoder(
    network: nn.Module, name: str, num_layers: int | None = None
) -> tuple[TeacherEncoder, str]:
    """Return the blocks and the final norm of a timm model.

    Args:
        network: The model.
        name: Its name, for errors.
        num_layers: How many blocks are taken, from the first; None for all.

    Returns:
        The encoder, and what the final norm is called in the model.

    Raises:
        ValueError: If the model cannot run as a teacher.
    """
    blocks = getattr(network, 'blocks', None)
    norm_name = next(
        (
            key
            for key in ('norm', 'fc_norm')
            if not isinstance(getattr(network, key, None), _NO_MODULE)
        ),
        None,
    )
    if not isinstance(blocks, nn.Sequential | nn.ModuleList) or not norm_name:
        raise ValueError(
            f'{name} cannot be a teacher: expected a timm model with `blocks` '
            f'and a final `norm`, got {type(network).__name__}; take a Vision '
            'Transformer'
        )
    if not isinstance(getattr(network, 'norm_pre', None), _NO_MODULE):
        raise ValueError(
            f'{name} cannot be a TimmTeacher: its blocks expect a norm before '
            'the first block (norm_pre), as CLIP has it; take a plain Vision '
            'Transformer'
        )
    if num_layers is not None and not 1 <= num_layers <= len(blocks):
        raise ValueError(
            f'num_layers must be within 1 and {len(blocks)}, the blocks of '
            f'{name}, got {num_layers}'
        )
    kept = list(blocks)[:num_layers]
    _try_blocks(kept, network.num_features, name)
    return TeacherEncoder(kept, getattr(network, norm_name)), norm_name


_NO_MODULE = (nn.Identity, type(None))


@torch.no_grad()
def _try_blocks(blocks: list[nn.Module], width: int, name: str) -> None:
    """Refuse blocks that do not run on any number of tokens."""
    kinds = {type(block): block for block in blocks}
    for block in kinds.values():
        training = block.training
        block.eval()
        try:
            for length in (3, 5):
                tokens = torch.zeros(1, length, width)
                if library_block(block, tokens).shape != tokens.shape:
                    raise ValueError('the shape changes')
        except Exception as error:
            raise ValueError(
                f'{name} cannot be a teacher: its {type(block).__name__} does '
                'not map (B, L, D) to (B, L, D) for any number of tokens L, '
                'because of a table of relative positions, windows or a mix '
                f'of a fixed number of tokens ({error}); take a plain Vision '
                'Transformer'
            ) from error
        block.train(training)


def is_downloaded(name: str) -> bool:
    """Return whether timm has the weights of a model in its cache.

    Args:
        name: Name of the model in timm.
    """
    from timm.models import get_pretrained_cfg

    cfg = get_pretrained_cfg(name)
    if cfg is None:
        return False
    if cfg.hf_hub_id and importlib.util.find_spec('huggingface_hub'):
        from huggingface_hub import try_to_load_from_cache

        files: Iterable[str] = ('model.safetensors', 'pytorch_model.bin')
        if any(
            isinstance(try_to_load_from_cache(cfg.hf_hub_id, file), str)
            for file in files
        ):
            return True
    url = cfg.url or ''
    cached = Path(torch.hub.get_dir()) / 'checkpoints' / url.split('/')[-1]
    return bool(url) and cached.is_file()


def _file_names(given: str, name: str) -> list[str]:
    """Return what a model's file may be called, without the suffix."""
    return list(dict.fromkeys([name, given, name.partition('.')[0]]))


def _how_to_get(name: str) -> str:
    return (
        f'the weights of the teacher {name} are not on this machine; where '
        f'there is a network, run `python -c "import timm; '
        f"timm.create_model('{name}', pretrained=True)\"` (timm, hub id "
        f'timm/{name}), or put a state dict at '
        f'{teacher_folder() / name}.pth'
    )
