"""Which process the demo kills, and how: without a warning, in the middle of its work."""

import signal
from typing import Literal

import psutil

from engine.cli.faults import CommandFailed
from engine.cli.supervise import Supervisor

Victim = Literal["critical", "scheduler", "edge", "valkey", "postgres"]


def kill(supervisor: Supervisor, victim: Victim) -> int:
    """Send SIGKILL to the process that does the work; gives its id.

    For ``critical`` that is the worker under dramatiq's master, not the master: it holds the leases
    and the open requests. Its master notices and ends itself before the supervisor starts both
    again. Killing the master instead takes the worker along at once; that was tried too and costs
    the same: what was on its way waits for its lease to end.
    """
    state = supervisor.states().get(victim)
    if state is None or not state.pid:
        raise CommandFailed(f"{victim} does not run, so it cannot be killed")
    process = psutil.Process(state.pid)
    if victim == "critical":
        process = max(process.children(), key=lambda child: child.num_threads(), default=process)
    pid: int = process.pid
    process.send_signal(signal.SIGKILL)
    return pid
