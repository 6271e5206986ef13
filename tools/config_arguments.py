"""What the tools that read a config share of their command lines."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / 'mmdet3d_act').is_dir():
    # The package of this checkout, also where another one is installed.
    sys.path.insert(0, str(ROOT))

# Stands for a blank while MMEngine, which drops them, parses a value.
BLANK = '\N{SYMBOL FOR SPACE}'


from mmdet3d_act_cli import (  # noqa: E402
    HintingParser,
    at_least,
    find_weights_fault,
    hint_of,
)

__all__ = [
    'ConfigArgumentParser',
    'at_least',
    'exit_without',
    'load_config_of',
]


class ConfigArgumentParser(HintingParser):
    """A parser with ``--cfg-options`` that checks ``config``, if it has one.

    Nothing heavy is imported before the arguments are parsed.

    Args:
        description: What the tool does.
        example: Of ``--cfg-options``, for the help.
    """

    def __init__(self, description: str, example: str = '') -> None:
        super().__init__(
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog='Exit code 2: something is missing; the message says what.',
        )
        self.add_argument(
            '--cfg-options',
            nargs='+',
            metavar='KEY=VALUE',
            help='replace settings of the config'
            + (f', for example {example}' if example else ''),
        )

    def parse_args(
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> argparse.Namespace:
        """Parse the arguments; ``cfg_options`` becomes a dict.

        Args:
            args: Of the command line by default.
            namespace: See argparse.
        """
        found = super().parse_args(args, namespace)
        given = getattr(found, 'config', None) or []
        for config in [given] if isinstance(given, str) else given:
            if '::' not in config and not Path(config).is_file():
                files = (ROOT / 'configs').rglob('*.py')
                names = [f.name for f in files]
                names += [f.name for f in Path(config).parent.glob('*.py')]
                hint = hint_of([Path(config).name], names)
                self.error(f'the config {config} does not exist{hint}')
        if found.cfg_options:
            try:
                found.cfg_options = _parsed(found.cfg_options)
            except ValueError as error:
                self.error(f'--cfg-options takes KEY=VALUE pairs: {error}')
        return found


def _parsed(pairs: list[str]) -> dict:
    """Parse KEY=VALUE pairs as MMEngine's tools do, but keep blanks."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser()
    parser.add_argument('--pairs', nargs='+', action=DictAction)
    # Those beside commas and inside of brackets belong to no value.
    beside = re.compile(r'(?<=[,\[(]) +| +(?=[,\])])')
    kept = [beside.sub('', pair).replace(' ', BLANK) for pair in pairs]
    return _with_blanks(parser.parse_args(['--pairs', *kept]).pairs)


def _with_blanks(value: object) -> object:
    """Put the blanks back into all strings of a value."""
    if isinstance(value, str):
        return value.replace(BLANK, ' ')
    if isinstance(value, dict):
        return {key: _with_blanks(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with_blanks(one) for one in value)
    return value


def exit_without(weights: str) -> None:
    """End where a name means no weights, before imports that take seconds."""
    if fault := find_weights_fault(weights):
        if os.environ.get('RANK', '0') == '0':
            sys.stderr.write(f'{fault}\n')
        sys.exit(2)


def load_config_of(args: argparse.Namespace) -> Config:
    """Read the config of a checkpoint; without ACT_CLOUDS the run's copy.

    That knows the clouds of the training.

    Args:
        args: With ``config``, ``checkpoint`` and ``cfg_options``.
    """
    from mmdet3d_act.apis.loading import find_config
    from mmdet3d_act.checkpoint import find_checkpoint
    from mmdet3d_act.engine import launch

    cfg = launch.load_config(args.config, args.cfg_options)
    if 'ACT_CLOUDS' in os.environ or '$ACT_CLOUDS' not in cfg.text:
        return cfg
    path = find_checkpoint(args.checkpoint)
    copy = path and find_config(path)
    if copy is None or copy.name != Path(args.config).name:
        return cfg
    print(f'ACT_CLOUDS is not set: as in {copy}', flush=True)
    return launch.load_config(str(copy), args.cfg_options)
