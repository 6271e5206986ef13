#!/usr/bin/env python
"""Make clouds, labels and renders of Sweet Home 3D's furniture.

    apt-get download sweethome3d-furniture
    python tools/dataset_converters/sweethome3d.py sweethome3d-furniture_*.deb data/furniture

The models (820, CC0 and CC-BY) are modelled by people, with names, real sizes
and materials. SOURCE is the package, or the folder that it installs,
/usr/share/sweethome3d/furniture. Below OUT:

    real_shapes/{train,test}/<class>/<id>.npy    labelled clouds, for probes
    ShapeNet55-34/ShapeNet-55/{train,test}.txt   all clouds, for pretraining
    ShapeNet55-34/shapenet_pc/<id>.npy
    object_renders/{train,test}.txt              all clouds with images
    object_renders/{points/<id>.npy,images/<id>/<view>.png}
    licences/, models.json                       whose each model is

A cloud is (N, 6) float32: metres, y up, then red, green and blue from 0 to 1,
drawn uniformly from the surface. Copies of a model in another colour or size,
turned or mirrored, count as one object, and all of them are in one split. The
same options give the same files.
"""  # noqa: E501

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import sys
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / 'mmdet3d_act').is_dir():
    # The package of this checkout, also where another one is installed.
    sys.path.insert(0, str(ROOT))

CATALOG = 'PluginFurnitureCatalog.properties'
# What the classes are called in the catalogues: the first that fits a name,
# of which what follows "with", a comma or a number is left out.
NAMES = {
    'armchair': r'armchair',
    'chair': r'(?<!wheel)chair',
    'sofa': r'(sofa|couch|sofa bz)',
    'table': r'(?<!pool )(?<!football )(table|desk)',
    'bed': r'(bed|crib)',
    'cabinet': r'(cabinet|cupboard|wardrobe|dresser)',
    'shelf': r'(shelves|bookcase)',
    'door': r'door',
    'window': r'window( small panes)?',
    'lamp': r'(lamp|light)',
    'bottle': r'bottle',
    'plant': r'(plant|yucca|spathiphyllum)',
    'washbasin': r'(washbasin|vanity|lavatory)',
}
# Those that are known by their tags or category.
TAGS = {
    'person': r'\bHuman\b',
    'tree': r'\bTree\b.*\|Exterior',
    'car': r'\bCar\b.*\|Vehicles',
}
# Not of a class, though its tags say so.
OTHERS = r'\b(bus|truck|bush|hedge)$'
# How much distances within two shapes may differ, in radii: as they are and
# stretched to the same extents; the latter, of shapes with as many triangles.
SAME, SAME_STRETCHED = 0.0115, 0.035
# Equal numbers of triangles say nothing below the first, and from the second
# on that two models of a catalogue are one in other poses.
SOME, MANY = 60, 1000
DENSE = 40_000
GREY = (180, 180, 180)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('source', type=Path, help='the package (.deb) or the folder')
    add('out', type=Path, help='folder to write below')
    add('--num-points', type=int, default=4096, help='(default: %(default)s)')
    add('--views', type=int, default=4, help='renders (default: %(default)s)')
    add('--size', type=int, default=224, help='their side (default: 224)')
    add('--test', type=float, default=0.3, help='share (default: 0.3)')
    add('--least', type=int, default=8, help='of a class (default: 8)')
    add('--seed', type=int, default=0, help='of the split (default: 0)')
    return parser.parse_args(argv)


def open_archives(source: Path) -> dict[str, zipfile.ZipFile]:
    """Open the catalogues of a folder or a package, by name.

    Raises:
        UsageError: If there are none.
    """
    from mmdet3d_act.engine.failures import UsageError

    found: dict[str, zipfile.ZipFile] = {}
    if source.suffix == '.deb' and source.is_file():
        with tarfile.open(fileobj=_data_of(source)) as package:
            for member in package:
                content = package.extractfile(member)
                if content and member.name.endswith('.sh3f'):
                    data = io.BytesIO(content.read())
                    found[Path(member.name).stem] = zipfile.ZipFile(data)
    elif source.is_dir():
        paths = sorted(source.rglob('*.sh3f'))
        found = {path.stem: zipfile.ZipFile(path) for path in paths}
    if not found:
        raise UsageError(
            f'{source} holds no catalogue (*.sh3f); give the package of '
            '`apt-get download sweethome3d-furniture`, or the folder that it '
            'installs, /usr/share/sweethome3d/furniture'
        )
    return dict(sorted(found.items()))


def _data_of(package: Path) -> io.BytesIO:
    """Find the files of a Debian package: an ar archive with a tar in it."""
    with package.open('rb') as file:
        file.seek(8)
        while head := file.read(60):
            size = int(head[48:58])
            content = file.read(size + size % 2)
            if head.startswith(b'data.tar'):
                name = head[:16].decode('latin-1').strip(' /')
                if not name.endswith(('.tar', '.xz', '.gz', '.bz2')):
                    raise ValueError(
                        f'{name} of {package} cannot be read here; run '
                        f'`dpkg-deb -x {package} DIR`, then give DIR'
                    )
                return io.BytesIO(content[:size])
    raise ValueError(f'{package} is no Debian package')


def read_catalog(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    """List the models of a catalogue with what it says of them."""
    text = archive.read(CATALOG).decode('latin-1')
    common = dict(re.findall(r'^(license)=(.*?)\s*$', text, re.MULTILINE))
    models: dict[int, dict[str, str]] = {}
    for key, number, value in re.findall(
        r'^(\w+)#(\d+)\s*=[ \t]*(.*?)\s*$', text, re.MULTILINE
    ):
        value = value.encode('latin-1').decode('unicode_escape')
        models.setdefault(int(number), {**common})[key] = value
    return [models[number] for number in sorted(models)]


def find_class(model: dict[str, str]) -> str | None:
    """Name the class of a model; None where it has none of them."""
    name = re.split(r'\d| with |,', model['name'].lower())[0].strip()
    for label, pattern in NAMES.items():
        if re.search(rf'(^|\s|-){pattern}$', name):
            return label
    tags = f'{model["tags"]}|{model["category"]}'
    if re.search(OTHERS, name):
        return None
    return next((k for k, v in TAGS.items() if re.search(v, tags)), None)


def sample_model(
    archive: zipfile.ZipFile, model: dict[str, str], number: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Draw points uniformly from the surface of a model, upright and sized.

    Returns:
        Points in metres, unit normals and colours in [0, 1], each (M, 3), in
        random order, and how many triangles the model has.

    Raises:
        ValueError: If the library loses faces.
    """
    import trimesh
    from trimesh.sample import sample_surface

    path = Path(model['model'].lstrip('/'))
    text = archive.read(str(path))
    beside = {
        name: io.BytesIO(archive.read(name))
        for name in archive.namelist()
        if name.startswith(f'{path.parent}/') and name[-1] != '/'
    }
    scene = trimesh.load_scene(
        io.BytesIO(text),
        file_type='obj',
        resolver=trimesh.resolvers.ZipResolver(beside, str(path.parent)),
        process=False,
    )
    meshes = [g for g in scene.geometry.values() if hasattr(g, 'faces')]
    triangles = sum(len(mesh.faces) for mesh in meshes)
    corners = re.findall(rb'^f[ \t](.*)', text.replace(b'\\\n', b' '), re.M)
    declared = sum(max(len(face.split()) - 2, 0) for face in corners)
    if triangles != declared:
        raise ValueError(
            f'{path} declares {declared} triangles, {triangles} could be read'
        )
    place_meshes(meshes, model)
    rng = np.random.default_rng(seed)
    areas = np.array([mesh.area for mesh in meshes])
    counts = rng.multinomial(number, areas / areas.sum())
    parts = []
    for mesh, count in zip(meshes, counts, strict=True):
        if not count:
            continue
        material = getattr(mesh.visual, 'material', None)
        uv = getattr(mesh.visual, 'uv', None)
        textured = uv is not None and material.image is not None
        points, faces, *colors = sample_surface(
            mesh, count, sample_color=textured, seed=rng
        )
        plain = GREY if material is None else material.main_color
        colors = colors or [[plain] * count]
        color = np.reshape(colors[0], (count, -1))[:, :3] / 255
        parts.append(np.hstack([points, mesh.face_normals[faces], color]))
    mixed = rng.permutation(np.concatenate(parts))
    return mixed[:, :3], mixed[:, 3:6], mixed[:, 6:], triangles


def place_meshes(meshes: Sequence, model: dict[str, str]) -> None:
    """Turn meshes upright and give them their size: metres, y up."""
    turn = [float(v) for v in model.get('modelRotation', '').split()]
    rotation = np.array(turn or np.eye(3)).reshape(3, 3)
    for mesh in meshes:
        mesh.vertices = mesh.vertices @ rotation.T
    low = np.min([mesh.bounds[0] for mesh in meshes], axis=0)
    high = np.max([mesh.bounds[1] for mesh in meshes], axis=0)
    size = [float(model[key]) / 100 for key in ('width', 'height', 'depth')]
    # A flat model stays flat.
    scale = np.where(high > low, size / np.maximum(high - low, 1e-9), 1)
    for mesh in meshes:
        mesh.vertices = (mesh.vertices - (low + high) / 2) * scale


def draw_views(
    points: np.ndarray,
    normals: np.ndarray,
    colors: np.ndarray,
    views: int,
    size: int,
) -> Iterator[np.ndarray]:
    """Draw a dense cloud from all sides: (size, size, 3) uint8 each.

    Args:
        points: (M, 3), y up.
        normals: (M, 3).
        colors: (M, 3) in [0, 1].
        views: Number of views, evenly around the model.
        size: Side of a picture.
    """
    from mmdet3d_act.visualization.rasterizer import Frame, draw_points

    upright, upward = points[:, [2, 0, 1]], normals[:, [2, 0, 1]]
    low, high = upright.min(axis=0), upright.max(axis=0)
    radius = np.linalg.norm(upright - (low + high) / 2, axis=1).max()
    for view in range(views):
        azimuth = np.deg2rad(35 + 360 * view / views)
        frame = Frame((low + high) / 2, max(radius, 1e-9), azimuth)
        eye = np.array([np.cos(azimuth), np.sin(azimuth), 0.4])
        lit = 0.45 + 0.4 * np.abs(upward @ (eye / np.linalg.norm(eye)))
        lit += 0.25 * np.abs(upward[:, 2])
        shaded = (colors * lit[:, None]).clip(0, 1)
        yield draw_points(upright, shaded, size, frame=frame, ball=0.006)


def describe(points: np.ndarray) -> np.ndarray:
    """Describe shapes by distances that no turning and mirroring changes.

    Returns:
        (2, 128) quantiles of the distances to the middle and of pairs, in
        radii, of the shape itself and of one stretched to equal extents.
    """
    first, second = np.random.default_rng(0).integers(
        len(points), size=(2, 60_000)
    )
    shares = np.linspace(0.01, 0.99, 64)
    centered = points - points.mean(axis=0)
    extents, axes = np.linalg.eigh(np.cov(centered.T))
    stretched = centered @ axes / np.sqrt(extents + 1e-9 * extents.max())
    rows = []
    for shape in (centered, stretched):
        radii = np.linalg.norm(shape, axis=1)
        pairs = np.linalg.norm(shape[first] - shape[second], axis=1)
        size = np.sqrt((radii**2).mean())
        both = [np.quantile(values, shares) for values in (radii, pairs)]
        rows.append(np.concatenate(both) / size)
    return np.stack(rows)


def find_objects(
    shapes: np.ndarray, triangles: np.ndarray, catalogs: np.ndarray
) -> np.ndarray:
    """Number the objects, of which several models may be copies: (S,).

    Args:
        shapes: (S, 2, 128), see :func:`describe`.
        triangles: (S,) how many a model has.
        catalogs: (S,) names.
    """
    from scipy.sparse.csgraph import connected_components

    gaps = np.stack([np.abs(shapes - one).mean(axis=2) for one in shapes])
    alike = gaps.mean(axis=2) < SAME
    equal = (triangles[:, None] == triangles) & (triangles >= SOME)
    posed = equal & (catalogs[:, None] == catalogs) & (triangles >= MANY)
    alike |= posed | (equal & (gaps[..., 1] < SAME_STRETCHED))
    return connected_components(alike, directed=False)[1]


def split_objects(
    labels: Sequence[str | None], objects: np.ndarray, share: float, seed: int
) -> np.ndarray:
    """Choose the models for tests, (S,) bool: a share of each class.

    Objects stay whole; what has no class is for training, but for copies of
    what is chosen.
    """
    rng = np.random.default_rng(seed)
    known = np.array([label or '' for label in labels])
    counts = Counter(label for label in labels if label)
    test, seen = np.zeros((2, len(known)), bool)
    for label in sorted(counts, key=lambda one: (counts[one], one)):
        members = known == label
        for number in rng.permutation(np.unique(objects[members])):
            group = objects == number
            chosen = ((test | group) & members).sum()
            if not seen[group].any() and chosen <= share * members.sum():
                test |= group
            seen |= group
    return test


def convert(args: argparse.Namespace) -> list[dict]:
    """Write clouds and renders of all models; return what is known of them."""
    from PIL import Image

    from mmdet3d_act.progress import ProgressDisplay

    archives = open_archives(args.source)
    licences = args.out / 'licences'
    if args.out.is_dir() and any(args.out.iterdir()) and not licences.is_dir():
        raise ValueError(f'{args.out} holds something else; choose a new one')
    write_licences(licences, archives)
    listed = [
        (catalog, archive, model)
        for catalog, archive in archives.items()
        for model in read_catalog(archive)
    ]
    entries, shapes = [], []
    renders = args.out / 'object_renders'
    for part in ('points', 'images'):
        (renders / part).mkdir(parents=True, exist_ok=True)
    with ProgressDisplay('models') as progress:
        for at, (catalog, archive, model) in enumerate(listed):
            progress(at, len(listed))
            stem = re.sub(r'\W+', '_', Path(model['model']).stem)
            name = f'{catalog}_{stem}'
            *dense, triangles = sample_model(archive, model, DENSE, at)
            cloud = np.concatenate([dense[0], dense[2]], axis=1)
            cloud = cloud[: args.num_points].astype(np.float32)
            np.save(renders / 'points' / f'{name}.npy', cloud)
            folder = renders / 'images' / name
            # Renders are kept where they are whole and of these options.
            stamp = json.dumps({'size': args.size, 'views': args.views})
            kept = folder / 'options.json'
            if not kept.is_file() or kept.read_text() != stamp:
                unfinished = renders / 'unfinished'
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                views = draw_views(*dense, args.views, args.size)
                for view, image in enumerate(views):
                    Image.fromarray(image).save(unfinished / f'{view}.png')
                (unfinished / kept.name).write_text(stamp)
                shutil.rmtree(folder, ignore_errors=True)
                unfinished.rename(folder)
            shapes.append(describe(dense[0]))
            entries.append(
                {
                    'id': name,
                    'name': model['name'],
                    'class': find_class(model),
                    'creator': model['creator'],
                    'licence': model.get('license', ''),
                    'catalog': catalog,
                    'triangles': triangles,
                }
            )
    counts = Counter(entry['class'] for entry in entries)
    for entry in entries:
        if counts[entry['class']] < args.least:
            entry['class'] = None
    objects = find_objects(
        np.stack(shapes),
        np.array([entry['triangles'] for entry in entries]),
        np.array([entry['catalog'] for entry in entries]),
    )
    labels = [entry['class'] for entry in entries]
    test = split_objects(labels, objects, args.test, args.seed)
    for entry, number, held_out in zip(entries, objects, test, strict=True):
        entry['object'] = int(number)
        entry['split'] = 'test' if held_out else 'train'
    return entries


def write_licences(folder: Path, archives: dict[str, zipfile.ZipFile]) -> None:
    """Copy every text of a licence."""
    for catalog, archive in archives.items():
        for name in archive.namelist():
            if re.search(r'licen[sc]e[^/]*\.(txt|html)$', name, re.IGNORECASE):
                # Flat: a name in an archive may lead out of the folder.
                path = folder / catalog / re.sub(r'[^\w.-]+', '_', name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))


def write_layouts(out: Path, entries: list[dict]) -> None:
    """Write the lists, and the clouds where other data sets want them."""
    for folder in (out / 'real_shapes', out / 'ShapeNet55-34'):
        shutil.rmtree(folder, ignore_errors=True)
    lists = out / 'ShapeNet55-34' / 'ShapeNet-55'
    lists.mkdir(parents=True)
    for split in ('train', 'test'):
        names = [one['id'] for one in entries if one['split'] == split]
        text = ''.join(f'{name}\n' for name in names)
        (out / 'object_renders' / f'{split}.txt').write_text(text)
        text = ''.join(f'{name}.npy\n' for name in names)
        (lists / f'{split}.txt').write_text(text)
    for entry in entries:
        file = f'{entry["id"]}.npy'
        copies = [out / 'ShapeNet55-34' / 'shapenet_pc' / file]
        if entry['class']:
            folder = out / 'real_shapes' / entry['split'] / entry['class']
            copies.append(folder / file)
        for copy in copies:
            copy.parent.mkdir(parents=True, exist_ok=True)
            cloud = out / 'object_renders' / 'points' / file
            try:
                os.link(cloud, copy)
            except OSError:  # Not every file system has hard links.
                shutil.copyfile(cloud, copy)
    text = json.dumps(entries, indent=1, ensure_ascii=False)
    (out / 'models.json').write_text(text, encoding='utf-8')


def summarize(entries: list[dict]) -> str:
    """Count what was written, and what was not as the files have it."""
    objects = {entry['object'] for entry in entries}
    lines = [
        f'{len(entries)} models of {len(objects)} objects, '
        f'{sum(entry["triangles"] for entry in entries)} triangles',
    ]
    classes: dict[str, list[dict]] = defaultdict(list)
    for entry in entries:
        classes[entry['class'] or '(none)'].append(entry)
    for label, members in sorted(classes.items()):
        splits = Counter(entry['split'] for entry in members)
        found = len({entry['object'] for entry in members})
        lines.append(
            f'  {label:10} {splits["train"]:4} train {splits["test"]:4} test, '
            f'{found} objects'
        )
    return '\n'.join(lines)


def run(args: argparse.Namespace) -> None:
    """Convert the package.

    Raises:
        UsageError: If the source cannot be read.
    """
    from mmdet3d_act.engine.failures import UsageError

    try:
        entries = convert(args)
        write_layouts(args.out, entries)
    except (
        *(OSError, ValueError, KeyError),
        *(tarfile.TarError, zipfile.BadZipFile),
    ) as error:
        raise UsageError(f'{type(error).__name__}: {error}') from error
    print(summarize(entries))


def main(argv: list[str] | None = None) -> int:
    """Return the exit code."""
    args = parse_args(argv)
    from mmdet3d_act_cli import run_tool

    return run_tool(
        lambda: run(args), kept='renders are kept; the same command goes on'
    )


if __name__ == '__main__':
    sys.exit(main())
