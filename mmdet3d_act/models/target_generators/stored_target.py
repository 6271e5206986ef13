"""Targets out of a store instead of a teacher's forward pass."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.models.target_generators.image_target import (
    PairedImageTarget,
)
from mmdet3d_act.models.target_generators.target_store import (
    TOOL,
    StoreError,
    TargetStore,
    as_json,
    differences,
    list_stores,
    target_folder,
)
from mmdet3d_act.registry import MODELS, build_module, registered_classes


@MODELS.register_module()
class StoredTarget(BaseModule):
    """Reads what ``tools/cache_teacher.py`` computed of the paired images.

    The config of the teacher stays in the config of the training: it sizes
    the head, and says whose targets are wanted. A store of another teacher,
    of other weights or of images that were prepared otherwise is refused.
    The weights are compared where they are on this machine; where they are
    not, which a store makes possible, a warning says so.

    Args:
        path: The store, or a folder of stores; None for
            ``$ACT_DATA_ROOT/targets``, where the tool puts them.
        teacher: Config of the target generator that computed the targets, for
            example a ``CaptionPrefixTarget``, or the generator.
        prepare: How the images were resized and cropped, as the data set's
            ``image_preparation`` has it, for example ``dict(size=224,
            crop='center')``; None accepts any.
        verify_weights: Whether the teacher's weights are compared.

    Raises:
        TypeError: If ``teacher`` computes no target of an image.
    """

    # What a check before the training need not ask for.
    unneeded_parts = ('teacher',)

    def __init__(
        self,
        path: str | Path | None = None,
        teacher: dict | nn.Module | None = None,
        *,
        prepare: Mapping[str, Any] | None = None,
        verify_weights: bool = True,
    ) -> None:
        super().__init__()
        self.path = Path(path or target_folder())
        self.prepare = prepare and dict(prepare)
        self.verify_weights = verify_weights
        # No member: with a store its weights need not be there.
        self._given = (teacher,)
        with torch.device('meta'):
            built = build_module(teacher)
        if not isinstance(built, PairedImageTarget):
            raise TypeError(
                'StoredTarget needs the config of a target generator for '
                f'images, got {type(built).__name__}; give an '
                'ImageEmbeddingTarget, ImagePatchTarget or '
                'CaptionPrefixTarget as teacher='
            )
        self.target_shape = built.target_shape
        self.grid = getattr(built, 'grid', None)
        wanted = built.settings()
        if self.prepare is not None:
            wanted['images'] = self.prepare
        self.wanted = as_json(wanted)
        self._open: TargetStore | None = None

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Return what keeps a config from running, with the remedy.

        The weights of the teacher are not read, so stores of other weights
        are found later.

        Args:
            cfg: The config of this class.
        """
        path = cfg.get('path') or target_folder()
        if not list_stores(path):
            return [
                f'no store of targets at {path}; compute it once by `{TOOL}`, '
                'or use the teacher itself as target_generator'
            ]
        arguments = {key: cfg[key] for key in cfg if key != 'type'}
        try:
            cls(**arguments)._of_these_settings()
        except StoreError as error:
            return [str(error)]
        return []

    def init_weights(self) -> None:
        """Open the store.

        Raises:
            FileNotFoundError: If there is none.
            StoreError: If none is of this teacher.
        """
        self._open = self._find()
        print_log(
            f'targets of {len(self._open)} images from {self._open.folder}',
            logger='current',
        )

    @property
    def target_store(self) -> TargetStore:
        """The store, opened when it is first needed."""
        if self._open is None:
            self.init_weights()
        return self._open

    def _find(self) -> TargetStore:
        """Return the store of this teacher."""
        found = self._of_these_weights(self._of_these_settings())
        if len(found) > 1:
            names = [store.folder.name for store in found]
            raise StoreError(
                f'{self.path} has several stores of this teacher, with other '
                'weights, data or precision, or otherwise prepared images: '
                f'{names}; give the path of one'
            )
        return self._checked(found[0])

    def _of_these_settings(self) -> list[TargetStore]:
        """Return the stores of teachers with these settings."""
        folders = list_stores(self.path)
        if not folders:
            raise FileNotFoundError(
                self.check_requirements({'path': self.path})[0]
            )
        stores = [TargetStore(folder) for folder in folders]
        faults = [differences(one.identity, self.wanted) for one in stores]
        fitting = [
            store
            for store, fault in zip(stores, faults, strict=True)
            if not fault
        ]
        if not fitting:
            shown = '; '.join(
                f'{folder.name}: {fault}'
                for folder, fault in zip(folders, faults, strict=True)
            )
            raise StoreError(
                f'no store at {self.path} is of this teacher ({shown}); '
                f'compute one by `{TOOL}`, or correct the config'
            )
        return fitting

    def _of_these_weights(self, stores: list[TargetStore]) -> list:
        """Return the stores that the teacher's weights made."""
        identity = self._identity() if self.verify_weights else None
        if identity is None:
            return stores
        found = [s for s in stores if not differences(s.identity, identity)]
        if not found:
            raise StoreError(
                f'the stores at {self.path} were made with other weights: '
                f'{differences(stores[0].identity, identity)}; compute one by '
                f'`{TOOL}`, or name the weights that made it in the config'
            )
        return found

    def _identity(self) -> dict | None:
        """Return the teacher's identity; None without its weights."""
        (teacher,) = self._given
        if isinstance(teacher, Mapping):
            missing = list(_missing(teacher))
            if missing:
                print_log(
                    'the weights of the teacher are not on this machine, so '
                    'that only its settings were compared with those of the '
                    f'store ({missing[0]})',
                    logger='current',
                    level=logging.WARNING,
                )
                return None
            teacher = build_module(teacher)
        teacher.init_weights()
        return as_json(teacher.identity())

    def _checked(self, store: TargetStore) -> TargetStore:
        if store.shape != self.target_shape:
            raise StoreError(
                f'{store.folder} holds targets of shape {store.shape}, the '
                f'teacher has {self.target_shape}'
            )
        return store

    @torch.no_grad()
    def forward(
        self,
        inputs: dict,
        patches: PointPatches | None = None,
        data_samples: list | None = None,
    ) -> Tensor:
        """Return the targets of the pairs, (B, ...), float32.

        Args:
            inputs: ``points`` say where the targets go.
            patches: Not used.
            data_samples: Their ``pair_key`` names the targets.

        Raises:
            KeyError: If a sample has no ``pair_key``.
            StoreError: If a target is not in the store.
        """
        keys = [sample.metainfo.get('pair_key') for sample in data_samples]
        if None in keys:
            raise KeyError(
                'StoredTarget needs data samples with a pair_key; use a data '
                "set of pairs, and 'pair_key' in meta_keys of PackPointInputs"
            )
        return self.target_store.read(keys).to(inputs['points'].device)


def _missing(cfg: Mapping) -> list[str]:
    """Return which weights of a teacher are not on this machine."""
    problems = []
    for part in (cfg, cfg.get('encoder'), cfg.get('mapping')):
        if not isinstance(part, Mapping):
            continue
        for cls in registered_classes(part.get('type')):
            check = getattr(cls, 'check_requirements', None)
            problems += [] if check is None else check(part)
    return problems
