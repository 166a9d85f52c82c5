"""``sns doctor``: checks everything that a start needs, and says the fix of what is missing."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.configure import DataOption
from engine.cli.folder import DEFAULT


def doctor(
    data: DataOption = DEFAULT,
    edge_port: Annotated[int, typer.Option("--edge-port", help="As for `sns up`.")] = 8000,
    sandbox_port: Annotated[int, typer.Option("--sandbox-port", help="As for `sns up`.")] = 8009,
    valkey_port: Annotated[int, typer.Option("--valkey-port", help="As for `sns up`.")] = 8379,
) -> None:
    """Check this machine and the running stack; every fault comes with its fix. Takes seconds.

    The exit code is 1 when `sns up` could not start. A stack that is not running is no fault.
    """
    from engine.cli.checks import State, check_everything
    from engine.cli.ports import Ports

    ports = Ports(edge=edge_port, sandbox=sandbox_port, valkey=valkey_port)
    signs = {State.GOOD: "ok   ", State.NOTE: "note ", State.FAULT: "FAULT"}
    colours = {State.GOOD: "green", State.NOTE: "yellow", State.FAULT: "red"}
    has_fault = False
    for check in check_everything(Path(data), ports):
        has_fault |= check.state is State.FAULT
        typer.secho(signs[check.state], fg=colours[check.state], nl=False)
        print(f" {check.subject}: {check.finding}" + (f" → {check.fix}" if check.fix else ""))
    if has_fault:
        raise typer.Exit(1)
