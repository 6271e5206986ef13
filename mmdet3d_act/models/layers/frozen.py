"""Pretrained modules that training leaves as they are."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

FROZEN_SOURCE = 'frozen_source'


class FrozenModule(nn.Module):
    """Wraps a pretrained module and keeps it as it is.

    Its parameters get no gradient, it stays in evaluation mode and its buffers
    are untouched, whatever ``train()`` says. Gradients with respect to its
    input pass.

    Checkpoints do not hold the wrapped tensors. They hold a small uint8 tensor
    ``frozen_source``, JSON with the name of the file that the weights came
    from and the sha256 of the wrapped tensors. Loading compares it with the
    weights that are there. A checkpoint that does hold the tensors (a
    converted one) fills them in; where that changes them, they no longer are
    the file's, and are stored in full from then on.

    Example:
        >>> frozen = FrozenModule(nn.Linear(2, 2), source='linear.pth')
        >>> frozen.train().training, list(frozen.state_dict())
        (False, ['frozen_source'])

    Args:
        module: What to freeze.
        source: Name of the file that the weights came from; only its last
            part is kept. None where nothing else can reproduce them (random
            initialisation): then checkpoints hold them in full.
        train_mode: Whether the module follows ``train()`` all the same, as
            some published code has it. Parameters still get no gradient;
            buffers may change and are stored.
        pending: Whether the weights are still to come: using the module is
            an error until :meth:`set_source` says that they are there, or a
            checkpoint fills them in.
    """

    def __init__(
        self,
        module: nn.Module,
        source: str | None = None,
        *,
        train_mode: bool = False,
        pending: bool = False,
    ) -> None:
        super().__init__()
        self.module = module.requires_grad_(False)
        self.train_mode = train_mode
        self.pending = pending
        self.source = _base_name(source)
        self._fingerprint: str | None = None
        self._expected: dict[str, str] | None = None
        self._register_state_dict_hook(_replace_by_source)
        self.train(self.training)

    def __deepcopy__(self, memo: dict) -> FrozenModule:
        """Copy the module; share it where its weights are still to come.

        A copy that is made before they are, such as EMAHook's, would lack
        them for ever.
        """
        if self.pending:
            return self
        copied = self.__class__.__new__(self.__class__)
        memo[id(self)] = copied
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def train(self, mode: bool = True) -> FrozenModule:
        """Stay in evaluation mode, unless ``train_mode``."""
        return super().train(mode and self.train_mode)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Run the wrapped module.

        Raises:
            RuntimeError: If the weights are still to come.
        """
        self.check_ready()
        return self.module(*args, **kwargs)

    def check_ready(self) -> None:
        """Refuse where the weights are still to come.

        Raises:
            RuntimeError: If they are.
        """
        if self.pending:
            raise RuntimeError(
                f'the pretrained weights of {type(self.module).__name__} are '
                'not loaded; call init_weights() of the model (the Runner '
                'does) or load a checkpoint before using it'
            )

    def set_source(self, source: str | None) -> None:
        """Say where the weights, which are in place now, came from.

        Args:
            source: See the class.

        Raises:
            ValueError: If a checkpoint was loaded before that had been
                trained with other weights.
        """
        self.source = _base_name(source)
        self.pending = False
        self._fingerprint = None
        if self._expected is not None:
            self._compare(self._expected)
            self._expected = None

    def fingerprint(self) -> str:
        """Return the sha256 of the wrapped tensors.

        It covers name, type, shape and bytes of the parameters and, unless
        ``train_mode``, of the buffers.
        """
        if self._fingerprint is None:
            digest = hashlib.sha256()
            for name, value in sorted(self._fixed_tensors().items()):
                value = value.detach().cpu().contiguous()
                head = f'{name} {value.dtype} {tuple(value.shape)}'
                digest.update(head.encode())
                digest.update(value.view(-1).view(torch.uint8).numpy())
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def _fixed_tensors(self) -> dict[str, Tensor]:
        """Frozen parameters and buffers, by name within the wrapped module."""
        return dict(_stored_tensors(self.module, buffers=not self.train_mode))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        """Check or fill the wrapped tensors, then load as usual.

        Raises:
            ValueError: If the checkpoint was trained with other weights.
        """
        entry = state_dict.pop(prefix + FROZEN_SOURCE, None)
        inner = prefix + 'module.'
        fixed = self._fixed_tensors()
        given = {
            name
            for name, value in fixed.items()
            if state_dict.get(inner + name, value) is not value
        }
        if given:
            if any(_differ(state_dict[inner + n], fixed[n]) for n in given):
                self.source = None
                self._fingerprint = None
            fits = all(
                state_dict[inner + name].shape == value.shape
                for name, value in fixed.items()
                if name in given
            )
            if fits and given == set(fixed):
                self.pending = False
        if entry is not None:
            stored = decode_source(entry)
            if self.pending:
                self._expected = stored
            else:
                self._compare(stored)
            # An outer frozen module fills in the tensors themselves, so that
            # modules below can tell them from a checkpoint's.
            for name, value in _stored_tensors(self.module, buffers=True):
                state_dict.setdefault(inner + name, value)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _compare(self, stored: Mapping[str, str]) -> None:
        if stored['sha256'] == self.fingerprint():
            return
        raise ValueError(
            f'the checkpoint was trained with {type(self.module).__name__} '
            f'weights of {stored["source"]} (sha256 '
            f'{stored["sha256"][:12]}...), this model has those of '
            f'{self.source or "no file (random or changed)"} (sha256 '
            f'{self.fingerprint()[:12]}...); use the config and the weights '
            'file that the checkpoint was trained with'
        )


def decode_source(entry: Tensor) -> dict[str, str]:
    """Return the ``source`` and ``sha256`` that a checkpoint holds.

    Args:
        entry: Its ``frozen_source`` tensor, uint8, (length,).

    Raises:
        ValueError: If the tensor is no such entry.
    """
    try:
        stored = json.loads(bytes(entry.cpu().numpy().tobytes()))
        return {key: str(stored[key]) for key in ('source', 'sha256')}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'expected {FROZEN_SOURCE!r} to hold JSON with source and sha256, '
            f'got {error}; the checkpoint is damaged or not of this package'
        ) from error


def _replace_by_source(
    frozen: FrozenModule,
    state_dict: dict[str, Tensor],
    prefix: str,
    local_metadata: dict[str, Any],
) -> None:
    """Put the name and the hash of the weights in the place of the weights."""
    if frozen.pending and frozen._expected is not None:
        stored = frozen._expected
    elif frozen.pending or frozen.source is None:
        return
    else:
        stored = {'source': frozen.source, 'sha256': frozen.fingerprint()}
    kept: set[str] = set()
    if frozen.train_mode:
        kept = {prefix + f'module.{n}' for n, _ in _buffers(frozen.module)}
    for key in [k for k in state_dict if k.startswith(prefix + 'module.')]:
        if key not in kept:
            del state_dict[key]
    text = json.dumps(stored).encode()
    state_dict[prefix + FROZEN_SOURCE] = torch.tensor(
        list(text), dtype=torch.uint8
    )


def _base_name(source: str | None) -> str | None:
    if source is None:
        return None
    return source.replace('\\', '/').rstrip('/').rpartition('/')[2]


def _differ(new: Tensor, old: Tensor) -> bool:
    if new.shape != old.shape:
        return True
    return not torch.equal(new.to(old.device, old.dtype), old)


def _named(
    module: nn.Module, tensors_of: Callable[[nn.Module], Mapping]
) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors as ``state_dict`` names them, shared ones each time."""
    for path, part in module.named_modules(remove_duplicate=False):
        for name, value in tensors_of(part).items():
            if value is not None:
                yield f'{path}.{name}' if path else name, value


def _buffers(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return _named(
        module,
        lambda part: {
            name: value
            for name, value in part._buffers.items()
            if name not in part._non_persistent_buffers_set
        },
    )


def _stored_tensors(
    module: nn.Module, *, buffers: bool
) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and, where asked, the persistent buffers."""
    yield from _named(module, lambda part: part._parameters)
    if buffers:
        yield from _buffers(module)
