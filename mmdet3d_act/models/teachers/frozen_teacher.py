"""Pretrained networks that are used whole and as they are."""

from __future__ import annotations

from abc import abstractmethod

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import nn

from mmdet3d_act.models.layers.frozen import FrozenModule


class FrozenTeacher(BaseModule):
    """A pretrained network to which nothing is added, and which stays frozen.

    Its weights are loaded by :meth:`init_weights`, never by the constructor;
    using it before is an error. Checkpoints hold their source and fingerprint,
    see :class:`~mmdet3d_act.models.layers.frozen.FrozenModule`.

    Args:
        network: The network, whose weights may still be random.
        pretrained: Whether weights are to be loaded; False is a random
            initialisation, which is a control experiment.
    """

    def __init__(self, network: nn.Module, *, pretrained: bool = True) -> None:
        super().__init__()
        self.pretrained = pretrained
        self.frozen = FrozenModule(network, pending=pretrained)

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self.frozen.module

    @abstractmethod
    def read_pretrained(self) -> str | None:
        """Fill ``self.network`` with the pretrained weights.

        Returns:
            Name of the file or of the model in its library; None where the
            weights have no name that gives them again.

        Raises:
            FileNotFoundError: If the weights are neither here nor to be had.
            ValueError: If they do not fit.
        """

    @abstractmethod
    def settings(self) -> dict:
        """Return what decides the output besides the weights, as JSON has it.

        Two teachers with equal settings and equal weights give equal outputs.
        """

    @torch.no_grad()
    def init_weights(self) -> None:
        """Load the pretrained weights where they are still missing.

        Raises:
            FileNotFoundError: See :meth:`read_pretrained`.
            ValueError: See :meth:`read_pretrained`.
        """
        if not self.frozen.pending:
            return
        source = self.read_pretrained()
        self.frozen.set_source(source)
        print_log(
            f'{type(self).__name__}: weights of {source or "a state dict"} '
            'loaded',
            logger='current',
        )

    def identity(self) -> dict:
        """Return the settings with the ``sha256`` of the weights.

        Raises:
            RuntimeError: If the weights are not loaded.
        """
        self.frozen.check_ready()
        return {**self.settings(), 'sha256': self.frozen.fingerprint()}
