"""Accuracy of simple classifiers on frozen features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric

from mmdet3d_act.evaluation.probes import (
    FitTally,
    LabelledFeatures,
    SVMSettings,
    choose_penalty,
    draw_few_labels,
    knn_accuracy,
    svm_accuracy,
)
from mmdet3d_act.evaluation.sample_fields import name_of, required
from mmdet3d_act.registry import METRICS
from mmdet3d_act.text import check_choice, inform, warn

POOLINGS = ('cls', 'max', 'mean')
FIT_SPLIT = 'train'
SCORE_SPLITS = ('val', 'test')
C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@METRICS.register_module()
class LinearProbeMetric(BaseMetric):
    """Accuracy of a linear SVM on frozen features, in percent.

    The validation data holds the labelled training part (``split`` 'train')
    as well as the part to score ('val' or 'test'). ``predict`` of the model
    gives each sample ``pred_feats``; when all have passed, a linear SVM is
    fitted to the one part and scored on the other. Results, in percent:
    ``svm_accuracy`` (and ``svm_C`` where it was chosen), ``knn_accuracy`` with
    ``knn``, ``few_label_accuracy`` and ``few_label_std`` with
    ``labels_per_class``. The same features and seed give the same results.

    Args:
        pooling: Features to use: 'cls', 'max' or 'mean'; 'concat' for all
            that the model gives, concatenated in this order; a sequence of
            the three for a concatenation of those.
        C: Inverse strength of the SVM's regularisation, or 'cv': chosen from
            ``C_grid`` by cross-validation on the training part (of few labels:
            on these alone), the smaller of equals.
        C_grid: Candidates of ``C='cv'``.
        folds: Folds of the cross-validation, fewer where a class has fewer
            samples.
        standardize: Whether every channel is brought to zero mean and unit
            variance, with the statistics of the training part.
        knn: Number of neighbours, by the cosine, that vote; None for no k-NN
            accuracy. Ties go to the class whose voters are nearer.
        labels_per_class: Labelled samples per class of the few-label SVM;
            None for none.
        few_label_draws: How often these samples are drawn; the mean is given.
        seed: Seed of the draws, the folds and the solver.
        max_iter: Iterations of the solver; one warning says how many fits
            they were too few for.
        **options: See MMEngine's `BaseMetric`.

    Example:
        >>> metric = LinearProbeMetric(pooling='concat', C=0.01, knn=20)
        >>> metric.process(None, samples)
        >>> metric.evaluate(size=len(samples))['svm_accuracy']

    Source: linear classification protocol of ACT and Point-MAE (scikit-learn's
        linear SVM on frozen features of ModelNet40, C = 0.01).
    """

    default_prefix = ''

    def __init__(
        self,
        pooling: str | Sequence[str] = 'concat',
        C: float | str = 0.01,
        *,
        C_grid: Sequence[float] = C_GRID,
        folds: int = 5,
        standardize: bool = False,
        knn: int | None = None,
        labels_per_class: int | None = None,
        few_label_draws: int = 5,
        seed: int = 0,
        max_iter: int = 2000,
        **options: object,
    ) -> None:
        super().__init__(**options)
        names = (pooling,) if isinstance(pooling, str) else pooling
        for name in names:
            check_choice('pooling', name, (*POOLINGS, 'concat'))
        if isinstance(C, str):
            check_choice('C', C, ('cv',))
        counts = (knn, labels_per_class, few_label_draws, folds)
        given = [value for value in counts if value is not None]
        if not all(isinstance(n, int) and n > 0 for n in given):
            raise ValueError(
                'knn, labels_per_class, few_label_draws and folds are at '
                f'least 1, got {counts}'
            )
        self.pooling = pooling if isinstance(pooling, str) else tuple(pooling)
        self.svm = SVMSettings(
            tuple(C_grid) if C == 'cv' else (float(C),),
            folds,
            seed,
            max_iter,
        )
        self.standardize = standardize
        self.knn = knn
        self.labels_per_class = labels_per_class
        self.few_label_draws = few_label_draws
        self.seed = seed

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Keep what the classifiers need of each sample.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pred_feats`` (dict of (C,) tensors by
                pooling), ``gt_label`` (one class index) and ``split``.

        Raises:
            ValueError: If one of these is absent, or features are NaN or
                infinite.
        """
        for sample in data_samples:
            feats = required(
                sample, 'pred_feats', "a distiller's predict adds them"
            )
            label = required(sample, 'gt_label', 'the data set must add it')
            split = required(sample, 'split', 'the data set must add it')
            if split not in (FIT_SPLIT, *SCORE_SPLITS):
                raise ValueError(
                    f'sample {name_of(sample)} has split {split!r}, expected '
                    f'one of {(FIT_SPLIT, *SCORE_SPLITS)}'
                )
            pooled = self._pool(feats, name_of(sample))
            self.results.append((split, int(label), pooled))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Fit and score the classifiers.

        Args:
            results: (split, label, features) of all samples.

        Returns:
            Percentages by name.

        Raises:
            ValueError: If there is nothing to fit on or to score, only one
                class, or fewer samples than the options ask for.
        """
        tally = FitTally()
        metrics = self.score(results, tally)
        tally.report(self.svm.max_iter)
        return metrics

    def score(self, results: list, tally: FitTally) -> dict[str, float]:
        """Fit and score the classifiers, and leave the report to others.

        Args:
            results: See :meth:`compute_metrics`.
            tally: Counts the fits.

        Returns:
            Percentages by name.
        """
        train, test = self._parts(results)
        few = []
        if self.labels_per_class is not None:
            seeds = [(self.seed, i) for i in range(self.few_label_draws)]
            few = draw_few_labels(train, self.labels_per_class, seeds)
        samples, channels = train.features.shape
        inform(
            f'linear probe: fits to {samples} samples of {channels} channels, '
            f'{len(test.labels)} to score'
        )
        penalty = choose_penalty(train, self.svm, tally)
        metrics = {
            'svm_accuracy': svm_accuracy(train, test, penalty, self.svm, tally)
        }
        if len(self.svm.candidates) > 1:
            metrics['svm_C'] = penalty
        if self.knn is not None:
            metrics['knn_accuracy'] = knn_accuracy(train, test, self.knn)
        if few:
            scores = [
                svm_accuracy(
                    part,
                    test,
                    choose_penalty(part, self.svm, tally),
                    self.svm,
                    tally,
                )
                for part in few
            ]
            metrics['few_label_accuracy'] = float(np.mean(scores))
            metrics['few_label_std'] = float(np.std(scores))
        return metrics

    def _pool(self, feats: dict, name: object) -> np.ndarray:
        """Concatenate the chosen features of one sample, (C,)."""
        if self.pooling == 'concat':
            wanted = [key for key in POOLINGS if feats.get(key) is not None]
        elif isinstance(self.pooling, str):
            wanted = [self.pooling]
        else:
            wanted = list(self.pooling)
        missing = [key for key in wanted if feats.get(key) is None]
        if missing or not wanted:
            raise ValueError(
                f'pred_feats of sample {name} must have {missing or POOLINGS}'
                f' for pooling={self.pooling!r}, got {sorted(feats)}; choose a'
                ' pooling that the model gives (cls needs a class token)'
            )
        vectors = [feats[key].detach().float().cpu() for key in wanted]
        pooled = np.concatenate([v.numpy().reshape(-1) for v in vectors])
        if not np.isfinite(pooled).all():
            raise ValueError(
                f'features of sample {name} are not finite; the training has '
                'diverged: lower the learning rate'
            )
        return pooled

    def _parts(
        self, results: list
    ) -> tuple[LabelledFeatures, LabelledFeatures]:
        """Split the results into what is fitted and what is scored."""
        found = Counter(split for split, _, _ in results)
        parts = []
        for splits, use in (((FIT_SPLIT,), 'fit'), (SCORE_SPLITS, 'score')):
            rows = [row for row in results if row[0] in splits]
            if not rows:
                raise ValueError(
                    f'LinearProbeMetric needs samples of split {splits} to '
                    f'{use}, got {dict(found)}; put both parts of a labelled '
                    'data set into the validation data (ConcatDataset)'
                )
            features = np.stack([vector for _, _, vector in rows])
            labels = np.array([label for _, label, _ in rows])
            parts.append(LabelledFeatures(features.astype(np.float64), labels))
        train, test = parts
        classes = np.unique(train.labels)
        if len(classes) < 2:
            raise ValueError(
                'the training part must have at least 2 classes, got only '
                f'class {classes[0]} in {len(train.labels)} samples; check its'
                ' annotation, or take more samples of it'
            )
        unseen = sorted(set(test.labels.tolist()) - set(classes.tolist()))
        if unseen:
            warn(
                f'classes {unseen} are scored but not in the training part: '
                'all of their samples count as errors'
            )
        if self.standardize:
            mean = train.features.mean(0)
            std = train.features.std(0)
            # A constant channel's deviation is rounding noise, not 0.
            std = np.where(std > 1e-7 * np.abs(mean), std, 1)
            train = train._replace(features=(train.features - mean) / std)
            test = test._replace(features=(test.features - mean) / std)
        return train, test
