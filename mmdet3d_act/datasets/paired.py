"""The base of data sets of clouds with images."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.seeding import RngKey
from mmdet3d_act.datasets.transforms import LoadImage, PrepareImage


class PairedDataset(PointCloudDataset):
    """Base of data sets of clouds with images.

    A sample's information holds ``pair_key`` and what `LoadImage` needs.
    Images can be had by the names of their pairs, so that their targets can
    be computed once, without clouds and augmentation, see
    ``tools/cache_teacher.py``.
    """

    _pairs: dict[str, dict] | None = None
    _without: frozenset[str] = frozenset()

    def pairs_of(self, info: dict) -> list[dict]:
        """List the pairs of a sample, such as the views of an object."""
        return [info]

    def pair_keys(self) -> list[str]:
        """Name all pairs in a fixed order."""
        return list(self._known_pairs())

    def leave_out_pairs(self, keys: Collection[str]) -> None:
        """Leave out pairs; another sample replaces one without any.

        Raises:
            ValueError: If ``on_error`` is ``'raise'``.
        """
        if self.on_error == 'raise':
            raise ValueError("leaving samples out needs on_error='skip'")
        self._without |= frozenset(keys)
        self._pairs = None
        self._static_cache = {}

    def _make_sample(self, key: RngKey, index: int) -> dict | None:
        if self._without:
            pairs = self.pairs_of(self.get_data_info(index))
            if all(pair['pair_key'] in self._without for pair in pairs):
                return None
        return super()._make_sample(key, index)

    @property
    def image_preparation(self) -> dict:
        """How images are resized and cropped, as JSON has it."""
        return self._prepare_image().settings

    def prepared_image(self, pair_key: str) -> Tensor:
        """Give the image of a pair as a model gets it, (3, S, S), uint8.

        Raises:
            BadSampleError: If the image cannot be read.
            KeyError: If there is no such pair.
            ValueError: If the pipeline does not say the size.
        """
        load = self.first_transform(LoadImage) or LoadImage()
        results = load(dict(self._known_pairs()[pair_key]))
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
            infos = map(self.get_data_info, range(len(self)))
            pairs = [pair for info in infos for pair in self.pairs_of(info)]
            self._pairs = {
                pair['pair_key']: pair
                for pair in pairs
                if pair['pair_key'] not in self._without
            }
        return self._pairs

    def _forget_samples(self) -> None:
        super()._forget_samples()
        self._pairs = None
        self._without = frozenset()
