"""What teachers taken of an image library have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch

from mmdet3d_act.models.teachers.base import TokenTeacher
from mmdet3d_act.models.teachers.teacher_encoder import token_count_problem
from mmdet3d_act.models.teachers.vit_encoder import (
    TakenEncoder,
    TeacherFacts,
    facts_of,
)
from mmdet3d_act.registry import registered_classes


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
    def refuse_config(cls, cfg: dict, *names: str) -> list[str]:
        """Return why the model of a config cannot be a teacher, if so.

        Args:
            cfg: A config of this class.
            *names: Its settings that say which part of the model is taken.

        Returns:
            One reason, or none.
        """
        settings = {key: cfg[key] for key in names if key in cfg}
        reason = cls.refusal(cfg.get('model_name', ''), **settings)
        return [] if reason is None else [reason]

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
        if num_prompts is None or num_groups is None:
            return None
        return token_count_problem(
            model_name, facts.num_tokens, num_prompts, num_groups
        )


def refuse_prompts(teacher: dict | None, num_groups: int) -> list[str]:
    """Return why a teacher's prompts do not fit the patches, if so.

    Args:
        teacher: Config of a teacher of any kind, or None.
        num_groups: Patches of a cloud.

    Returns:
        One reason, or none.
    """
    if teacher is None:
        return []
    for kind in registered_classes(teacher.get('type')):
        if not issubclass(kind, ImageTeacher):
            continue
        try:
            reason = kind.refusal(
                teacher.get('model_name', ''),
                num_prompts=teacher.get('num_prompts', 64),
                num_groups=num_groups,
            )
        except ImportError:
            # The class's own check says so.
            continue
        if reason is not None:
            return [reason]
    return []
