"""Probes of frozen features: computed once, classified in many ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mmdet3d_act.apis.loading import initialize, load_model
from mmdet3d_act.checkpoint import resolve_checkpoint
from mmdet3d_act.engine import launch
from mmdet3d_act.evaluation import LinearProbeMetric
from mmdet3d_act.evaluation.probes import FitTally
from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.data_preprocessors import PointCloudPreprocessor
from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.registry import MODELS, registered_classes

UNTRAINED = 'untrained'


class ProbeResult(NamedTuple):
    """One line of a probe's table, accuracies in percent.

    Attributes:
        pooling: How patches were pooled.
        C: What was asked for: a number or 'cv'.
        svm: Accuracy of the linear SVM, mean over the seeds.
        svm_std: Its deviation over the seeds.
        chosen: The C of each seed.
        knn: Accuracy of the nearest neighbours, None without.
        few: Mean accuracy with few labels over all draws, None without.
        few_std: Its deviation over the draws.
    """

    pooling: str
    C: float | str
    svm: float
    svm_std: float
    chosen: list[float | str]
    knn: float | None
    few: float | None
    few_std: float | None


def load_encoder(
    cfg: Config,
    checkpoint: str,
    config: str,
    *,
    device: str = 'cpu',
    seed: int = 0,
) -> nn.Module:
    """Load the part of a config's model whose features are probed.

    Of a Distiller it is the student, of a network with a backbone the
    backbone; neither teacher nor autoencoder is needed then. A DiscreteVAE is
    taken as a whole: its features are the targets of stage II.

    Args:
        cfg: The config.
        checkpoint: A file, a work directory, or 'untrained': the network as
            it is initialised.
        config: Name of the config file, for messages.
        device: Where the network goes.
        seed: Seed of the initialisation.

    Returns:
        The network in evaluation mode.

    Raises:
        UsageError: If the config has no such network.
        CheckpointError: If the checkpoint does not fill it.
    """
    launch.require(cfg, ['model'], config)
    torch.manual_seed(seed)
    is_autoencoder = DiscreteVAE in registered_classes(cfg.model['type'])
    if is_autoencoder and checkpoint != UNTRAINED:
        return load_model(cfg, checkpoint, config, device)
    part = cfg.model.get('student') or cfg.model.get('backbone') or cfg.model
    known = (PointTransformer, DiscreteVAE)
    if not any(issubclass(c, known) for c in registered_classes(part['type'])):
        raise launch.UsageError(
            f'the model of {config} must have a PointTransformer or be a '
            f'DiscreteVAE, got {cfg.model["type"]}'
        )
    part = {**part, 'init_cfg': None}
    if checkpoint != UNTRAINED:
        path = resolve_checkpoint(checkpoint)
        part['init_cfg'] = dict(type='Pretrained', checkpoint=path)
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    encoder = MODELS.build(part)
    initialize(encoder)
    return encoder.to(device).eval()


@torch.no_grad()
def extract_features(
    encoder: nn.Module,
    dataset: Dataset,
    *,
    split: str | None = None,
    batch_size: int = 64,
    num_workers: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> list[dict]:
    """Compute the pooled features of all samples, as the metric reads them.

    Args:
        encoder: From :func:`load_encoder`.
        dataset: The labelled samples.
        split: What all samples belong to, 'train' or 'test'; None takes what
            they say themselves.
        batch_size: Clouds at once.
        num_workers: Processes that read them.
        report: Called with the number of samples that are done and of all,
            first before any is read.

    Returns:
        A dict per sample: ``pred_feats``, ``gt_label``, ``split``,
        ``sample_idx``.
    """
    device = next(encoder.parameters()).device
    prepare = PointCloudPreprocessor().to(device)
    loader = DataLoader(
        dataset,
        batch_size,
        collate_fn=pseudo_collate,
        num_workers=num_workers,
    )
    found = []
    report = report or (lambda done, total: None)
    report(0, len(dataset))
    for batch in loader:
        data = prepare(batch)
        pooled = encode_inputs(encoder, data['inputs'])[2]
        pooled = {name: value.float().cpu() for name, value in pooled.items()}
        for row, sample in enumerate(data['data_samples']):
            known = dict(sample.items()) | dict(sample.metainfo_items())
            found.append(
                dict(
                    pred_feats={k: v[row] for k, v in pooled.items()},
                    gt_label=known.get('gt_label'),
                    split=split or known.get('split'),
                    sample_idx=known.get('sample_idx'),
                )
            )
        report(len(found), len(dataset))
    return found


def encode_inputs(
    encoder: nn.Module, inputs: dict[str, Tensor]
) -> tuple[PointPatches, Tensor, dict[str, Tensor]]:
    """Encode clouds: their patches, features (B, G, C), and pooled ones.

    Args:
        encoder: From :func:`load_encoder`.
        inputs: As the preprocessor gives them.
    """
    if not isinstance(encoder, DiscreteVAE):
        patches = encoder.group(
            inputs['points'],
            inputs.get('center_indices'),
            inputs.get('neighbor_indices'),
        )
        encoded = encoder.encode(patches)
        return patches, encoded.features, encoded.pooled()
    patches = encoder.group(**inputs)
    features = encoder.encode(patches, noise=False)
    pooled = {'max': features.amax(dim=1), 'mean': features.mean(dim=1)}
    return patches, features, pooled


def probe_features(
    samples: Sequence[dict],
    *,
    poolings: Sequence[str] = ('concat',),
    penalties: Sequence[float | str] = (0.01,),
    seeds: Sequence[int] = (0,),
    knn: int | None = None,
    **options: Any,
) -> Iterator[ProbeResult]:
    """Score features by simple classifiers, a line a choice.

    Args:
        samples: From :func:`extract_features`, both parts.
        poolings: See :class:`~mmdet3d_act.evaluation.LinearProbeMetric`.
        penalties: Each a C of the linear SVM, or 'cv'.
        seeds: Seeds of the solver, the folds and the few labels.
        knn: Number of neighbours that vote; None for no such column.
        **options: Further arguments of the metric.

    Yields:
        Lines in the order of poolings, then penalties.

    Raises:
        ValueError: If an option or the features do not fit, see the metric.
    """
    tally = FitTally()
    max_iter = 0
    for pooling in poolings:
        voters = knn
        nearest = None
        for penalty in penalties:
            metrics = []
            for seed in seeds:
                metric = LinearProbeMetric(
                    pooling, penalty, knn=voters, seed=seed, **options
                )
                max_iter = metric.svm.max_iter
                metric.process(None, samples)
                metrics.append(metric.score(metric.results, tally))
                # The neighbours do not depend on C or the seed.
                voters = None
                nearest = metrics[-1].get('knn_accuracy', nearest)
            yield _line(pooling, penalty, metrics, nearest)
    tally.report(max_iter)


def _line(
    pooling: str,
    penalty: float | str,
    metrics: list[dict[str, Any]],
    nearest: float | None,
) -> ProbeResult:
    svm = [one['svm_accuracy'] for one in metrics]
    few = [
        one['few_label_accuracy']
        for one in metrics
        if 'few_label_accuracy' in one
    ]
    spread = None
    if few:
        within = np.mean([one['few_label_std'] ** 2 for one in metrics])
        spread = float(np.sqrt(within + np.var(few)))
    return ProbeResult(
        pooling,
        penalty,
        float(np.mean(svm)),
        float(np.std(svm)),
        [one.get('svm_C', penalty) for one in metrics],
        nearest,
        float(np.mean(few)) if few else None,
        spread,
    )


def class_names(folders: Sequence[str]) -> list[str]:
    """List the classes of folders of clouds: all of their sub-folders.

    Raises:
        UsageError: If there are fewer than two.
    """
    parts = [part for folder in folders for part in Path(folder).glob('*')]
    names = sorted({part.name for part in parts if part.is_dir()})
    if len(names) < 2:
        raise launch.UsageError(
            f'{" and ".join(folders)} must have a sub-folder with clouds for '
            f'each of at least 2 classes, got {names}'
        )
    return names
