"""Does the test suite notice a fault? Mutants of the package, killed or not.

A mutant is the package with one fault in one place: a comparison turned
round, a constant changed, an operator swapped, a call left out. For each one
only the tests of its area run, until the first that fails. The mutants follow
from the seed and from the text of the code, not from the names of modules, so
that two states of the repository are asked for the same ones as far as they
still have the same code::

    python benchmarks/mutants.py --out work_dirs/mutants/now
    python benchmarks/mutants.py --tree ../old --out work_dirs/mutants/old
    python benchmarks/mutants.py --compare work_dirs/mutants/{old,now}.json

A run that was stopped goes on where it was. Tests run in one process, forked
from one that has imported the large libraries.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

# Area: number of mutants, folder of its modules, folders left out of it, and
# its tests, those that know it best first.
MODELS = ('tests/test_models', 'tests/test_reference')
METRICS = ('detection', 'segmentation_metrics')
AREAS = {
    'ops': (
        22,
        'ops',
        # Kernels, which run on a GPU only.
        ('_triton.py',),
        ('tests/test_ops', f'{MODELS[1]}/test_ops.py'),
    ),
    **{
        name: (n, f'models/{name}', (), (f'{MODELS[0]}/test_{name}', *MODELS))
        for name, n in dict(
            layers=20, losses=18, heads=18, target_generators=14
        ).items()
    },
    'datasets': (
        24,
        'datasets',
        ('readers', 'transforms'),
        ('tests/test_datasets',),
    ),
    'transforms': (
        16,
        'datasets/transforms',
        (),
        ('tests/test_datasets/test_transforms', 'tests/test_datasets'),
    ),
    'evaluation': (
        20,
        'evaluation',
        (),
        (
            'tests/test_evaluation',
            *(f'{MODELS[1]}/test_{name}.py' for name in METRICS),
        ),
    ),
}
# Faults that no result can show, by their key: they are not chosen.
EQUIVALENT = {
    '034dd3962cbe': 'kd_tree: how a tree is laid out, not what it finds',
    '00a7d2569ecc': 'within: more candidates, of which callers keep the near',
    '04005bd72d1d': '_knn_cpu: where the tree takes over; both are exact',
    '12472512f490': '_write_npy_header: numbers in a row have one order',
}
LEFT_OUT_TESTS = 'tests/test_models/test_teachers'
LIBRARIES = ('mmdet3d.models', 'mmdet3d.datasets', 'sklearn.svm', 'timm')

TURNED = [(ast.Lt, ast.Gt), (ast.LtE, ast.GtE), (ast.Eq, ast.NotEq)]
TURNED += [(ast.Is, ast.IsNot), (ast.In, ast.NotIn)]
SWAPPED = [(ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.And, ast.Or)]
SWAPPED += [(ast.BitAnd, ast.BitOr)]
COMPARISONS = dict(TURNED) | {new: old for old, new in TURNED}
OPERATORS = dict(SWAPPED) | {new: old for old, new in SWAPPED}
OPERATORS |= {ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv}
OPERATORS |= {ast.Pow: ast.Mult}
# Calls that give what they were given, with its values or its order changed.
CALLS = (
    'abs ceil clamp clip clone copy cumsum deepcopy detach double dropout '
    'eval exp expand_as flatten flip floor log log_softmax masked_fill max '
    'maximum mean min minimum mT norm normalize permute prod relu '
    'requires_grad_ reversed roll round sigmoid softmax sort sorted sqrt '
    'square squeeze sum tanh transpose unique unsqueeze'
)
MESSAGES = {'warn', 'warning', 'info', 'inform', 'log_once', 'print_log'}
MESSAGES |= {'print', '__init__'}


def candidates(tree: ast.Module) -> Iterator[tuple[str, str, ast.AST]]:
    """Give each place that can be mutated: its kind, its scope, its node."""
    yield from _candidates(tree.body, '')


def _candidates(
    nodes: list[ast.AST], scope: str
) -> Iterator[tuple[str, str, ast.AST]]:
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            inside = f'{scope}.{node.name}' if scope else node.name
            yield from _candidates(node.body, inside)
            continue
        # What a message says, and the types of variables, are no behaviour.
        if not scope or isinstance(node, ast.Raise | ast.JoinedStr):
            continue
        kind = kind_of(node)
        if kind:
            yield kind, scope, node
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.AnnAssign):
            children.remove(node.annotation)
        yield from _candidates(children, scope)


def kind_of(node: ast.AST) -> str | None:
    """Name the fault that a place is good for, or None."""
    if isinstance(node, ast.Compare):
        return 'comparison' if type(node.ops[0]) in COMPARISONS else None
    if isinstance(node, ast.Constant):
        number = isinstance(node.value, bool | int | float)
        return 'constant' if number else None
    if isinstance(node, ast.BinOp):
        text = any(
            isinstance(side, ast.JoinedStr | ast.List | ast.Tuple)
            or isinstance(getattr(side, 'value', None), str)
            for side in (node.left, node.right)
        )
        return None if text or type(node.op) not in OPERATORS else 'operator'
    if isinstance(node, ast.BoolOp):
        return 'operator'
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return None if called(node.value) in MESSAGES else 'call'
    if isinstance(node, ast.Call) and called(node) in CALLS.split():
        return 'call' if remainder(node) is not None else None
    return None


def called(node: ast.Call) -> str:
    """Give the last part of the name of what is called."""
    return getattr(node.func, 'attr', getattr(node.func, 'id', ''))


def remainder(node: ast.Call) -> ast.expr | None:
    """Give what stays of a call that is left out: its object or argument."""
    owner = getattr(node.func, 'value', None)
    libraries = {'torch', 'np', 'functional', 'F', 'math', 'linalg'}
    if owner is None or ast.unparse(owner).split('.')[-1] in libraries:
        return node.args[0] if node.args else None
    return owner


class Mutate(ast.NodeTransformer):
    """Replace one node of a module by its mutant."""

    def __init__(self, target: ast.AST) -> None:
        self.target = target

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace the target, look further everywhere else."""
        if node is not self.target:
            return self.generic_visit(node)
        if isinstance(node, ast.Compare):
            node.ops[0] = COMPARISONS[type(node.ops[0])]()
        elif isinstance(node, ast.BinOp | ast.BoolOp):
            node.op = OPERATORS[type(node.op)]()
        elif isinstance(node, ast.Expr):
            return ast.Pass()
        elif isinstance(node, ast.Call):
            return remainder(node)
        elif isinstance(node.value, bool):
            node.value = not node.value
        elif isinstance(node.value, int):
            node.value += 1
        else:
            node.value = node.value * 1.5 + 0.1
        return node


def find_mutants(tree: Path, seed: int) -> list[dict]:
    """Choose the mutants of every area, spread over kinds and functions."""
    chosen = []
    for area, (count, folder, without, _) in AREAS.items():
        root = tree / 'mmdet3d_act' / folder
        kinds = defaultdict(list)
        for path in sorted(root.rglob('*.py')):
            if path.relative_to(root).parts[0] in without:
                continue
            seen = Counter()
            module = ast.parse(path.read_text(encoding='utf-8'))
            for index, (kind, scope, node) in enumerate(candidates(module)):
                text = ast.unparse(node)
                seen[kind, scope, text] += 1
                times = seen[kind, scope, text]
                name = f'{seed} {kind} {scope} {text} {times}'
                key = hashlib.sha256(name.encode()).hexdigest()[:12]
                if key in EQUIVALENT:
                    continue
                kinds[kind].append(
                    dict(
                        key=key,
                        area=area,
                        kind=kind,
                        file=path.relative_to(tree).as_posix(),
                        line=node.lineno,
                        scope=scope,
                        before=text,
                        index=index,
                    )
                )
        chosen += spread(kinds, count)
    return chosen


def spread(kinds: dict[str, list[dict]], count: int) -> list[dict]:
    """Take kinds in turn, and at most two mutants of a class or function."""
    queues = [sorted(kinds[k], key=lambda m: m['key']) for k in sorted(kinds)]
    taken, homes = [], Counter()
    while len(taken) < count and any(queues):
        for queue in queues:
            while queue and len(taken) < count:
                mutant = queue.pop(0)
                home = mutant['scope'].split('.')[0]
                if homes[home] < 2:
                    homes[home] += 1
                    taken.append(mutant)
                    break
    return taken


def test_files(tree: Path, area: str) -> list[str]:
    """List the test files of an area, those that know it best first."""
    folders = AREAS[area][3]
    files = {}
    for folder in folders:
        path = tree / folder
        for file in [path] if path.is_file() else path.rglob('test_*.py'):
            name = file.relative_to(tree).as_posix()
            if not name.startswith(LEFT_OUT_TESTS):
                files.setdefault(name, folders.index(folder))
    return sorted(files, key=lambda name: (files[name], name))


class MutatedModule(importlib.machinery.SourceFileLoader):
    """Finds and loads one module of the package with a fault in it."""

    def __init__(self, tree: Path, mutant: dict) -> None:
        self.mutant = mutant
        name = mutant['file'].removesuffix('.py').replace('/', '.')
        super().__init__(name, str(tree / mutant['file']))

    def find_spec(self, name: str, *_: object) -> object:
        """Answer for this module only."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, loader=self)

    def get_code(self, fullname: str) -> object:
        """Compile the mutated source in place of the file's."""
        source = Path(self.path).read_text(encoding='utf-8')
        module = ast.parse(source)
        target = list(candidates(module))[self.mutant['index']][2]
        module = ast.fix_missing_locations(Mutate(target).visit(module))
        return compile(module, self.path, 'exec')


class Failures:
    """Collects what failed, as a plugin of pytest."""

    def __init__(self) -> None:
        self.names = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failed test."""
        if report.failed:
            self.names.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a test file that could not be read."""
        if report.failed:
            self.names.append(f'collection of {report.nodeid}')


def run_tests(
    tree: Path, files: list[str], limit: float, args: list[str], mutant: dict
) -> dict:
    """Run tests in a forked process; give its failures and seconds."""
    start = time.monotonic()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(tree)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        sys.path.insert(0, str(tree))
        if mutant:
            sys.meta_path.insert(0, MutatedModule(tree, mutant))
        failures = Failures()
        options = ['-q', '-m', 'not slow', '-p', 'no:cacheprovider']
        code = pytest.main([*options, *args, *files], plugins=[failures])
        answer = json.dumps(dict(code=int(code), failures=failures.names))
        os.write(writing, answer.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() - start > limit:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.05)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    failed = dict(code=-1, failures=['time limit, or the process died'])
    result = json.loads(text) if text else failed
    return dict(result, seconds=round(time.monotonic() - start, 1))


def run(tree: Path, out: Path, seed: int, areas: list[str]) -> None:
    """Run the tests of every mutant that ``out`` has no result of yet."""
    for name in LIBRARIES:
        importlib.import_module(name)
    done = json.loads(out.read_text()) if out.is_file() else {}
    plain, results = done.get('plain', {}), done.get('results', {})
    mutants = find_mutants(tree, seed)
    for number, mutant in enumerate(mutants, 1):
        area = mutant['area']
        if area not in areas:
            continue
        files = test_files(tree, area)
        if area not in plain:
            plain[area] = run_tests(tree, files, 1800, [], {})
            print(f'{area} without a fault: {plain[area]}', flush=True)
        if mutant['key'] not in results:
            deselect = [f'--deselect={n}' for n in plain[area]['failures']]
            limit = 60 + 2 * plain[area]['seconds']
            got = run_tests(tree, files, limit, ['-x', *deselect], mutant)
            killed = got['code'] != 0
            results[mutant['key']] = dict(
                mutant,
                killed=killed,
                by=got['failures'][:1],
                seconds=got['seconds'],
            )
            print(
                f'{number}/{len(mutants)}',
                'killed' if killed else 'SURVIVED',
                f'{got["seconds"]} s {describe(mutant)}',
                flush=True,
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dict(plain=plain, results=results), indent=1)
        out.with_suffix('.part').write_text(text)
        out.with_suffix('.part').replace(out)
    out.with_suffix('.md').write_text(table({out.stem: results}))
    print(table({out.stem: results}))


def describe(mutant: dict) -> str:
    """Give one line on a mutant."""
    place = f'{mutant["file"]}:{mutant["line"]} {mutant["scope"]}'
    return f'{mutant["kind"]} in {place}: {" ".join(mutant["before"].split())}'


def table(runs: dict[str, dict[str, dict]]) -> str:
    """Lay out killed of all, for each area and run, then what survived."""
    lines = ['| area | ' + ' | '.join(runs) + ' |']
    lines.append('|---' * (len(runs) + 1) + '|')
    for area in [*AREAS, 'all']:
        cells = []
        for results in runs.values():
            found = [r for r in results.values() if area in ('all', r['area'])]
            killed = sum(r['killed'] for r in found)
            cells.append(f'{killed} of {len(found)}')
        lines.append(f'| {area} | ' + ' | '.join(cells) + ' |')
    for name, results in runs.items():
        lines += ['', f'Survived, {name}:', '']
        lines += [
            f'- `{key}` {describe(r)}'
            for key, r in results.items()
            if not r['killed']
        ]
        lines += ['', f'Killed, {name}:', '']
        lines += [
            f'- `{key}` {describe(r)}; by {" ".join(r["by"])}'
            for key, r in results.items()
            if r['killed']
        ]
    return '\n'.join(lines) + '\n'


def main() -> None:
    """Read the command line; run, or lay runs side by side."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--tree', type=Path, default=Path('.'))
    parser.add_argument('--out', type=Path, help='results, without a suffix')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--areas', nargs='+', default=list(AREAS))
    parser.add_argument('--compare', type=Path, nargs='+', metavar='JSON')
    args = parser.parse_args()
    if args.compare:
        runs = {p.stem: json.loads(p.read_text()) for p in args.compare}
        print(table({name: r['results'] for name, r in runs.items()}))
        return
    out = args.out or Path('work_dirs/mutants/now')
    out = out.resolve().with_suffix('.json')
    run(args.tree.resolve(), out, args.seed, args.areas)


if __name__ == '__main__':
    main()
