"""``sns up``: the whole stack on this machine, until Ctrl-C."""

import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from engine.cli.launch import Stack

LOOK_EVERY_S = 0.1


def up(
    data: Annotated[
        Path, typer.Option("--data", help="Where data, logs and keys are kept.", metavar="DIR")
    ] = DEFAULT,
    ports: Annotated[
        Literal["fixed", "auto"],
        typer.Option("--ports", help="fixed: the ports below; auto: any that are free."),
    ] = "fixed",
    edge_port: Annotated[int, typer.Option("--edge-port", help="Browsers connect here.")] = 8000,
    sandbox_port: Annotated[
        int, typer.Option("--sandbox-port", help="The platform double listens here.")
    ] = 8009,
    valkey_port: Annotated[
        int, typer.Option("--valkey-port", help="Queues and live events.")
    ] = 8379,
) -> None:
    """Run everything on this machine: servers, sandbox, workers, scheduler, edge.

    Takes about 10 seconds, a few more the first time. Shows what happens line by line; Ctrl-C ends
    all of it within 10 seconds. The data stays for the next start.
    """
    from engine.cli.folder import Folder
    from engine.cli.launch import launched
    from engine.cli.ports import Ports

    chosen = (
        Ports.free()
        if ports == "auto"
        else Ports(edge=edge_port, sandbox=sandbox_port, valkey=valkey_port)
    )
    interrupts = Interrupts()
    folder = Folder.at(data)
    typer.secho(f"Starting on {folder.root}; about 10 s.", err=True, bold=True)
    started = time.monotonic()
    try:
        with launched(
            folder, chosen, say=say, env_file=Path(".env").resolve(), at_once=interrupts.is_second
        ) as stack:
            say(f"ready after {time.monotonic() - started:.1f} s")
            _introduce(stack)
            _follow(stack)
    except KeyboardInterrupt:
        say("everything has ended; the data stays")
    finally:
        interrupts.restore()


class Interrupts:
    """Ctrl-C, SIGTERM and SIGHUP all end the stack in order; a second one ends patience."""

    def __init__(self) -> None:
        self._count = 0
        self._before = {
            number: signal.signal(number, self._take)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }

    def is_second(self) -> bool:
        """Whether somebody asked again."""
        return self._count > 1

    def restore(self) -> None:
        """Put back what was there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            say("stopping; again to stop at once")
            raise KeyboardInterrupt


def say(text: str) -> None:
    """One line of progress."""
    typer.secho(f"• {text}", err=True, fg="cyan")


def _introduce(stack: "Stack") -> None:
    from engine.cli.people import read_people
    from engine.cli.token import mint
    from engine.settings import Settings

    settings = Settings.load(stack.settings)
    socket_url = stack.edge_url.replace("http", "ws", 1)
    print(f"""
  edge       {stack.edge_url}      a browser listens at {socket_url}/ws?token=…
  sandbox    {stack.sandbox_url}      what is public: {stack.sandbox_url}/sandbox/truth
  database   {stack.database_url}
  redis      {stack.settings["SNS_REDIS_URL"]}
  logs       {stack.folder.logs}

Tokens for 12 hours (`sns token --user EMAIL` prints another):
""")
    for person in read_people(stack.database_url):
        print(f"  {person.name} · {person.role} · {person.email}")
        print(f"    {mint(settings, person.id, [person.role], person.clients)}")
    print("\nCtrl-C ends everything.\n", flush=True)


def _follow(stack: "Stack") -> None:
    """Show the logs until interrupted.

    Raises:
        CommandFailed: the process manager is gone, or gave up on a process.
    """
    from engine.cli.follow import LogFollower, readable

    given_up: set[str] = set()
    with LogFollower(stack.logs()) as follower:
        while True:
            for program, line in follower.new_lines():
                print(readable(program, line), file=sys.stderr, flush=True)
            if not stack.supervisor.is_running():
                raise CommandFailed(
                    "the process manager was ended, and with it everything; start again"
                )
            for name, found in stack.supervisor.states().items():
                if found.state == "FATAL" and name not in given_up:
                    given_up.add(name)
                    say(f"{name} does not stay up and is left alone; see {stack.folder.logs}")
            time.sleep(LOOK_EVERY_S)
