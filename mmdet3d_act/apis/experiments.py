"""Many trainings in one folder: run, go on with, and summed up."""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mmdet3d_act.apis.runs import RunProgress
from mmdet3d_act.apis.trials import (
    Trial,
    prepare_trial,
    read_record,
    run_trial,
)
from mmdet3d_act.apis.variations import SCRATCH
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.progress import duration

LOCK_FILE = 'lock'
REPORT_SECONDS = 10.0
WAIT_SECONDS = 5.0
_NAME = re.compile(r'[\w.+-]+')


class Start(NamedTuple):
    """Where trainings start from, under a name.

    Attributes:
        name: For tables and folders.
        checkpoint: A checkpoint, a work directory or 'scratch'.
    """

    name: str
    checkpoint: str


def parse_starts(texts: Sequence[str]) -> list[Start]:
    """Return where trainings start from.

    Args:
        texts: Each a checkpoint, a work directory or 'scratch'; ``NAME=PATH``
            gives it a name, otherwise it is named after its work directory.

    Raises:
        UsageError: If two have one name, or a name cannot be a folder's.

    Example:
        >>> parse_starts(['act=epoch_60.pth', 'scratch'])[0].name
        'act'
    """
    starts = [_parse_start(text) for text in texts]
    for start in starts:
        twice = sum(other.name == start.name for other in starts) > 1
        if twice or not _NAME.fullmatch(start.name):
            fault = 'is there twice' if twice else 'cannot name a folder'
            raise UsageError(
                f'{start.name!r} {fault}; give checkpoints names of their '
                'own, such as act=work_dirs/act/epoch_300.pth'
            )
    return starts


def _parse_start(text: str) -> Start:
    name, equals, path = text.partition('=')
    if equals and _NAME.fullmatch(name):
        return Start(name, path)
    if text == SCRATCH:
        return Start(SCRATCH, SCRATCH)
    place = Path(text)
    return Start((place.parent if place.suffix else place).name, text)


def run_trials(
    trials: Sequence[Trial],
    folder: str | Path,
    *,
    amp: bool = False,
    keep_checkpoints: bool = True,
    report: Callable[[str], None] = lambda line: None,
    check: Callable[[dict], None] = lambda record: None,
) -> list[dict]:
    """Return the records of trials; those that have none yet are trained.

    Started again after an interruption it goes on where it stopped. Started
    several times at once, for example once for each GPU, the processes share
    the trials among them, and each returns all records.

    Args:
        trials: The trials, with names of their own.
        folder: Gets a folder for each of them.
        amp: Whether to train in mixed precision.
        keep_checkpoints: False removes the checkpoints of a finished trial.
        report: Is given lines about the progress.
        check: Is given every record that is there, before anything is
            trained, and every one that is made; what it raises ends the
            work.

    Raises:
        UsageError: If one of the trials cannot run: found for all of them
            before the first is trained.
    """
    folder = Path(folder)
    options = dict(amp=amp, keep_checkpoints=keep_checkpoints)
    known = set()
    for trial in trials:
        record = read_record(folder / trial.name)
        if record is None:
            prepare_trial(trial, folder / trial.name, **options)
            continue
        check(record)
        known.add(trial.name)
    records: dict[str, dict] = {}
    clock = _Clock(len(trials), len(trials) - len(known), report)
    waiting = list(trials)
    while waiting:
        left = []
        for trial in waiting:
            place = folder / trial.name
            with claimed(place) as mine:
                if not mine:
                    left.append(trial)
                    continue
                clock.begin(trial, read_record(place) is not None)
                records[trial.name] = run_trial(
                    trial, place, progress=clock.progress, **options
                )
                clock.end()
                check(records[trial.name])
        if len(left) == len(waiting):
            # All of them are being trained by other processes.
            time.sleep(WAIT_SECONDS)
        waiting = left
    return [records[trial.name] for trial in trials]


def read_records(trials: Sequence[Trial], folder: str | Path) -> list[dict]:
    """Return the records that are there.

    Args:
        trials: The trials.
        folder: Of all of them.

    Raises:
        UsageError: If there is none.
    """
    places = [Path(folder) / trial.name for trial in trials]
    found = [record for record in map(read_record, places) if record]
    if not found:
        raise UsageError(
            f'no finished training in {folder}; run the tool without --table'
        )
    return found


@contextmanager
def claimed(folder: str | Path) -> Iterator[bool]:
    """Keep other processes from a folder; False where one of them does so.

    A process that is killed leaves nothing behind that has to be removed.

    Args:
        folder: Is made where it is absent.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    with (Path(folder) / LOCK_FILE).open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


class _Clock:
    """Says how far trials are, and how long they will take."""

    def __init__(
        self, count: int, untrained: int, report: Callable[[str], None]
    ) -> None:
        self.count = count
        self.untrained = untrained
        self.report = report
        self.done = 0
        self._trained = 0
        self._seconds = 0.0

    def begin(self, trial: Trial, known: bool) -> None:
        self._title = f'[{self.done + 1}/{self.count}] {trial.name}'
        self._known = known
        self._begin = time.monotonic()
        self.report(
            f'{self._title}: {"is there already" if known else "training"}'
        )

    def end(self) -> None:
        self.done += 1
        if self._known:
            return
        seconds = time.monotonic() - self._begin
        self._trained += 1
        self._seconds += seconds
        self.report(f'{self._title}: done in {seconds:.0f} s')

    @property
    def progress(self) -> RunProgress:
        return RunProgress(self._tell, REPORT_SECONDS)

    def _tell(self, share: float, left: float, values: dict) -> None:
        spent = time.monotonic() - self._begin
        # The first training stands for those that follow.
        each = self._seconds / self._trained if self._trained else spent + left
        rest = left + each * (self.untrained - self._trained - 1)
        loss = f', loss {values["loss"]:.3g}' if 'loss' in values else ''
        self.report(
            f'{self._title}: {share:.0%}{loss}; {duration(left)} left, for '
            f'all {duration(rest)}'
        )
