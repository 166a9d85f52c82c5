"""The settings of a command: the environment, then ``.env``, then what ``sns up`` wrote."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.faults import CommandFailed

if TYPE_CHECKING:
    from engine.settings import Settings

DataOption = Annotated[
    Path, typer.Option("--data", help="Folder of the stack that `sns up` runs.", metavar="DIR")
]


def configure(data: Path) -> "Settings":
    """Check all settings, and put those of a stack on this machine into our environment.

    What is already set stays. The actors' module reads the environment when it is imported.

    Raises:
        CommandFailed: a setting is missing or bad.
    """
    from dotenv import dotenv_values

    from engine.cli.folder import Folder
    from engine.errors import BootFailed
    from engine.settings import Settings

    of_file = dotenv_values(".env")
    for key, value in Folder.at(data).settings().items():
        if key not in of_file:
            os.environ.setdefault(key, value)
    try:
        return Settings.load()
    except BootFailed as error:
        raise CommandFailed(
            f"{error} (start a stack with `sns up`, or set the SNS_ variables of your servers)"
        ) from error
