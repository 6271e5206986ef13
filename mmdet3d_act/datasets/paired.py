"""The base of data sets of clouds with images."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from torch import Tensor

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.seeding import RngKey
from mmdet3d_act.datasets.transforms import LoadImage, PrepareImage


class PairedDataset(PointCloudDataset):
    """Base of data sets of clouds with images.

    Images can be had by the names of their pairs, so that their targets can
    be computed once, without clouds and augmentation, see
    ``tools/cache_teacher.py``. A subclass implements `find_pairs`.
    """

    _pairs: dict[str, dict] | None = None
    _left_out: frozenset[int] = frozenset()

    def find_pairs(self) -> dict[str, dict]:
        """Give what `LoadImage` needs of every pair, by its name."""
        raise NotImplementedError

    def pair_keys(self) -> list[str]:
        """Name all pairs, all renders of an object.

        Returns:
            Names, each once, in a fixed order.
        """
        return list(self._known_pairs())

    def leave_out_pairs(self, keys: Collection[str]) -> None:
        """Give other pairs in the place of some.

        Raises:
            ValueError: If ``on_error`` is ``'raise'``.
        """
        gone = set(keys)
        self.leave_out(
            index
            for index in range(len(self))
            if self.get_data_info(index)['pair_key'] in gone
        )
        self._pairs = {
            key: info
            for key, info in self._known_pairs().items()
            if key not in gone
        }

    def leave_out(self, indices: Iterable[int]) -> None:
        """Give other samples in the place of some, as of bad ones.

        Args:
            indices: Of the samples.

        Raises:
            ValueError: If ``on_error`` is ``'raise'``.
        """
        if self.on_error == 'raise':
            raise ValueError("leaving samples out needs on_error='skip'")
        self._left_out |= frozenset(indices)
        self._static_cache = {}

    def _make_sample(self, key: RngKey, index: int) -> dict | None:
        if index in self._left_out:
            return None
        return super()._make_sample(key, index)

    @property
    def image_preparation(self) -> dict:
        """How images are resized and cropped, as JSON has it."""
        return self._prepare_image().settings

    def prepared_image(self, pair_key: str) -> Tensor:
        """Give the image of a pair as a model gets it.

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

    def _known_pairs(self) -> dict[str, dict]:
        if self._pairs is None:
            self._pairs = self.find_pairs()
        return self._pairs

    def _forget_samples(self) -> None:
        super()._forget_samples()
        self._pairs = None
        self._left_out = frozenset()
