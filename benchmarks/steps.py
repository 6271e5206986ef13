"""Training steps of each family, in the published form too, and their work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Config, points of a cloud and batch size of the steps.
STEPS = {
    'stage I': ('act/act_dvae_shapenet', 1024, 8),
    'stage II': ('act/act_pretrain_shapenet', 1024, 8),
    'classifier': ('act/act_cls_scanobjectnn-objbg', 2048, 8),
    'Point-MAE': ('point-mae/point-mae_pretrain_shapenet', 1024, 8),
    '3DETR': ('3detr/3detr_scannet', 40_000, 1),
}


def config_of(family: str) -> Any:
    """Read the published config of a family."""
    from mmdet3d_act.engine.launch import load_config

    return load_config(str(ROOT / 'configs' / f'{STEPS[family][0]}.py'))


def build_model(cfg: Any) -> Any:
    """Build a config's model with random weights, the teacher's too."""
    from mmdet3d_act.engine.preflight import iter_typed
    from mmdet3d_act.registry import MODELS

    for part in iter_typed(cfg.model):
        if part['type'] == 'PointTransformer':
            part['init_cfg'] = None
        elif part['type'].endswith('Teacher'):
            part['pretrained'] = False
    model = cfg.model.to_dict()
    for part in iter_typed(model):
        if part['type'] == 'AutoencoderTarget':
            frozen = MODELS.build(part['autoencoder'])
            part.update(autoencoder=frozen, checkpoint=None)
    return MODELS.build(model).train()


def make_batch(family: str, batch: int, num_points: int) -> dict:
    """Make random clouds or rooms, with what the family's loss reads."""
    import torch
    from mmdet3d.structures import DepthInstance3DBoxes, Det3DDataSample
    from mmengine.structures import InstanceData

    generator, samples = torch.Generator().manual_seed(0), []
    points = 2 * torch.rand(batch, num_points, 3, generator=generator) - 1
    if family == '3DETR':
        points[:, ::2, 2] = -1  # the floor
        points *= torch.tensor([3.0, 3.0, 1.0])
    else:
        points /= points.norm(dim=-1, keepdim=True)
    for index in range(batch):
        boxes = torch.cat([points[index, 1:25:2], points.new_ones(12, 4)], 1)
        boxes[:, 6] = 0
        sample = Det3DDataSample()
        sample.gt_label = torch.tensor([index % 15])
        sample.gt_instances_3d = InstanceData(
            bboxes_3d=DepthInstance3DBoxes(boxes), labels_3d=torch.arange(12)
        )
        samples.append(sample)
    return dict(inputs=dict(points=list(points)), data_samples=samples)


def plain_step(model: Any, cfg: Any, points: Any, amp: bool) -> Callable:
    """Make a function for a step in the published form."""
    import torch
    from published_formulation import published

    net, clip = published(model, points), cfg.optim_wrapper.get('clip_grad')
    options = {**cfg.optim_wrapper.optimizer}
    del options['type']
    groups: tuple[list, list] = ([], [])
    for name, value in net.named_parameters():
        groups[value.ndim == 1 or 'token' in name].append(value)
    decays, flat = (dict(params=params) for params in groups)
    optimizer = torch.optim.AdamW(
        [decays, flat | dict(weight_decay=0.0)], **options
    )

    def step(data: dict) -> float:
        points = torch.stack(data['inputs']['points'])
        optimizer.zero_grad()
        with torch.autocast(points.device.type, torch.bfloat16, enabled=amp):
            loss = net(points, data['data_samples'])
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(net.parameters(), **clip)
        optimizer.step()
        return loss.item()

    return step


def our_step(model: Any, cfg: Any, amp: bool = False) -> Callable:
    """Make a function for a train step of the package."""
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import init_default_scope

    from mmdet3d_act.engine.launch import enable_amp

    init_default_scope(cfg.default_scope)
    cfg = cfg.copy()
    if amp:
        enable_amp(cfg)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    return lambda data: model.train_step(data, wrapper)['loss']


def make_step(kind: str, model: Any, cfg: Any) -> Callable:
    """Make a function for the train step of a kind, of the data."""
    from published_formulation import PLAIN, our_points

    amp = kind.endswith(', amp')
    if kind.startswith('ours'):
        return our_step(model, cfg, amp)
    points = our_points() if kind == 'same points' else PLAIN
    return plain_step(model, cfg, points, amp)


def steps_of(family: str, kinds: Iterable[str], data: dict) -> dict:
    """Make calls of a family's step by their kind, on the same weights."""
    cfg = config_of(family)
    model = build_model(cfg).to(data['inputs']['points'][0].device)
    return {kind: partial(make_step(kind, model, cfg), data) for kind in kinds}


def loss_curve(family: str, kind: str, seed: int, steps: int) -> list[float]:
    """Losses of the family's networks, made small, on one random batch."""
    import torch

    from tests.tiny import shrink

    cfg = shrink(config_of(family))
    cfg.optim_wrapper.optimizer.lr = 1e-3
    torch.manual_seed(seed)
    step = make_step(kind, build_model(cfg), cfg)
    data = make_batch(family, 8, 256)
    return [float(step(data)) for _ in range(steps)]


def count_operations(call: Callable[[], Any]) -> float:
    """Count operations of a call in matrix products and attention, 10^9."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop

    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    own = {flash: lambda q, k, v, *_, **__: sdpa_flop(q, k, v)}
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        call()
    return counter.get_total_flops() / 1e9


def timed(call: Callable[[], Any], repeats: int = 1) -> float:
    """Seconds of a call: of the CPU, with CUDA until the device is done."""
    import torch

    cuda = torch.cuda.is_initialized()
    clock = time.perf_counter if cuda else time.process_time
    start = clock()
    for _ in range(repeats):
        call()
    if cuda:
        torch.cuda.synchronize()
    return (clock() - start) / repeats


def matrix_rate(dtype: str) -> float:
    """Measure the rate of large matrix products, 10^9 operations a second."""
    import torch

    a = torch.randn(1536, 1536, dtype=getattr(torch, dtype))
    return 2e-9 * 1536**3 / min(timed(lambda: a @ a, 3) for _ in range(5))
