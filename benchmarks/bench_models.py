"""Time the networks against the form in which they were published.

Every row runs a network of this package and the published form of it, written
out plainly, on the same input and with the same weights, in turn; forward and
backward. Results are checked to agree before they are timed; the ratio of the
medians is what counts.

Usage: python benchmarks/bench_models.py [--device cuda] [--repeats 5] [--amp]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet3d_act.models.layers import (
    EdgeConv,
    FoldingDecoder,
    MiniPointNet,
    TransformerBlock,
)
from mmdet3d_act.models.teachers import TimmTeacher
from mmdet3d_act.ops import gather_points, knn


def plain_patch_embed(net: MiniPointNet, neighborhoods: Tensor) -> Tensor:
    """The mini-PointNet with the pooled half repeated for every point."""
    batch, groups, size, _ = neighborhoods.shape
    x = net.conv1(neighborhoods.flatten(0, 2))
    x = net.conv2(F.relu(net.norm1(x))).view(batch * groups, size, -1)
    pooled = x.amax(1, keepdim=True).expand(-1, size, -1)
    x = net.conv3(torch.cat([pooled, x], -1).flatten(0, 1))
    x = net.conv4(F.relu(net.norm2(x))).view(batch * groups, size, -1)
    return x.amax(1).view(batch, groups, -1)


def plain_edge_conv(net: EdgeConv, x: Tensor, neighbors: Tensor) -> Tensor:
    """The edge convolution applied to every edge."""
    near = gather_points(x, neighbors)
    own = x.unsqueeze(2).expand_as(near)
    edges = net.conv(torch.cat([near - own, own], -1))
    edges = F.leaky_relu(net.norm(edges.permute(0, 3, 1, 2)), 0.2)
    return edges.amax(-1).transpose(1, 2)


def plain_folding(net: FoldingDecoder, features: Tensor) -> Tensor:
    """FoldingNet with the patch feature repeated for every point."""
    flat = features.flatten(0, 1)
    coarse = net.coarse(flat).view(-1, net.num_coarse, 3)
    anchor = coarse.repeat_interleave(4, 1)
    size = anchor.shape[1]
    grid = net.grid.repeat(net.num_coarse, 1).expand(len(flat), -1, -1)
    feature = flat.unsqueeze(1).expand(-1, size, -1)
    x = net.fold1(torch.cat([feature, grid, anchor], -1).flatten(0, 1))
    x = F.relu(net.norm2(net.fold2(F.relu(net.norm1(x)))))
    return (net.fold3(x).view(-1, size, 3) + anchor).view(
        *features.shape[:2], size, 3
    )


def plain_block(net: TransformerBlock, x: Tensor) -> Tensor:
    """The Transformer block with its attention written out."""
    attn = net.attn
    y = net.norm1(x)
    batch, length, width = y.shape
    qkv = attn.qkv(y).view(batch, length, 3, attn.num_heads, -1)
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    y = (scores.softmax(-1) @ value).transpose(1, 2)
    x = x + attn.proj(y.reshape(batch, length, width))
    return x + net.mlp(net.norm2(x))


def cases(device: str) -> dict[str, tuple[Callable, Callable, list[Tensor]]]:
    """Return name to (ours, published form, inputs), at published sizes."""
    torch.manual_seed(0)
    batch, groups, size, width = 16, 64, 32, 384
    patches = torch.randn(batch, groups, size, 3, device=device)
    centers = torch.randn(batch, groups, 3, device=device)
    tokens = torch.randn(batch, groups, width, device=device)
    neighbors = knn(centers, centers, 4)
    embed = MiniPointNet(width).to(device)
    edge = EdgeConv(width, 512).to(device)
    folding = FoldingDecoder(width, size).to(device)
    block = TransformerBlock(width, 6).to(device)
    teacher = TimmTeacher(
        'vit_small_patch16_224',
        pretrained=False,
        num_layers=4,
        num_prompts=64,
        in_channels=width,
        out_channels=width,
        prompt_dropout=0.0,
    ).to(device)
    return {
        f'mini-PointNet, {batch} x {groups} x {size}': (
            embed,
            lambda x: plain_patch_embed(embed, x),
            [patches],
        ),
        f'edge convolution, {batch} x {groups}, k 4': (
            lambda x: edge(x, neighbors),
            lambda x: plain_edge_conv(edge, x, neighbors),
            [tokens],
        ),
        f'FoldingNet, {batch} x {groups}': (
            lambda x: folding(x)[1],
            lambda x: plain_folding(folding, x),
            [tokens],
        ),
        f'Transformer block, {batch} x {groups}': (
            block,
            lambda x: plain_block(block, x),
            [tokens],
        ),
        f'prompted teacher, 4 blocks, {batch} x (64 + {groups})': (
            lambda x: teacher(x, centers),
            lambda x: teacher.forward_hidden(x, centers).output,
            [tokens],
        ),
    }


def run(function: Callable, inputs: list[Tensor], amp: bool) -> Tensor:
    """Run forward and backward; return the output."""
    inputs = [value.detach().requires_grad_() for value in inputs]
    device = inputs[0].device.type
    with torch.autocast(device, torch.bfloat16, enabled=amp):
        output = function(*inputs)
    output.float().square().mean().backward()
    if device == 'cuda':
        torch.cuda.synchronize()
    return output.detach()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--amp', action='store_true', help='bfloat16')
    args = parser.parse_args()
    print('| network | ours (ms) | published form (ms) | ratio |')
    print('|---|---|---|---|')
    for name, (ours, plain, inputs) in cases(args.device).items():
        first, second = (run(f, inputs, False) for f in (ours, plain))
        assert torch.allclose(first, second, atol=1e-4 * second.abs().max())
        times: dict[str, list[float]] = {'ours': [], 'plain': []}
        for _ in range(args.repeats + 1):
            for key, function in (('ours', ours), ('plain', plain)):
                start = time.perf_counter()
                run(function, inputs, args.amp)
                times[key].append(time.perf_counter() - start)
        mine, other = (
            1e3 * statistics.median(times[key][1:]) for key in times
        )
        print(f'| {name} | {mine:.1f} | {other:.1f} | {other / mine:.2f} |')


if __name__ == '__main__':
    main()
