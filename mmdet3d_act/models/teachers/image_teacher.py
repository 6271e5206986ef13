"""What teachers taken of an image library have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch

from mmdet3d_act.models.teachers.base import TokenTeacher
from mmdet3d_act.models.teachers.vit_encoder import (
    TakenEncoder,
    TeacherFacts,
    facts_of,
)


class ImageTeacher(TokenTeacher):
    """A :class:`TokenTeacher` out of a library of image models.

    Its class methods answer, without weights and without memory for them,
    which models of the library can be teachers.
    """

    @classmethod
    @abstractmethod
    def list_models(cls) -> list[str]:
        """Return the names of the library's models.

        Raises:
            ImportError: If the library is not installed.
        """

    @classmethod
    @abstractmethod
    def take(cls, model_name: str, **settings: Any) -> TakenEncoder:
        """Return what the teacher uses of a model, its weights random.

        Args:
            model_name: Name in the library.
            **settings: Arguments of the class that say which part.

        Raises:
            ImportError: If the library is not installed.
            ValueError: If the model cannot be a teacher.
        """

    @classmethod
    @abstractmethod
    def locate(
        cls, model_name: str, pretrained_tag: str | None = None
    ) -> str | None:
        """Return where weights of a model are on this machine, or None.

        Args:
            model_name: Name in the library.
            pretrained_tag: Which weights, where the name does not say it.

        Returns:
            A path, or the name of a cache.
        """

    @classmethod
    def describe(cls, model_name: str, **settings: Any) -> TeacherFacts:
        """Return the sizes of a model as a teacher.

        Args:
            model_name: Name in the library.
            **settings: See :meth:`take`.

        Raises:
            ImportError: If the library is not installed.
            ValueError: If the model cannot be a teacher.
        """
        with torch.device('meta'):
            return facts_of(cls.take(model_name, **settings))

    @classmethod
    def refusal(
        cls,
        model_name: str,
        *,
        num_prompts: int | None = None,
        num_groups: int | None = None,
        **settings: Any,
    ) -> str | None:
        """Return why a model cannot be a teacher; None where it can.

        Args:
            model_name: Name in the library.
            num_prompts: Prompts, to check with the patches; None for any.
            num_groups: Patches.
            **settings: See :meth:`take`.

        Raises:
            ImportError: If the library is not installed.
        """
        try:
            facts = cls.describe(model_name, **settings)
        except ValueError as error:
            return str(error)
        fixed = facts.num_tokens
        if None in (fixed, num_prompts, num_groups):
            return None
        if num_prompts + num_groups == fixed:
            return None
        return (
            f'{model_name} mixes a fixed number of {fixed} tokens, prompts '
            f'and patches together: got {num_prompts} + {num_groups}'
        )
