"""At the end of a run: was every golden array compared by some test?

A plugin of pytest, since the answer is known only when all tests have run, in
all processes of pytest-xdist. It asks where ``test_coverage.py`` is part of
the run, for the fixtures of which no test was deselected.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.test_reference import harness

HERE = Path(__file__).parent
ASKING = 'test_coverage.py'
REPORT = 'golden_arrays'


def covered_kinds() -> dict[str, set[str]]:
    """Return the test modules that name each kind in their ``COVERS``.

    The kinds that ``harness.KINDS`` lacks are under the name 'unknown'.
    """
    modules: dict[str, set[str]] = {}
    for path in sorted(HERE.glob('test_*.py')):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == 'COVERS'
                for target in node.targets
            ):
                for kind in ast.literal_eval(node.value):
                    kind = kind if kind in harness.KINDS else harness.UNKNOWN
                    modules.setdefault(kind, set()).add(path.name)
    return modules


class Completeness:
    """Gathers what the processes of a run compared, and fails on a gap."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.deselected: set[str] = set()
        self.compared: dict[str, set[str]] = {}
        self.gaps: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the modules of this folder that run."""
        paths = {item.path for item in session.items}
        self.modules |= {path.name for path in paths if path.parent == HERE}

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note the fixtures that are compared in part, or not at all."""
        for item in items:
            callspec = getattr(item, 'callspec', None)
            if callspec is not None and item.path.parent == HERE:
                self.deselected.add(str(callspec.params.get('name')))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a process of pytest-xdist reports."""
        report = getattr(node, 'workeroutput', {}).get(REPORT)
        if report is None:
            return
        self.modules |= set(report['modules'])
        self.deselected |= set(report['deselected'])
        for name, arrays in report['compared'].items():
            self.compared.setdefault(name, set()).update(arrays)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Report to the first process; there, fail on a gap."""
        for name, arrays in harness.current().compared.items():
            self.compared.setdefault(name, set()).update(arrays)
        output = getattr(session.config, 'workeroutput', None)
        if output is not None:
            output[REPORT] = dict(
                modules=sorted(self.modules),
                deselected=sorted(self.deselected),
                compared={k: sorted(v) for k, v in self.compared.items()},
            )
            return
        self.gaps = self.find_gaps(harness.current())
        if self.gaps and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def find_gaps(self, reference: harness.Reference) -> list[str]:
        """Name the arrays that no test compared although it could have."""
        if ASKING not in self.modules:
            return []
        gaps = []
        for kind, modules in covered_kinds().items():
            if kind == harness.UNKNOWN or not modules <= self.modules:
                continue
            for name in set(reference.names(kind)) - self.deselected:
                done = self.compared.get(name, set())
                missing = sorted(reference.outputs(name) - done)
                if missing:
                    gaps.append(f'{name}: no test compared {missing}')
        return sorted(gaps)

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Say what was not compared."""
        if self.gaps:
            terminalreporter.section('golden arrays', red=True)
        for gap in self.gaps:
            terminalreporter.line(gap)
