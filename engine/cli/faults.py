"""What a command says when it cannot do what was asked."""

from typing import Any

import typer
from typer.core import TyperGroup


class CommandFailed(Exception):
    """One line that says what to do; a person sees it as ``Error: …``, the shell as exit code 1."""


class Commands(TyperGroup):
    """The group of all commands: turns :class:`CommandFailed` into its line and exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except CommandFailed as error:
            typer.secho("Error: ", err=True, fg="red", bold=True, nl=False)
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error
