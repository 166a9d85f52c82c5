"""Starts worker command lines by forking: ``python -m tests.chaos.publishing.nursery``.

A worker's second of imports would be most of what a thousand kills cost. This process makes them
once; each command line is then a fork that goes through ``dramatiq.cli.main`` as ``dramatiq`` does,
master and worker process and all. It holds no thread, no loop and no connection.

It reads one JSON object a line, ``{"arguments", "environment", "log"}``, and answers ``started
PID`` in the same order; ``ended PID`` when one is gone. When its input ends it kills what is left.
"""

import contextlib
import gc
import json
import os
import select
import signal
import sys
from typing import Any

import dramatiq.cli

from engine.brokers.processes import die_with_parent
from engine.workers import critical
from tests.chaos.publishing import plans

__all__ = ["critical", "plans"]  # imported for those that are forked

READ_BYTES = 65_536


def main() -> None:
    """Fork on demand until the input ends."""
    children: set[int] = set()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.collect()
    gc.freeze()  # so that collections in a child do not copy what it shares with us
    waiting = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, READ_BYTES)
            reap(children)
        if 0 not in ready:
            continue
        read = os.read(0, READ_BYTES)
        if not read:
            break
        *lines, waiting = (waiting + read).split(b"\n")
        for line in lines:
            children.add(fork(json.loads(line), wake, woken))
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def fork(wanted: dict[str, Any], *ours: int) -> int:
    """A command line of its own; gives its process id."""
    child = os.fork()
    if child:
        say(f"started {child}")
        return child
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent()
        os.setsid()
        for descriptor in ours:
            os.close(descriptor)
        log = os.open(wanted["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(wanted["environment"])
        sys.argv = ["dramatiq", *wanted["arguments"]]
        code = dramatiq.cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  # it must not go on as a second nursery
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stderr.flush()
    os._exit(code or 0)


def reap(children: set[int]) -> None:
    """Tell of those that have ended."""
    with contextlib.suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            children.discard(child)
            say(f"ended {child}")


def say(line: str) -> None:
    """To whoever started this process."""
    os.write(1, line.encode() + b"\n")


if __name__ == "__main__":
    main()
