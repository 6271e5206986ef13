"""What the steps of the set-up share: messages, errors, logged commands.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Seconds between two progress lines where the output is not a terminal.
QUIET_INTERVAL = 60.0
TAIL_LINES = 25
LINE_WIDTH = 78

NETWORK_SIGNS = re.compile(
    'NewConnectionError|Temporary failure in name resolution|'
    'Name or service not known|Network is unreachable|ConnectTimeout|'
    'Max retries exceeded|Connection refused|ProxyError|'
    'Read timed out|No matching distribution found|'
    'Could not find a version that satisfies'
)
NETWORK_REMEDY = (
    'pip found no package index that has this, most often because the '
    'machine has no network.\nConnect it, or tell pip about a mirror or a '
    'folder of wheels (pip.conf, PIP_INDEX_URL, PIP_FIND_LINKS), then run '
    'the same command again: what is already installed stays.'
)


class SetupError(Exception):
    """The set-up cannot go on; the text says why and what to do."""


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def pip_command(python: Path, *parts: str | Sequence[str]) -> list[str]:
    """Return a command that runs an environment's pip without questions.

    Args:
        python: The environment's interpreter.
        *parts: Arguments: a string is split at blanks, a sequence is taken
            as it is (for paths, which may have blanks).
    """
    command = [str(python), '-m', 'pip', '--no-input']
    command.append('--disable-pip-version-check')
    for part in parts:
        command.extend(part.split() if isinstance(part, str) else part)
    return command


def run_logged(
    command: Sequence[str],
    log: Path,
    what: str,
    environment: dict[str, str] | None = None,
) -> None:
    """Run a command with its output in a log file and a line of progress.

    Args:
        command: Program and arguments.
        log: File that the output is appended to.
        what: What the command does, for the error.
        environment: Variables in addition to the current ones.

    Raises:
        SetupError: If the command fails, with the end of its output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a', encoding='utf-8', errors='replace') as stream:
        stream.write(f'\n$ {" ".join(command)}\n')
        stream.flush()
        start = stream.tell()
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            # A group of its own, so that compilers below pip end with it.
            start_new_session=True,
        )
        try:
            _follow(process, log)
        except BaseException:
            _stop(process)
            raise
    if process.returncode != 0:
        raise SetupError(_failure(what, log, start, process.returncode))


def _follow(process: subprocess.Popen, log: Path) -> None:
    """Show the last line of the log until the process ends."""
    live = sys.stdout.isatty()
    began = time.monotonic()
    shown = began
    while True:
        try:
            process.wait(timeout=0.5)
            break
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if live or now - shown >= QUIET_INTERVAL:
            shown = now
            line = f'      {_clock(now - began)} {last_line(log)}'
            line = line[:LINE_WIDTH]
            if live:
                print(f'\r{line:<{LINE_WIDTH}}', end='', flush=True)
            else:
                say(line)
    if live:
        print(f'\r{"":<{LINE_WIDTH}}\r', end='', flush=True)


def _stop(process: subprocess.Popen) -> None:
    """End a command together with everything that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)


def _clock(seconds: float) -> str:
    return f'{int(seconds) // 60}:{int(seconds) % 60:02d}'


def last_line(log: Path) -> str:
    """Return the last telling line of a file that is being written.

    pip's warnings about unused package locations tell nothing of progress.
    """
    with log.open('rb') as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 4096))
        text = stream.read().decode('utf-8', errors='replace')
    lines = [line.strip() for line in re.split(r'[\r\n]+', text)]
    telling = (x for x in reversed(lines) if x and 'WARNING' not in x)
    return next(telling, '')


def _failure(what: str, log: Path, start: int, code: int) -> str:
    """Return the message for a failed command, with its last lines."""
    with log.open('rb') as stream:
        stream.seek(start)
        text = stream.read().decode('utf-8', errors='replace')
    tail = '\n'.join(f'  | {x}' for x in text.splitlines()[-TAIL_LINES:])
    message = f'{what} failed (exit code {code}). The end of {log}:\n{tail}'
    if NETWORK_SIGNS.search(text):
        message += f'\n{NETWORK_REMEDY}'
    return message
