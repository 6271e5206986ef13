"""Low-rank updates of a Transformer's linear layers, by peft.

Letters: R rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

LAYERS = ('attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2')
_BASE, _DOWN, _UP = 'base_layer.', 'lora_A.default.', 'lora_B.default.'


def add_lora(blocks: nn.ModuleList, rank: int, first: int = 0) -> None:
    """Add a trained update B A, of rank R, to each linear layer of blocks.

    B begins at zero, so that the output is that of the blocks. Nothing else
    of the blocks is trained any more.

    Source: Hu et al., LoRA, ICLR 2022, equation 3 with alpha = r.

    Args:
        blocks: Of a Transformer, changed in place.
        rank: R.
        first: Blocks before this one get none.

    Raises:
        ImportError: If peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ImportError(
            f"transfer='lora' needs peft ({error}); run `pip install "
            '"mmdet3d_act[lora]"`'
        ) from error
    names = [f'{i}.{x}' for i in range(first, len(blocks)) for x in LAYERS]
    # With alpha = r the scale is 1, and the weights tell the whole update.
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=names)
    inject_adapter_in_model(config, blocks)


@contextmanager
def without_lora(module: nn.Module) -> Iterator[None]:
    """Take the updates off for a while: names are those of a plain module.

    Args:
        module: With updates or without.
    """
    parts = dict(module.named_modules())
    found = {n: part for n, part in parts.items() if hasattr(part, 'lora_A')}
    for name, part in found.items():
        module.set_submodule(name, part.base_layer)
    try:
        yield
    finally:
        for name, part in found.items():
            module.set_submodule(name, part)


def merge_lora(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the updates of a state dict to their weights.

    Args:
        state: With updates or without.

    Returns:
        The state dict of the plain module.
    """
    merged = {}
    for name, value in state.items():
        stem, base, kind = name.rpartition(_BASE)
        if base and f'{stem}{_UP}{kind}' in state:
            up, down = (state[f'{stem}{x}{kind}'] for x in (_UP, _DOWN))
            value = value + up @ down
        if _DOWN not in name and _UP not in name:
            merged[stem + kind if base else name] = value
    return merged
