"""Where tables go."""

import sys

from rich.console import Console

PIPED_WIDTH = 140  # a pipe's width is guessed at 80, which would fold every link and time


def table_console() -> Console:
    """Standard output, wide enough when it is no terminal."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPED_WIDTH)
