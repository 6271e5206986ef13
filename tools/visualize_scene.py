#!/usr/bin/env python
"""Draw what a detector or a segmentor finds in scenes, and what is there.

python tools/visualize_scene.py CONFIG work_dirs/NAME/epoch_100.pth
python tools/visualize_scene.py CONFIG CHECKPOINT --score 0.5 --html
python tools/visualize_scene.py CONFIG            # the annotations alone
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from config_arguments import ConfigArgumentParser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmengine.config import Config
    from torch import Tensor, nn
    from torch.utils.data import Dataset


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = ConfigArgumentParser(__doc__)
    parser.add_argument('config', help='config of the training')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='its checkpoint, or its work directory; none draws the '
        'annotations alone',
    )
    parser.add_argument(
        '--part',
        choices=['train', 'val', 'test'],
        help="which of the config's data (default: the first of val, train, "
        'test that it has)',
    )
    parser.add_argument(
        '--num', type=int, default=3, help='scenes, evenly spread'
    )
    parser.add_argument(
        '--indices', type=int, nargs='+', help='which scenes instead'
    )
    parser.add_argument(
        '--score',
        type=float,
        default=0.3,
        help='of the detections that are drawn (default: 0.3)',
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder for everything (default: scenes_NAME beside the '
        'checkpoint, work_dirs/scenes without one)',
    )
    parser.add_argument(
        '--html', action='store_true', help='a web page to turn them as well'
    )
    parser.add_argument(
        '--panel', type=int, default=420, help='width of one picture'
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1')
    args = parser.parse_args(argv)
    if args.num < 1 or args.panel < 16:
        parser.error('--num is >= 1, --panel >= 16')
    if not 0 <= args.score <= 1:
        parser.error(f'--score is from 0 to 1, got {args.score:g}')
    return args


def require_scene_model(cfg: Config, config: str) -> None:
    """Refuse a config whose model predicts nothing about places in a scene.

    Raises:
        UsageError: If its model classifies clouds or is for pretraining.
    """
    from mmdet3d_act.apis.scene_pictures import SCENE_CONFIG
    from mmdet3d_act.engine.launch import UsageError
    from mmdet3d_act.models.autoencoders import DiscreteVAE
    from mmdet3d_act.models.classifiers import PointClassifier
    from mmdet3d_act.models.distillers import Distiller
    from mmdet3d_act.registry import registered_classes

    others = (DiscreteVAE, Distiller, PointClassifier)
    kind = (cfg.get('model') or {}).get('type')
    if any(issubclass(one, others) for one in registered_classes(kind)):
        raise UsageError(
            f'the model of {config} is a {kind}, which predicts neither boxes '
            f'nor classes of points; give {SCENE_CONFIG}'
        )


def draw_scenes(
    model: nn.Module | None,
    dataset: Dataset,
    folder: str | Path,
    *,
    num_samples: int = 3,
    indices: Sequence[int] | None = None,
    min_score: float = 0.3,
    html: bool = False,
    panel: int = 420,
) -> list[Path]:
    """Draw scenes with what is known of them and what a model predicts.

    Args:
        model: A detector or a segmentor with its weights; None draws the
            annotations alone.
        dataset: Where the scenes come from; it gives what the model reads.
        folder: Gets ``scenes.png`` and ``scenes.html``.
        num_samples: Number of scenes, evenly spread over the data set.
        indices: Which scenes instead, counted from 0.
        min_score: Of the detections that are drawn, each box as the class of
            its highest score.
        html: Whether to write a web page.
        panel: Width and height of one picture.

    Returns:
        The paths that were written.

    Raises:
        UsageError: If there is no such scene.
        ValueError: If the samples hold neither annotations nor predictions.
    """
    from mmdet3d_act.apis.pictures import choose_indices
    from mmdet3d_act.apis.scene_pictures import scene_panels
    from mmdet3d_act.visualization import write_html
    from mmdet3d_act.visualization.arrays import class_colors
    from mmdet3d_act.visualization.scenes import draw_scene_panels

    meta = getattr(dataset, 'metainfo', {})
    classes = tuple(meta.get('classes', ()))
    colors = class_colors(len(classes), meta.get('palette'))
    rows, shown = [], set()
    for index in choose_indices(dataset, num_samples, indices):
        sample, points = predict_scene(model, dataset[index])
        row, labels = scene_panels(sample, points, colors, min_score)
        shown |= labels
        rows.append(row)
    legend = {
        classes[label]: colors[label].tolist() for label in sorted(shown)
    }
    up_axis = meta.get('up_axis', 'z')
    folder = Path(folder)
    path = folder / 'scenes.png'
    paths = [
        draw_scene_panels(
            rows, path, legend=legend, up_axis=up_axis, panel=panel
        )
    ]
    if html:
        path = path.with_suffix('.html')
        legend = dict(zip(classes, colors.tolist(), strict=True))
        view = dict(legend=legend, up_axis=up_axis, heading='Scenes')
        paths.append(write_html(rows, path, **view))
    return paths


def predict_scene(model: nn.Module | None, data: dict) -> tuple[dict, Tensor]:
    """Predict a scene: its sample as a dict, and its points.

    Args:
        model: A detector or a segmentor; None adds no predictions.
        data: What a data set gives for a scene.

    Returns:
        The sample, and (N, 3), on the CPU.
    """
    import torch
    from mmengine.dataset import pseudo_collate

    points = torch.as_tensor(data['inputs']['points'])[:, :3].cpu()
    sample = data['data_samples']
    if model is not None:
        with torch.no_grad():
            sample = model.test_step(pseudo_collate([data]))[0]
    known = sample.to_dict()
    return {**sample.metainfo, **known}, points


def visualize(args: argparse.Namespace) -> None:
    """Load model and scenes, draw them."""
    from mmdet3d_act.apis.loading import (
        build_dataset,
        load_model,
    )
    from mmdet3d_act.checkpoint import resolve_checkpoint
    from mmdet3d_act.engine import launch

    cfg = launch.load_config(args.config, args.cfg_options)
    model, folder = None, Path('work_dirs/scenes')
    if args.checkpoint:
        require_scene_model(cfg, args.config)
        path = resolve_checkpoint(args.checkpoint)
        model = load_model(cfg, path, args.config, args.device)
        folder = Path(path).with_name(f'scenes_{Path(path).stem}')
    dataset = build_dataset(cfg, args.config, args.part)
    try:
        paths = draw_scenes(
            model,
            dataset,
            args.out or folder,
            num_samples=args.num,
            indices=args.indices,
            min_score=args.score,
            html=args.html,
            panel=args.panel,
        )
    except ValueError as error:
        raise launch.UsageError(str(error)) from error
    for path in paths:
        print(f'Written: {path}')


def main() -> int:
    """Return the exit code."""
    args = parse_args()
    from mmdet3d_act_cli import run_tool

    return run_tool(lambda: visualize(args))


if __name__ == '__main__':
    sys.exit(main())
