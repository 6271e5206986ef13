"""The training steps as the published code of the papers computes them.

Written from the papers and from what their public code is known to do: patches
are gathered with all their points before the first layer, layers over points
are convolutions of width 1, attention is a softmax of a product, prompts run
through all blocks, sampled codes are a product with one-hot rows. The package
is timed against it, and it is a second opinion on values: the same weights
give the same loss (tests/test_benchmarks).

The published code calls CUDA packages for sampling, neighbours and Chamfer
distances. ``PLAIN`` stands in for them in short PyTorch: a loop for farthest
points, whole matrices of distances. ``our_points()`` puts the package's own
operations there, which leaves the networks as the only difference.

    model = MODELS.build(cfg.model)         # one of the package's
    published(model)(points, data_samples)  # the loss, with copied weights
"""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from timm.layers import DropPath
from torch import Tensor, nn


def plain_fps(xyz: Tensor, count: int) -> Tensor:
    """Farthest points, (B, count)."""
    rows = torch.arange(len(xyz), device=xyz.device)
    chosen = torch.zeros(len(xyz), count, dtype=torch.long, device=xyz.device)
    distance = torch.full(xyz.shape[:2], 1e10, device=xyz.device)
    farthest = torch.zeros_like(rows)
    for i in range(count):
        chosen[:, i] = farthest
        center = xyz[rows, farthest][:, None]
        distance = torch.minimum(distance, ((xyz - center) ** 2).sum(-1))
        farthest = distance.argmax(-1)
    return chosen


def square_distance(src: Tensor, dst: Tensor) -> Tensor:
    """Squared distances, (B, N, M), from a product."""
    distance = -2 * src @ dst.transpose(1, 2)
    distance += (src**2).sum(-1)[:, :, None]
    return distance + (dst**2).sum(-1)[:, None]


def plain_knn(xyz: Tensor, query: Tensor, k: int) -> Tensor:
    """Nearest points, (B, M, k)."""
    return square_distance(query, xyz).topk(k, largest=False).indices


def plain_ball(
    xyz: Tensor, query: Tensor, radius: float, count: int
) -> Tensor:
    """The first points within a radius, (B, M, count)."""
    far, size = square_distance(query, xyz) >= radius**2, xyz.shape[1]
    idx = torch.arange(size, device=xyz.device).expand(far.shape)
    idx = idx.masked_fill(far, size).topk(count, largest=False).values
    return torch.where(idx == size, idx[..., :1], idx)


def plain_chamfer(a: Tensor, b: Tensor, norm: str) -> Tensor:
    """Chamfer distance; as the extension, gradients at the nearest only."""
    with torch.no_grad():
        distance = torch.cdist(a.float(), b.float())
    there = ((a - gather(b, distance.argmin(2))) ** 2).sum(-1)
    back = ((b - gather(a, distance.argmin(1))) ** 2).sum(-1)
    if norm == 'l2':
        return there.mean() + back.mean()
    return (there.sqrt().mean() + back.sqrt().mean()) / 2


PLAIN = SimpleNamespace(
    fps=plain_fps, knn=plain_knn, ball=plain_ball, chamfer=plain_chamfer
)


def our_points() -> SimpleNamespace:
    """The operations of this package in the place of ``PLAIN``."""
    from mmdet3d_act import ops

    return SimpleNamespace(
        fps=ops.farthest_point_sample,
        knn=ops.knn,
        ball=ops.ball_query,
        chamfer=lambda a, b, norm: ops.chamfer_distance(a, b, norm=norm),
    )


def gather(x: Tensor, idx: Tensor) -> Tensor:
    """Rows of x (B, N, C) at idx (B, ...), (B, ..., C)."""
    base = torch.arange(len(x), device=x.device) * x.shape[1]
    rows = (idx + base.view(-1, *[1] * (idx.dim() - 1))).view(-1)
    return x.reshape(-1, x.shape[-1])[rows].view(*idx.shape, -1)


def conv(linear: nn.Linear, kind: type = nn.Conv1d) -> nn.Module:
    """The convolution of width 1 with the weights of a linear layer."""
    bias = linear.bias is not None
    layer = kind(linear.in_features, linear.out_features, 1, bias=bias)
    for name, value in layer.named_parameters():
        value.data.copy_(getattr(linear, name).view_as(value))
    return layer.requires_grad_(linear.weight.requires_grad)


def layers(linears: list, norms: list, kind: type = nn.Conv1d) -> list:
    """Convolutions, each with batch norm and ReLU."""
    made: list[nn.Module] = []
    for linear, norm in zip(linears, norms, strict=True):
        own = nn.BatchNorm2d if kind is nn.Conv2d else nn.BatchNorm1d
        own = own(norm.num_features)
        own.load_state_dict(norm.state_dict())
        made += [conv(linear, kind), own, nn.ReLU(inplace=True)]
    return made


class Form(nn.Module):
    """Base: takes over parts of ours, makes patches."""

    def take(self, source: nn.Module, names: str) -> None:
        """Copy the parts of these names."""
        for name in names.split():
            setattr(self, name, copy.deepcopy(getattr(source, name)))

    def use(self, source: nn.Module, points: SimpleNamespace) -> None:
        """Make patches as many and as large as those of a module of ours."""
        self.points, self.num_groups = points, source.num_groups
        self.group_size = source.group_size

    def group(self, xyz: Tensor) -> tuple[Tensor, Tensor]:
        """Neighbourhoods (B, G, K, 3) and centres (B, G, 3)."""
        center = gather(xyz, self.points.fps(xyz, self.num_groups))
        idx = self.points.knn(xyz, center, self.group_size)
        return gather(xyz, idx) - center.unsqueeze(2), center


class Encoder(nn.Module):
    """The mini-PointNet."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        first = layers([net.conv1], [net.norm1])
        second = layers([net.conv3], [net.norm2])
        self.first_conv = nn.Sequential(*first, conv(net.conv2))
        self.second_conv = nn.Sequential(*second, conv(net.conv4))

    def forward(self, groups: Tensor) -> Tensor:
        batch, num_groups, size, _ = groups.shape
        x = groups.reshape(batch * num_groups, size, 3).transpose(2, 1)
        x = self.first_conv(x)
        pooled = x.max(dim=2, keepdim=True)[0]
        x = torch.cat([pooled.expand(-1, -1, size), x], dim=1)
        x = self.second_conv(x).max(dim=2)[0]
        return x.view(batch, num_groups, -1)


class DGCNN(nn.Module):
    """Edge convolutions on the graph of the centres."""

    def __init__(self, net: nn.Module, points: SimpleNamespace) -> None:
        super().__init__()
        self.k, self.points = net.num_neighbors, points
        self.proj, self.last = conv(net.proj), conv(net.fuse)
        self.convs = nn.ModuleList(
            conv(layer.conv, nn.Conv2d) for layer in net.layers
        )
        norms = [*(layer.norm for layer in net.layers), net.norm]
        self.norms = nn.ModuleList(copy.deepcopy(norms))

    def forward(self, x: Tensor, center: Tensor) -> Tensor:
        x, features = self.proj(x.transpose(1, 2)), []
        for layer, norm in zip(self.convs, self.norms[:-1], strict=True):
            idx = self.points.knn(center, center, self.k)
            x = x.transpose(2, 1).contiguous()
            own = x.unsqueeze(2).expand(-1, -1, self.k, -1)
            edges = torch.cat([gather(x, idx) - own, own], dim=-1)
            x = norm(layer(edges.permute(0, 3, 1, 2)))  # (B, out, G, k)
            x = F.leaky_relu(x, 0.2).max(dim=-1)[0]
            features.append(x)
        x = self.norms[-1](self.last(torch.cat(features, dim=1)))
        return F.leaky_relu(x, 0.2).transpose(1, 2)


class Block(Form):
    """Transformer block; of ours or of timm's."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.num_heads = block.attn.num_heads
        self.take(block, 'norm1 norm2')
        self.take(block.attn, 'qkv proj')
        self.take(block.mlp, 'fc1 fc2')
        rate = getattr(getattr(block, 'drop_path', None), 'drop_prob', 0.0)
        self.drop_path = DropPath(rate)
        self.drop = nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x))
        qkv = qkv.reshape(batch, length, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attn = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
        attn = self.drop(attn.softmax(dim=-1))
        attended = (attn @ v).transpose(1, 2).reshape(batch, length, width)
        x = x + self.drop_path(self.drop(self.proj(attended)))
        hidden = self.drop(F.gelu(self.fc1(self.norm2(x))))
        return x + self.drop_path(self.drop(self.fc2(hidden)))


class Teacher(Form):
    """A frozen ViT with deep prompts."""

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.take(teacher, 'proj_in proj_out pos_embed')
        self.take(teacher.prompts, 'tokens pos')
        self.dropout = nn.Dropout(teacher.prompts.dropout)
        self.blocks = nn.ModuleList(map(Block, teacher.transformer.blocks))
        self.take(teacher.transformer, 'norm')

    def forward(self, x: Tensor, center: Tensor) -> Tensor:
        batch, groups, _ = center.shape
        x, center_pos = self.proj_in(x), self.pos_embed(center)
        for i, block in enumerate(self.blocks):
            prompts = self.dropout(self.tokens[i].expand(batch, -1, -1))
            pos = self.pos[i].expand(batch, -1, -1)
            x = torch.cat([prompts, x[:, -groups:]], dim=1)
            x = block(x + torch.cat([pos, center_pos], dim=1))
        return self.proj_out(self.norm(x)[:, -groups:])


class FoldingNet(nn.Module):
    """The decoder of patches."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.mlp = copy.deepcopy(net.coarse)
        folds = layers([net.fold1, net.fold2], [net.norm1, net.norm2])
        self.final_conv = nn.Sequential(*folds, conv(net.fold3))
        self.register_buffer('seed', net.grid.T.clone())  # (2, 4)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        feature = feature.flatten(0, 1)
        coarse = self.mlp(feature).reshape(len(feature), -1, 3)
        size = 4 * coarse.shape[1]
        point = coarse.unsqueeze(2).expand(-1, -1, 4, -1)
        point = point.reshape(len(feature), size, 3).transpose(2, 1)
        seed = self.seed.repeat(1, size // 4).expand(len(feature), -1, -1)
        whole = feature.unsqueeze(2).expand(-1, -1, size)
        x = self.final_conv(torch.cat([whole, seed, point], dim=1))
        return coarse, (x + point).transpose(2, 1).contiguous()


class StageOne(Form):
    """ACT's autoencoder."""

    def __init__(self, vae: nn.Module, points: SimpleNamespace) -> None:
        super().__init__()
        self.use(vae, points)
        self.temperature, self.kl_weight = vae.temperature, vae.kl_weight
        self.noise = True
        self.encoder = Encoder(vae.patch_embed)
        self.dgcnn_1 = DGCNN(vae.to_logits, points)
        self.take(vae, 'codebook')
        self.teacher = Teacher(vae.teacher)
        self.dgcnn_2 = DGCNN(vae.mixer, points)
        self.decoder = FoldingNet(vae.decoder)

    def features(
        self, logits: Tensor, center: Tensor, tau: float, hard: bool
    ) -> Tensor:
        """What the decoder reads, (B, G, C), of code logits."""
        if self.noise:
            codes = F.gumbel_softmax(logits, tau=tau, dim=2, hard=hard)
        else:
            codes = (logits / tau).softmax(2)
            if hard:
                codes = F.one_hot(codes.argmax(2), codes.shape[2]).float()
        sampled = torch.einsum('b g n, n c -> b g c', codes, self.codebook)
        return self.dgcnn_2(self.teacher(sampled, center), center)

    def forward(self, xyz: Tensor, _: list | None = None) -> Tensor:
        groups, center = self.group(xyz)
        logits = self.dgcnn_1(self.encoder(groups), center)
        feature = self.features(logits, center, self.temperature, False)
        coarse, fine = self.decoder(feature)
        target = groups.flatten(0, 1)
        loss = self.points.chamfer(coarse, target, 'l1')
        loss = loss + self.points.chamfer(fine, target, 'l1')
        log_qy = logits.softmax(dim=-1).mean(dim=1).log()
        uniform = torch.full_like(log_qy, -math.log(log_qy.shape[-1]))
        kl = F.kl_div(log_qy, uniform, reduction='batchmean', log_target=True)
        return loss + self.kl_weight * kl

    @torch.no_grad()
    def target(self, groups: Tensor, center: Tensor) -> Tensor:
        """The target of stage II, (B, G, C)."""
        logits = self.dgcnn_1(self.encoder(groups), center)
        return self.features(logits, center, 1.0, True)


class Student(Form):
    """The point Transformer on visible tokens."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.encoder = Encoder(student.patch_embed)
        self.take(student, 'pos_embed norm cls_token cls_pos')
        self.blocks = nn.ModuleList(map(Block, student.blocks))

    def forward(
        self, groups: Tensor, center: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        x, batch = self.encoder(groups), len(center)
        if mask is not None:
            x = x[~mask].reshape(batch, -1, x.shape[-1])
            center = center[~mask].reshape(batch, -1, 3)
        pos = self.pos_embed(center)
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(batch, -1, -1), x], dim=1)
            pos = torch.cat([self.cls_pos.expand(batch, -1, -1), pos], dim=1)
        for block in self.blocks:
            x = block(x + pos)
        return self.norm(x)


class MaskedModel(Form):
    """ACT's stage II, or Point-MAE where there is no autoencoder."""

    def __init__(self, ours: nn.Module, points: SimpleNamespace) -> None:
        super().__init__()
        (objective,) = ours.objectives.values()
        self.use(ours.student, points)
        self.ratio = ours.mask.ratio
        self.student = Student(ours.student)
        self.take(objective.neck, 'mask_token pos_embed norm')
        self.decoder = nn.ModuleList(map(Block, objective.neck.blocks))
        self.head, self.autoencoder = conv(objective.head.proj), None
        frozen = getattr(objective.target_generator, 'autoencoder', None)
        if frozen is not None:
            self.autoencoder = StageOne(frozen.module, points).eval()
            self.autoencoder.requires_grad_(False)

    def random_mask(self, center: Tensor) -> Tensor:
        """True = masked; on the host, cloud by cloud."""
        batch, groups = center.shape[:2]
        overall = np.zeros([batch, groups], dtype=bool)
        for row in overall:
            row[: int(self.ratio * groups)] = True
            np.random.shuffle(row)  # noqa: NPY002
        return torch.from_numpy(overall).to(center.device)

    def forward(self, xyz: Tensor, _: list | None = None) -> Tensor:
        groups, center = self.group(xyz)
        mask = self.random_mask(center)
        visible = self.student(groups, center, mask)
        visible = visible[:, int(self.student.cls_token is not None) :]
        batch, _, width = visible.shape
        pos = torch.cat(
            [
                self.pos_embed(center[m]).reshape(batch, -1, width)
                for m in (~mask, mask)
            ],
            dim=1,
        )
        count = pos.shape[1] - visible.shape[1]
        tokens = self.mask_token.expand(batch, count, -1)
        x = torch.cat([visible, tokens], dim=1)
        for block in self.decoder:
            x = block(x + pos)
        x = self.norm(x[:, -count:])
        x = self.head(x.transpose(1, 2)).transpose(1, 2)
        if self.autoencoder is None:
            rebuilt = x.reshape(batch * count, -1, 3)
            return self.points.chamfer(rebuilt, groups[mask], 'l2')
        target = self.autoencoder.target(groups, center)[mask]
        target = target.reshape(batch, count, -1)
        return (1 - F.cosine_similarity(x, target, dim=-1)).mean()


class Classifier(Form):
    """The student and a head on [class token, maximum]."""

    def __init__(self, ours: nn.Module, points: SimpleNamespace) -> None:
        super().__init__()
        self.use(ours.backbone, points)
        self.student = Student(ours.backbone)
        self.take(ours.head, 'layers')

    def forward(self, xyz: Tensor, samples: list) -> Tensor:
        x = self.student(*self.group(xyz))
        feature = torch.cat([x[:, 0], x[:, 1:].max(1)[0]], dim=-1)
        label = torch.cat([sample.gt_label for sample in samples])
        return F.cross_entropy(self.layers(feature), label.to(xyz.device))


def attention(ours: nn.Module) -> nn.MultiheadAttention:
    """PyTorch's attention, which also averages its weights over heads."""
    width = ours.proj.in_features
    layer = nn.MultiheadAttention(width, ours.num_heads, ours.dropout)
    for name, value in layer.named_parameters():
        part = ours.proj if name.startswith('out') else ours.qkv
        kind = 'weight' if name.endswith('weight') else 'bias'
        value.data.copy_(getattr(part, kind))
    return layer


class EncoderLayer(Form):
    """A layer of 3DETR's encoder, on (L, B, C)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.take(layer, 'norm1 norm2 dropout')
        self.take(layer.mlp, 'fc1 fc2')
        self.attn = attention(layer.attn)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + self.dropout(self.attn(normed, normed, normed)[0])
        hidden = self.dropout(F.relu(self.fc1(self.norm2(x))))
        return x + self.dropout(self.fc2(hidden))


class DecoderLayer(Form):
    """A layer of 3DETR's decoder, on (Q, B, C)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.take(layer, 'norm1 norm2 norm3 dropout')
        self.take(layer.mlp, 'fc1 fc2')
        self.self_attn = attention(layer.self_attn)
        self.cross_attn = attention(layer.cross_attn)

    def forward(
        self, x: Tensor, query_pos: Tensor, memory: Tensor, pos: Tensor
    ) -> Tensor:
        normed = self.norm1(x)
        query = normed + query_pos
        x = x + self.dropout(self.self_attn(query, query, normed)[0])
        query = self.norm2(x) + query_pos
        found = self.cross_attn(query, memory + pos, memory)[0]
        x = x + self.dropout(found)
        hidden = self.dropout(F.relu(self.fc1(self.norm3(x))))
        return x + self.dropout(self.fc2(hidden))


# 3DETR's predictions of a box, and the parts of our head that make them.
MLPS = dict(
    cls_logits='cls_mlp',
    center_offset='center_mlp',
    size_logits='size_mlp',
    angle_logits='angle_cls_mlp',
    angle_residual='angle_residual_mlp',
)


class ThreeDETR(Form):
    """3DETR with its own encoder.

    Matching and losses of boxes are the package's: under 3 % of the step, and
    compared with published arrays in tests/test_reference.
    """

    def __init__(self, ours: nn.Module, points: SimpleNamespace) -> None:
        super().__init__()
        encoder, head = ours.backbone, ours.bbox_head
        first, scene = encoder.set_abstraction, head.projection
        self.use(first, points)
        self.radius, self.num_queries = first.radius, head.num_queries
        self.criterion = head.loss_by_feat
        found = layers(first.fcs, first.norms, nn.Conv2d)
        self.pointnet = nn.Sequential(*found)
        self.encoder = nn.ModuleList(map(EncoderLayer, encoder.layers))
        self.decoder = nn.ModuleList(map(DecoderLayer, head.decoder.layers))
        self.projection = nn.Sequential(*layers(scene.fcs, scene.norms))
        self.take(head, 'pos_embed query_embed')
        self.take(head.decoder, 'norm')
        self.heads = nn.ModuleDict()
        for name, source in MLPS.items():
            net = getattr(head, source)
            parts = layers([net.fc1, net.fc2], [net.norm1, net.norm2])
            drop = nn.Dropout(net.dropout.p)
            parts = [*parts[:3], drop, *parts[3:], drop, conv(net.fc3)]
            self.heads[name] = nn.Sequential(*parts)

    def encode(self, scenes: Tensor) -> tuple[Tensor, Tensor]:
        """Centres (B, G, 3) and the scene for the decoder, (G, B, C)."""
        center = gather(scenes, self.points.fps(scenes, self.num_groups))
        idx = self.points.ball(scenes, center, self.radius, self.group_size)
        local = (gather(scenes, idx) - center.unsqueeze(2)) / self.radius
        x = self.pointnet(local.permute(0, 3, 1, 2))  # (B, C, G, K)
        x = F.max_pool2d(x, (1, x.shape[-1])).squeeze(-1).permute(2, 0, 1)
        for layer in self.encoder:
            x = layer(x)
        return center, self.projection(x.permute(1, 2, 0)).permute(2, 0, 1)

    def forward(self, scenes: Tensor, samples: list) -> Tensor:
        span = scenes.amin(1), scenes.amax(1)
        center, memory = self.encode(scenes)
        query = gather(center, self.points.fps(center, self.num_queries))
        query_pos = self.query_embed(self.pos_embed(query, span))
        query_pos = query_pos.transpose(0, 1)
        pos = self.pos_embed(center, span).transpose(0, 1)
        x, outputs = torch.zeros_like(query_pos), []
        for layer in self.decoder:
            x = layer(x, query_pos, memory, pos)
            outputs.append(self.norm(x))
        x = torch.stack(outputs).permute(0, 2, 3, 1)  # (L, B, C, Q)
        found = dict(query_xyz=query, scene_range=span)
        for name, net in self.heads.items():
            value = net(x.flatten(0, 1)).float().transpose(1, 2)
            found[name] = value.unflatten(0, x.shape[:2])
        losses = self.criterion(found, samples)
        return sum(v for name, v in losses.items() if 'loss' in name)


FORMS = dict(
    DiscreteVAE=StageOne,
    Distiller=MaskedModel,
    PointClassifier=Classifier,
    ThreeDETR=ThreeDETR,
)


def published(model: nn.Module, points: SimpleNamespace = PLAIN) -> nn.Module:
    """The published form of one of the package's models, with its weights."""
    return FORMS[type(model).__name__](model, points)
