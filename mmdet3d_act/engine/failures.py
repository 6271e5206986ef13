"""Which errors a user can mend, and how they are told without a traceback."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable
from difflib import get_close_matches

from mmengine.registry import build_from_cfg

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.engine.distributed import launched_rank

TRACEBACK = 'ACT_TRACEBACK'
EXIT_USAGE = 2
# What a shell says of a command that Ctrl-C has ended.
EXIT_INTERRUPTED = 130
RUN_AGAIN = 'the same command begins anew'


class UsageError(Exception):
    """Something that the user can put right; shown without a traceback."""


def run_tool(
    main: Callable[[], None],
    launcher: str = 'none',
    *,
    kept: str | Callable[[], str] = RUN_AGAIN,
) -> int:
    """Run a tool and return its exit code.

    Args:
        main: The tool.
        launcher: How its processes were started. The first one reports; a
            sample that cannot be used may be the affair of another, which
            then says so.
        kept: What is there after Ctrl-C, and how to go on; or what tells it
            then.

    Returns:
        0, or 2 after an error that the user can mend, whose text goes to
        stderr, see :func:`describe_failure`, or 130 after Ctrl-C.
    """
    rank = launched_rank(launcher)
    try:
        main()
    except KeyboardInterrupt:
        # The terminal has written ^C into the line.
        then = kept if isinstance(kept, str) else kept()
        text, code = f'\ninterrupted; {then}', EXIT_INTERRUPTED
        told = rank == 0
    except Exception as error:
        text, code = describe_failure(error), EXIT_USAGE
        if text is None:
            raise
        text = text.strip()
        told = rank == 0 or isinstance(error, BadSampleError)
    else:
        return 0
    if told:
        title = f'process {rank}: ' if rank else ''
        sys.stderr.write(f'{title}{text}\n')
    return code


def describe_failure(error: Exception) -> str | None:
    """Return what to tell a user of an error; None if it is a fault of ours.

    What a class refuses while a config is built counts as the user's; with
    ``ACT_TRACEBACK=1`` in the environment it keeps its traceback.

    Args:
        error: What a tool has raised.
    """
    text = str(error)
    if isinstance(error, UsageError | BadSampleError | CheckpointError):
        return text
    if os.environ.get(TRACEBACK):
        return None
    untyped = _without_type(error)
    if untyped is not None:
        return (
            f'{untyped} of the config has no type. --cfg-options changes what '
            'is written there; for a part that is not, give its class too: '
            'PART.type=CLASS'
        )
    built, is_last = _built_class(error)
    if isinstance(error, TypeError):
        # Further down others are no arguments of the config's.
        unknown = '__init__() got an unexpected keyword argument' in text
        if built is None or not (is_last or unknown):
            return f'{text} ({TRACEBACK}=1 shows where)' if unknown else None
        return f'{text}; {argument_hint(built, text)}'
    if built is None:
        return None
    if isinstance(error, FileNotFoundError | ValueError):
        return f'{built.__name__}, as the config has it: {text}'
    return None


def _without_type(error: Exception) -> dict | None:
    """Return what a registry could not build for want of a type."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not frames or frames[-1].f_code is not build_from_cfg.__code__:
        return None
    cfg = frames[-1].f_locals.get('cfg')
    return dict(cfg) if isinstance(cfg, dict) and 'type' not in cfg else None


def _built_class(error: Exception) -> tuple[type | None, bool]:
    """Return what a registry was building, and whether the call failed."""
    built, is_last = None, False
    for frame, _ in traceback.walk_tb(error.__traceback__):
        is_last = frame.f_code is build_from_cfg.__code__
        if is_last:
            built = frame.f_locals.get('obj_cls')
    return built, is_last


def argument_hint(kind: type, text: str) -> str:
    """Return which argument was perhaps meant, or all that there are.

    Args:
        kind: The class that has no such argument.
        text: What Python says of it; the name is quoted last.
    """
    known = {
        argument
        for base in inspect.getmro(kind)[:-1]
        if '__init__' in vars(base)
        for argument in inspect.signature(vars(base)['__init__']).parameters
    } - {'self', 'args', 'kwargs'}
    quoted = text.split("'")[1::2]
    near = get_close_matches(quoted[-1], known, n=1) if quoted else []
    if near:
        return f'did you mean {near[0]!r}?'
    return f'it takes {", ".join(sorted(known))}'
