"""The settings of a command: the environment, then ``.env``, then what ``sns up`` wrote."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.faults import CommandFailed

if TYPE_CHECKING:
    from engine.cli.folder import Folder
    from engine.settings import Settings

DataOption = Annotated[
    Path, typer.Option("--data", help="Folder of the stack that `sns up` runs.", metavar="DIR")
]


def adopt(folder: "Folder") -> None:
    """Put what the last start on ``folder`` wrote into our environment; what is set stays."""
    from dotenv import dotenv_values

    of_file = dotenv_values(".env")
    for key, value in folder.settings().items():
        if not of_file.get(key):
            os.environ.setdefault(key, value)


def configure(data: Path) -> "Settings":
    """Check all settings, with those of a stack on this machine.

    They go into the environment, which the actors' module reads when it is imported.

    Raises:
        CommandFailed: a setting is missing or bad.
    """
    from engine.cli.folder import Folder
    from engine.errors import BootFailed
    from engine.settings import Settings

    adopt(Folder.at(data))
    try:
        return Settings.load()
    except BootFailed as error:
        raise CommandFailed(
            f"{error} (start a stack with `sns up`, or set the SNS_ variables of your servers)"
        ) from error
