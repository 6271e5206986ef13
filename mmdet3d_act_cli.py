"""The command ``mmdet3d-act``, for people with scans.

Each subcommand is a thin face of a function of ``mmdet3d_act.apis``. What it
needs is imported once the arguments are understood.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib.util
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from mmdet3d_act.apis import Embedder

STUDENT = 'act-mini'
# What files of clouds end in.
SUFFIXES = (
    *('.npy', '.npz', '.txt', '.xyz', '.pts', '.csv', '.ply', '.pcd'),
    *('.las', '.laz', '.e57', '.obj', '.off', '.stl', '.glb', '.gltf'),
    '.bin',
)
NETWORKS = ('.onnx', '.pt2')
HUB_ID = re.compile(r'(?!work_dirs/)\w[\w.-]*/[\w.-]+(?<!\.pth)')
# What a folder with weights has, of a student or of a training.
WEIGHTS = (
    'model.safetensors',
    'last_checkpoint',
    'student/model.safetensors',
)
INPUTS = (
    'files or folders: .ply .las .laz .e57 .npy .txt .obj ... (docs/data.md)'
)


class HintingParser(argparse.ArgumentParser):
    """A parser that says what a mistyped word may have been meant to be.

    Options may stand between positional arguments.
    """

    _intermixed = False

    def parse_known_args(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments; of a subcommand, too, all must be known.

        Args:
            args: Of the command line by default.
            namespace: See argparse.
        """
        if self._intermixed or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._intermixed = True  # It parses twice, by this method.
        found, unknown = self.parse_known_intermixed_args(args, namespace)
        self._intermixed = False
        if unknown:
            self.error(f'unrecognized arguments: {" ".join(unknown)}')
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Exit with a message, and a hint where a word is nearly right.

        Args:
            message: Of argparse.
        """
        told, _, choices = message.partition('(choose from')
        words, known = told.split()[-1:], re.findall(r'[\w-]+', choices)
        if told.startswith('unrecognized'):
            words = [one.partition('=')[0] for one in told.split()]
            known = re.findall(r'--[\w-]+', self.format_help())
        super().error(message + hint_of([w.strip("'") for w in words], known))


def hint_of(words: Sequence[str], known: Iterable[str]) -> str:
    """Ask whether the first word that is nearly a known one was meant so.

    Args:
        words: As they were typed.
        known: What could have been meant.

    Returns:
        The question, or nothing where no word is like a known one.
    """
    known = list(known)
    for word in words:
        if near := get_close_matches(word, known, n=1):
            return f'; did you mean {near[0]}?'
    return ''


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    Args:
        argv: The words after the command's name.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    if fault := find_fault(args):
        sys.stderr.write(f'{fault}\n')
        return 2
    try:
        code = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def find_fault(args: argparse.Namespace) -> str | None:
    """Find a path or a name that is not there, before imports of seconds.

    Args:
        args: Of the command line.

    Returns:
        What is wrong; None where nothing is seen at first sight.
    """
    given = {key: value for key, value in vars(args).items() if value}
    wanted = [given[key] for key in ('query', 'work_dir') if key in given]
    folders = [given[key] for key in ('clouds', 'folder') if key in given]
    # A file that is missing beside others is reported when these are done.
    inputs = [Path(one).expanduser() for one in given.get('inputs', ())]
    if not any(path.exists() for path in inputs):
        wanted += inputs
    for path in (*wanted, *folders):
        if not Path(path).expanduser().exists():
            return f'{path} does not exist'
    places = [Path(folder).expanduser() for folder in folders] or inputs
    if places and all(map(Path.is_dir, places)):
        others = list_others(places)
        if others is not None:
            told = ', '.join(map(str, places))
            return f'{told}: no {" ".join(SUFFIXES)} there, {others}'
    if 'file' in given and not args.file.endswith(NETWORKS):
        return f'{args.file}: expected a name in {" or ".join(NETWORKS)}'
    for key in ('student', 'checkpoint', 'source', 'name'):
        if fault := find_weights_fault(given.get(key, STUDENT)):
            return fault
    return None


def list_others(folders: Iterable[Path]) -> str | None:
    """Count what folders have, by suffix; None where there is a cloud."""
    found: Counter[str] = Counter()
    for folder in folders:
        for _, _, names in os.walk(folder, followlinks=True):
            if any(name.lower().endswith(SUFFIXES) for name in names):
                return None
            found.update(Path(name).suffix or name for name in names)
    told = [f'{number} {suffix}' for suffix, number in found.most_common(5)]
    return ', '.join(told) or 'nothing at all'


def find_weights_fault(name: str) -> str | None:
    """Say that a name means no weights; None of those on a hub.

    Args:
        name: A file, a work directory, a student, or the id of one.
    """
    path, package = Path(name).expanduser(), find_package()
    known = [
        file.parent.name for file in package.glob('students/*/config.json')
    ]
    on_hub = HUB_ID.fullmatch(name) and not path.parent.is_dir()
    if on_hub or '://' in name or name in known or path.is_file():
        return None
    if any((path / weights).is_file() for weights in WEIGHTS):
        return None
    return (
        f'no checkpoint at {name}, nor the folder of a training or a student; '
        f'known students: {", ".join(known)}' + hint_of([name], known)
    )


def find_package() -> Path:
    """Find the folder of the package without importing it."""
    return Path(importlib.util.find_spec('mmdet3d_act').origin).parent


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command and its subcommands."""
    parser = HintingParser(
        'mmdet3d-act',
        description='Pretrained point Transformers on your own scans.',
        epilog='mmdet3d-act COMMAND --help has an example of each. '
        'Exit code 2: something is missing or a file is bad; the message '
        'says what.',
    )
    commands = parser.add_subparsers(metavar='COMMAND', required=True)

    def add(
        name: str, run: Callable, text: str, example: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=text,
            description=f'{text[0].upper()}{text[1:]}.',
            epilog=f'example:\n  mmdet3d-act {example}',
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    add('doctor', run_doctor, 'check what is installed and there', 'doctor')
    _add_trainings(add)
    report = add(
        'report',
        run_report,
        'write a web page about a run: curves, clouds, neighbours',
        'report work_dirs/demo',
    )
    report.add_argument('work_dir', metavar='WORK_DIR', help='of the run')
    report.add_argument('--out', help='the page (WORK_DIR/report.html)')
    _add_lists(add)
    _add_features(add)
    _add_predict(add)
    _add_export(add)
    return parser


def _add_trainings(add: Callable) -> None:
    demo = add(
        'demo',
        run_demo,
        'pretrain on procedural shapes, offline, 5 to 10 minutes',
        'demo --out work_dirs/demo',
    )
    pretrain = add(
        'pretrain',
        run_pretrain,
        'pretrain a student on a folder of clouds, without labels',
        'pretrain my_clouds --out work_dirs/mine',
    )
    pretrain.add_argument('clouds', metavar='FOLDER', help='of the clouds')
    _add_axis(pretrain)
    text = 'what the student sees beside coordinates, where files have it'
    kinds = ('color', 'intensity', 'normals')
    pretrain.add_argument('--features', nargs='+', choices=kinds, help=text)
    for command in (demo, pretrain):
        option = command.add_argument
        out = 'work_dirs/demo' if command is demo else 'work_dirs/mine'
        option('--out', default=out, help=f'folder for everything ({out})')
        option('--seed', type=int, default=0, help='of everything (0)')
        option('--threads', type=int, help='default: all cores')
    length = pretrain.add_mutually_exclusive_group()
    text = 'about how long both stages take, by a few steps at the start'
    length.add_argument('--minutes', type=at_least(1), help=text)
    stages = ('STAGE1', 'STAGE2')
    text = 'epochs of the two stages, at least 3'
    for command in (demo, length):
        command.add_argument(
            '--epochs', nargs=2, type=at_least(3), metavar=stages, help=text
        )


def _add_lists(add: Callable) -> None:
    students = add(
        'students',
        run_students,
        'list the pretrained students, or show the card of one',
        f'students {STUDENT}',
    )
    students.add_argument('name', nargs='?', help='whose card is shown')
    teachers = add(
        'teachers',
        run_teachers,
        'list the teachers: which can be used, which weights are here',
        "teachers --search 'vit_*'",
    )
    option = teachers.add_argument
    text = 'only those whose weights are on this machine'
    option('--available', action='store_true', help=text)
    text = (
        'check models of timm and open_clip whose names match (* and ? as in '
        'a shell): each runs as a teacher, or is refused and why'
    )
    option('--search', metavar='PATTERN', help=text)
    text = 'with --search: all that match; alone: every model, minutes'
    option('--all', action='store_true', help=text)


def _add_features(add: Callable) -> None:
    embed = add(
        'embed',
        run_embed,
        'compute features of clouds, of their patches and points',
        f'embed my_clouds --student {STUDENT} --out features --colors',
    )
    option = embed.add_argument
    option('inputs', nargs='+', metavar='INPUT', help=INPUTS)
    option('--out', required=True, help='folder for the features')
    text = 'features of points, too (.npy)'
    option('--points', action='store_true', help=text)
    text = 'clouds in the colours of their features, too (.ply, .laz)'
    option('--colors', action='store_true', help=text)
    find = add(
        'search',
        run_search,
        'find the shapes of a folder that are most like one, or like a text',
        'search chair.ply my_clouds --top 8\n'
        '  mmdet3d-act search my_clouds --text "a swivel chair" '
        '--student my_student',
    )
    option = find.add_argument
    option('query', nargs='?', help='a file; left out with --text')
    option('folder', help='where to search')
    text = 'look for this; needs a student of concept distillation'
    option('--text', help=text)
    _add_texts(find)
    option('--top', type=at_least(1), default=8, help='how many (8)')
    option('--out', help='picture (search_NAME.png)')
    text = 'up axis of the query (default: as the folder)'
    option('--query-axis', choices=('x', 'y', 'z'), help=text)
    option('--index', help='where features are kept (work_dirs/index/...)')
    for command in (embed, find):
        option = command.add_argument
        text = 'name, folder, checkpoint or hub id (%(default)s)'
        option('--student', default=STUDENT, help=text)
        text = (
            'cut clouds into tiles of this side; 0 never (default: large '
            'clouds, into tiles of about 20 000 points and a margin)'
        )
        option('--tile', type=_within(0), metavar='SIDE', help=text)
        option('--device', help='cpu, cuda, cuda:1')
        _add_axis(command)
        _add_scale(command)


def _add_predict(add: Callable) -> None:
    predict = add(
        'predict',
        run_predict,
        'class, parts, semantics or boxes of scans, by what the checkpoint is',
        'predict work_dirs/my_classifier scan.ply --top 3\n'
        '  mmdet3d-act predict my_student scan.ply --classes chair table lamp',
    )
    option = predict.add_argument
    option('checkpoint', help='a file or a work directory')
    option('inputs', nargs='+', metavar='INPUT', help=INPUTS)
    text = (
        'name clouds by these, without training; for a student of concept '
        'distillation'
    )
    option('--classes', nargs='+', metavar='NAME', help=text)
    text = 'what a class is called in: "a photo of a {}." (five of such)'
    option('--prompts', nargs='+', metavar='TEXT', help=text)
    _add_texts(predict)
    option('--config', help='default: the one beside the checkpoint')
    option('--cfg-options', nargs='+', metavar='KEY=VALUE')
    option('--out', help='folder for everything (found_NAME beside it)')
    option('--top', type=at_least(1), default=5, help='classes of a cloud (5)')
    option(
        '--score', type=_within(0, 1), default=0.3, help='least of a box (0.3)'
    )
    option('--category', help='of the objects, for a model of parts')
    text = 'numbers per point in .bin files (6, as ScanNet)'
    option('--columns', type=at_least(3), default=6, help=text)
    text = (
        'leave scenes where they are; by default the model sees them with '
        'the middle of the floor at the origin'
    )
    option('--as-is', action='store_true', help=text)
    option('--html', action='store_true', help='web pages of scenes, too')
    option('--device', default='cpu', help='cpu, cuda, cuda:1')
    _add_axis(predict)
    _add_scale(predict)


def _add_export(add: Callable) -> None:
    command = add(
        'export',
        run_export,
        'write a trained network as .onnx or .pt2, for other programs',
        f'export {STUDENT} student.onnx',
    )
    option = command.add_argument
    text = 'a student, or a checkpoint or work directory'
    option('source', metavar='NAME_OR_CHECKPOINT', help=text)
    option('file', help='where to; the suffix is the format')
    option('--config', help='default: the one beside the checkpoint')
    option('--cfg-options', nargs='+', metavar='KEY=VALUE')
    text = "of a cloud (default: as in the model's test data)"
    option('--points', type=at_least(1), help=text)


def _add_texts(command: argparse.ArgumentParser) -> None:
    text = "more of the teacher's vectors of texts: .safetensors, .npz"
    command.add_argument('--texts', metavar='FILE', help=text)


def _add_axis(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        '--up-axis',
        choices=('x', 'y', 'z'),
        help='of the scans (default: known of the format, else guessed)',
    )


def _add_scale(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        '--scale',
        type=_within(1e-9),
        default=1.0,
        help='from the unit of the scans to metres: 0.001 for millimetres',
    )


def at_least(least: int) -> Callable[[str], int]:
    """Return the type of an option that is a whole number from a bound on.

    Args:
        least: The least number.
    """

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f'>= {least}, got {text}')
        return int(text)

    return number


def _within(least: float, most: float = 1e9) -> Callable[[str], float]:
    def number(text: str) -> float:
        if not least <= float(text) <= most:
            told = f'from {least:g} to {most:g}, got {text}'
            raise argparse.ArgumentTypeError(told)
        return float(text)

    return number


def load_tool(name: str) -> ModuleType:
    """Import a script of ``tools/``, in a checkout or a wheel.

    Args:
        name: Of the script, without suffix.
    """
    package = find_package()
    folders = (package / '.mim' / 'tools', package.parent / 'tools')
    folder = next(filter(Path.is_dir, folders))
    spec = importlib.util.spec_from_file_location(name, folder / f'{name}.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def run_doctor(args: argparse.Namespace) -> int:
    """Check the installation."""
    return load_tool('doctor').main()


def run_demo(args: argparse.Namespace) -> int:
    """Run the demo on procedural shapes."""
    args.clouds = None
    return load_tool('demo').main(args)


def run_pretrain(args: argparse.Namespace) -> int:
    """Run the demo's trainings on a folder of clouds."""
    return load_tool('demo').main(args)


def run_report(args: argparse.Namespace) -> int:
    """Write a page about a run."""

    def run() -> None:
        from mmdet3d_act.apis import write_report

        print(f'Written: {write_report(args.work_dir, args.out)}')

    return _run(run)


def run_students(args: argparse.Namespace) -> int:
    """List the students, or print the card of one."""
    from mmdet3d_act.students import list_students

    if args.name is not None:
        return _run(lambda: _show_card(args.name))
    for one in list_students():
        print(
            f'{one["name"]:<12}{one["megabytes"]:5.1f} MB  '
            f'{one["backbone"]["num_layers"]} blocks of width '
            f'{one["backbone"]["embed_dims"]}, {one["num_points"]} '
            f'points, {one["up_axis"]} up'
        )
    print('mmdet3d-act students NAME shows data, licence and results.')
    return 0


def _show_card(name: str) -> None:
    from mmdet3d_act.checkpoint import resolve_checkpoint

    path = Path(resolve_checkpoint(name))
    print(path.with_name('README.md').read_text())


def run_teachers(args: argparse.Namespace) -> int:
    """List the teachers; exit code 1: none was found."""
    from mmdet3d_act.apis.teacher_list import search, show_catalogue

    if args.search or args.all:
        found = search(
            args.search or '*',
            everything=args.all,
            only_available=args.available,
        )
    else:
        found = show_catalogue(only_available=args.available)
    return 0 if found else 1


def _check_device(device: str | None) -> None:
    import torch

    from mmdet3d_act.engine.failures import UsageError

    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f'--device {device}: {reason}; or leave out --device'
        ) from error


def _embedder(args: argparse.Namespace) -> Embedder:
    from mmdet3d_act.apis import Embedder

    _check_device(args.device)
    return Embedder(
        args.student,
        args.device,
        up_axis=args.up_axis or 'auto',
        scale=args.scale,
        tile=args.tile,
    )


def run_embed(args: argparse.Namespace) -> int:
    """Write features of files."""

    def run() -> None:
        from mmdet3d_act.apis import embed_files
        from mmdet3d_act.apis.feature_files import find_rank
        from mmdet3d_act.apis.scan_files import list_files
        from mmdet3d_act.engine.failures import UsageError
        from mmdet3d_act.progress import ProgressDisplay

        rank, size = find_rank()
        if size > 1:
            print(f'part {rank + 1} of {size} of the files')
        files = [file for one in args.inputs for file in list_files(one)]
        what = 'clouds' if len(files) > 1 else 'parts'
        with ProgressDisplay(what) as report:
            faults = embed_files(
                _embedder(args),
                args.inputs,
                args.out,
                points=args.points,
                colors=args.colors,
                report=report,
            )
        print(f'Written: {args.out}')
        if faults:
            raise UsageError('\n'.join(['left out:', *faults]))

    return _run(run, 'files that are done are kept; the same command goes on')


def run_search(args: argparse.Namespace) -> int:
    """Print the nearest shapes, and draw them."""

    def run() -> None:
        from mmdet3d_act import apis
        from mmdet3d_act.engine.failures import UsageError
        from mmdet3d_act.progress import ProgressDisplay

        if (args.query is None) == (args.text is None):
            raise UsageError(
                'give a file and a folder, or a folder and --text'
            )
        folder = Path(args.folder).resolve()
        code = sha256(str(folder).encode()).hexdigest()[:8]
        # What a student predicts is no part of the other index.
        code += '_text' if args.text else ''
        index = args.index or f'work_dirs/index/{folder.name}_{code}'
        if args.text:
            args.student = apis.load_concepts(args.student, args.texts)
        embedder = _embedder(args)
        with ProgressDisplay('clouds') as report:
            found, faults = apis.search(
                embedder,
                args.query,
                args.folder,
                index,
                text=args.text,
                top=args.top,
                query_axis=args.query_axis,
                report=report,
            )
        print('similarity  shape')
        for one in found:
            print(f'{one.similarity:10.3f}  {one.path}')
        name = '_'.join(args.text.split()) if args.text else args.query
        picture = args.out or f'search_{Path(name).stem}.png'
        shown = (embedder, args.query, found, picture, args.query_axis)
        apis.draw_neighbors(*shown)
        print(f'Written: {picture}; the index is {index}')
        if faults:
            raise UsageError('\n'.join(['left out:', *faults]))

    return _run(run, 'the index is kept; the same command goes on')


def run_predict(args: argparse.Namespace) -> int:
    """Write and print what a model says of scans."""

    def run() -> None:
        from mmdet3d_act.apis import load_predictor, open_scans, predict_scans
        from mmdet3d_act.apis.prediction import summarize_result
        from mmdet3d_act.apis.scan_files import name_outputs
        from mmdet3d_act.checkpoint import resolve_checkpoint
        from mmdet3d_act.engine.failures import UsageError

        if args.classes and (args.config or args.cfg_options):
            raise UsageError('--config and --cfg-options go without --classes')
        if (args.prompts or args.texts) and not args.classes:
            raise UsageError('--prompts and --texts need --classes')
        if args.classes:
            _name_clouds(args)
            return
        _check_device(args.device)
        loaded = load_predictor(
            args.checkpoint,
            args.config,
            options=_options(args.cfg_options),
            device=args.device,
        )
        names = name_outputs(args.inputs)
        scans = open_scans(
            loaded.cfg,
            list(names),
            loaded.config,
            metainfo=loaded.metainfo,
            place=False if args.as_is else None,
            num_columns=args.columns,
            up_axis=args.up_axis,
            scale=args.scale,
        )
        path = Path(resolve_checkpoint(args.checkpoint))
        folder = args.out or path.with_name(f'found_{path.stem}')
        for result, paths in predict_scans(
            loaded.model,
            scans,
            folder,
            names=names,
            min_score=args.score,
            top=args.top,
            category=args.category,
            html=args.html,
            warn=lambda doubt: print(f'warning: {doubt}', file=sys.stderr),
        ):
            print(summarize_result(result))
            print(f'Written: {", ".join(map(str, paths))}')

    return _run(run)


def _name_clouds(args: argparse.Namespace) -> None:
    from mmdet3d_act.apis import load_concepts, name_clouds
    from mmdet3d_act.checkpoint import resolve_checkpoint

    args.tile = None
    args.student = load_concepts(args.checkpoint, args.texts)
    path = Path(resolve_checkpoint(args.checkpoint))
    folder = args.out or path.with_name(f'found_{path.stem}')
    for file, told in name_clouds(
        _embedder(args),
        args.inputs,
        args.classes,
        folder,
        prompts=args.prompts,
        top=args.top,
    ):
        listed = ', '.join(f'{name} {cosine:.3f}' for name, cosine in told)
        print(f'{file}: {listed}')
    print(f'Written: {folder}; the numbers are cosines, no probabilities')


def run_export(args: argparse.Namespace) -> int:
    """Write a network, and print its inputs and outputs."""

    def run() -> None:
        from mmdet3d_act.apis import export

        shapes = export(
            args.source,
            args.file,
            config=args.config,
            options=_options(args.cfg_options),
            num_points=args.points,
        )
        print(f'Written: {args.file}; B clouds at once:')
        for name, shape in shapes.items():
            print(f'  {name:<16}({", ".join(map(str, shape))})')

    return _run(run)


def _options(pairs: Sequence[str] | None) -> dict | None:
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    words = ['--cfg-options', *pairs] if pairs else []
    return parser.parse_args(words).cfg_options


def _run(run: Callable[[], None], kept: str | None = None) -> int:
    return run_tool(run, **({'kept': kept} if kept else {}))


def run_tool(run: Callable[[], None], *args: Any, **kwargs: Any) -> int:
    """Import :func:`mmdet3d_act.engine.failures.run_tool`, and call it.

    Args:
        run: What is run.
        *args: See there.
        **kwargs: See there.
    """
    if 'mmdet3d_act' not in sys.modules:
        atexit.register(gc.freeze)
    import_for_good('mmdet3d_act.engine.failures')
    from mmdet3d_act.engine import failures

    return failures.run_tool(run, *args, **kwargs)


def import_for_good(name: str) -> None:
    """Import a large module without looking for garbage, now or later.

    What imports make is none. To look through it, at the process's end too,
    takes a third of the CPU seconds of the import.

    Args:
        name: Of the module.
    """
    if name not in sys.modules:
        gc.disable()
        importlib.import_module(name)
        gc.freeze()
        gc.enable()


if __name__ == '__main__':
    sys.exit(main())
