"""How much of a pretrained network a transfer trains."""

from __future__ import annotations

from torch import nn

# What each protocol trains besides the head.
TRANSFERS = {
    'full': 'everything',
    'linear': 'nothing; the head is linear (MLP-LINEAR)',
    'mlp3': 'nothing; the head has three layers (MLP-3)',
    'bitfit': 'the biases (BitFit)',
    'side': 'a small network beside the backbone (side-tuning)',
}
_CLASS_TOKEN = ('cls_token', 'cls_pos')


def check_transfer(transfer: str) -> None:
    """Refuse what is no transfer protocol.

    Args:
        transfer: One of ``TRANSFERS``.

    Raises:
        ValueError: If it is another.
    """
    if transfer not in TRANSFERS:
        raise ValueError(
            f'transfer must be one of {tuple(TRANSFERS)}, got {transfer!r}'
        )


def keeps_backbone(transfer: str) -> bool:
    """Return whether a protocol leaves the backbone's weights as they are.

    Its biases, and the class token, may be trained all the same.

    Args:
        transfer: One of ``TRANSFERS``.
    """
    check_transfer(transfer)
    return transfer != 'full'


def freeze_backbone(
    backbone: nn.Module, transfer: str, *, strict: bool = False
) -> None:
    """Freeze the parameters that a transfer protocol does not train.

    What is frozen already stays so.

    Args:
        backbone: The pretrained network, changed in place.
        transfer: One of ``TRANSFERS``.
        strict: Whether the class token and its position are frozen too. The
            published protocols train them in every case.

    Raises:
        ValueError: If the protocol is unknown.
    """
    if not keeps_backbone(transfer):
        return
    for name, param in backbone.named_parameters():
        bias = transfer == 'bitfit' and name.endswith('bias')
        token = not strict and name in _CLASS_TOKEN
        if not bias and not token:
            param.requires_grad_(False)
