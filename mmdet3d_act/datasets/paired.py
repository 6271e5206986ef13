"""What data sets of clouds with images have in common."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mmdet3d_act.datasets.transforms import LoadImage, PrepareImage


class PairedImagesMixin:
    """Gives the images of a data set by the names of their pairs.

    So their targets can be computed once, without clouds and augmentation,
    see ``tools/cache_teacher.py``. Put it before `PointCloudDataset` in the
    bases. A subclass implements `find_pairs`.
    """

    _pairs: dict[str, dict] | None = None

    def find_pairs(self) -> dict[str, dict]:
        """Return what `LoadImage` needs of every pair, by its name.

        Raises:
            NotImplementedError: In this class.
        """
        raise NotImplementedError(
            f'{type(self).__name__} must implement find_pairs'
        )

    def pair_keys(self) -> list[str]:
        """Return the names of all pairs, all renders of an object.

        Returns:
            Names, each once, in a fixed order.
        """
        return list(self._known_pairs())

    @property
    def image_preparation(self) -> dict:
        """How images are resized and cropped, as JSON has it."""
        return self._prepare_image().settings

    def prepared_image(self, pair_key: str) -> Tensor:
        """Return the image of a pair as a model gets it.

        Args:
            pair_key: Name of the pair.

        Returns:
            (3, S, S), uint8.

        Raises:
            BadSampleError: If the image cannot be read.
            KeyError: If there is no such pair.
            ValueError: If the pipeline does not say the size.
        """
        infos = self._known_pairs()
        if pair_key not in infos:
            raise KeyError(
                f'{type(self).__name__} in {self.data_root} has no pair '
                f'{pair_key!r}; one of its {len(infos)} is '
                f'{next(iter(infos))!r}'
            )
        load = self.first_transform(LoadImage) or LoadImage()
        results = load(dict(infos[pair_key]))
        return self._prepare_image()(results)['images']

    def _prepare_image(self) -> PrepareImage:
        prepare = self.first_transform(PrepareImage)
        if prepare is None:
            raise ValueError(
                f'nothing says how large the images of {type(self).__name__} '
                "are to be; put dict(type='PrepareImage', size=...) into its "
                'pipeline (without LoadImage it reads no image)'
            )
        return prepare

    def first_transform(self, kind: type) -> Callable | None:
        """Return the first transform of a kind in the pipelines.

        Args:
            kind: The class.

        Returns:
            The transform, or None.
        """
        chain = (
            *self.static_pipeline.transforms,
            *self.pipeline.transforms,
        )
        return next((one for one in chain if isinstance(one, kind)), None)

    def _known_pairs(self) -> dict[str, dict]:
        if self._pairs is None:
            self._pairs = self.find_pairs()
        return self._pairs

    def _forget_samples(self) -> None:
        super()._forget_samples()
        self._pairs = None
