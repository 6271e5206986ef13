"""What the tools that read a config share of their command lines."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmengine.config import DictAction


class ConfigArgumentParser(argparse.ArgumentParser):
    """A parser with ``--cfg-options``, and a usage error where these are bad.

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
            action=DictAction,
            metavar='KEY=VALUE',
            help='replace settings of the config'
            + (f', for example {example}' if example else ''),
        )

    def parse_args(
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> argparse.Namespace:
        """Return the arguments.

        Args:
            args: Of the command line by default.
            namespace: See argparse.
        """
        try:
            return super().parse_args(args, namespace)
        except ValueError as error:
            self.error(f'--cfg-options takes KEY=VALUE pairs: {error}')
