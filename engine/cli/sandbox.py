"""``sns sandbox``: the platform double alone."""

import os
import sys
from typing import Annotated

import typer

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def sandbox(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 8009,
) -> None:
    """Run the platform double alone; `sns sandbox --help` lists its switches.

    `sns sandbox replay FILE.tsv` lets people write what stands in a file, into a running one.
    """
    if context.args[:1] == ["replay"]:
        from engine.cli.replaying import app

        app(context.args[1:], prog_name="sns sandbox replay")
    # Another program, not an import: no code of the product depends on the double.
    os.execv(  # noqa: S606
        sys.executable,
        [sys.executable, "-m", "engine.sandbox", "--port", str(port), *context.args],
    )
