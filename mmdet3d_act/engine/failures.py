"""Which errors a user can mend, and how they are told without a traceback."""

from __future__ import annotations

import errno
import inspect
import re
import sys
from collections.abc import Callable
from difflib import get_close_matches

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.engine.distributed import launched_rank
from mmdet3d_act.registry import registered_classes

EXIT_USAGE = 2
# What a shell says of a command that Ctrl-C has ended.
EXIT_INTERRUPTED = 130
RUN_AGAIN = 'the same command begins anew'
UNKNOWN_ARGUMENT = re.compile(
    r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'"
)


class UsageError(Exception):
    """Something that the user can put right; shown without a traceback."""


class NonFiniteError(UsageError):
    """A loss, a gradient or a weight is infinite or not a number."""


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
        told = rank == 0 or isinstance(error, BadSampleError | NonFiniteError)
    else:
        return 0
    if told:
        title = f'process {rank}: ' if rank else ''
        sys.stderr.write(f'{title}{text}\n')
    return code


def describe_failure(error: Exception) -> str | None:
    """Describe an error that a user can mend; None for all others.

    Those are what tools refuse, samples and checkpoints that cannot be used,
    an extra of the package that is not installed, and in a config classes
    that there are not, or arguments that their class does not have.

    Args:
        error: What a tool has raised.
    """
    text = str(error)
    ours = UsageError | BadSampleError | CheckpointError
    extra = isinstance(error, ImportError) and '"mmdet3d_act[' in text
    if isinstance(error, ours) or extra:
        return text
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            f'the disk is full ({text}); make room and run the same command '
            'again, a training with --resume: its last checkpoint is kept'
        )
    if isinstance(error, KeyError) and 'registry. Please check' in text:
        return str(error.args[0])
    unknown = UNKNOWN_ARGUMENT.search(text)
    if not isinstance(error, TypeError) or unknown is None:
        return None
    classes = registered_classes(unknown[1])
    if not classes:
        return None
    known = arguments_of(classes[0])
    near = get_close_matches(unknown[2], known, n=1)
    hint = (
        f'did you mean {near[0]!r}?'
        if near
        else f'it takes {", ".join(sorted(known))}'
    )
    return f'{text}; {hint}'


def arguments_of(kind: type) -> set[str]:
    """Collect the arguments of a class, those of its bases too.

    Args:
        kind: The class.
    """
    return {
        argument
        for base in inspect.getmro(kind)[:-1]
        if '__init__' in vars(base)
        for argument in inspect.signature(vars(base)['__init__']).parameters
    } - {'self', 'args', 'kwargs'}
