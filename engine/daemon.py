"""The scheduler daemon: APScheduler says when, a row says that, and a relay sends it.

Any number of replicas may run. Each plans the same times and tries to write each tick; the row's
key lets one of them. A replica that dies between any two statements leaves either both the tick
and its message, or neither, and then another replica's try writes them.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
import uvloop
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from engine.actors import all as actors
from engine.errors import BootFailed
from engine.logs import configure_logs
from engine.metrics import serve_metrics
from engine.runtime import Runtime, tier_of
from engine.services.ticking import Job, latest_planned, tick
from engine.settings import Settings
from models.outbox import OUTBOX_CHANNEL

__all__ = ["Job", "actors", "at", "every", "run"]

log = structlog.get_logger(__name__)

SEOUL: Final = ZoneInfo("Asia/Seoul")
RETRY_S: Final = 1.0
EPOCH: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""All intervals count from here, so that every replica plans the same times."""


def every(seconds: int) -> IntervalTrigger:
    """A fixed interval, the same instants on every machine."""
    return IntervalTrigger(seconds=seconds, start_date=EPOCH, timezone=UTC)


def at(clock: str, zone: ZoneInfo = SEOUL) -> CronTrigger:
    """Once a day at ``"HH:MM"`` by the clocks of ``zone``."""
    hour, minute = clock.split(":")
    return CronTrigger(hour=int(hour), minute=int(minute), timezone=zone)


class Daemon:
    """Fires the jobs of one replica."""

    def __init__(self, runtime: Runtime, jobs: Sequence[Job]) -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    async def run(self, stopping: asyncio.Event) -> None:
        """Fire what was missed, then what comes, until ``stopping``."""
        scheduler = AsyncIOScheduler(timezone=UTC)
        for job in self._jobs:
            scheduler.add_job(
                self._fire,
                job.trigger,
                args=[job],
                id=job.name,
                coalesce=True,
                # Late is better than never: the planned time is looked up, not taken from here.
                misfire_grace_time=None,
            )
        scheduler.start()
        try:
            await asyncio.gather(*(self._fire(job) for job in self._jobs))
            await stopping.wait()
        finally:
            scheduler.shutdown(wait=False)

    async def _fire(self, job: Job) -> None:
        planned_at = latest_planned(job.trigger, datetime.now(UTC), within=job.catch_up)
        if planned_at is None:
            return
        while True:
            try:
                if await tick(
                    self._runtime.database, job, planned_at=planned_at, fired_by=self._name
                ):
                    log.info("tick", job=job.name, planned_at=planned_at.isoformat())
                return
            except Exception as error:  # noqa: BLE001  # the database is away
                log.warning("cannot tick", job=job.name, error=str(error).splitlines()[:1])
                if datetime.now(UTC) - planned_at > job.catch_up + timedelta(minutes=1):
                    return
                await asyncio.sleep(RETRY_S)


def run(jobs: Sequence[Job]) -> int:
    """Run the daemon until SIGTERM or SIGINT; gives the exit code.

    A database that cannot be used at boot is one clear line and exit code 1.
    """
    try:
        unknown = [job.actor for job in jobs if tier_of(job.actor) is None]
        if unknown:
            raise BootFailed(f"the schedule names actors that do not exist: {', '.join(unknown)}")
        settings = Settings.load()
        configure_logs(format_=settings.log_format, level=settings.log_level, process="scheduler")
        serve_metrics(settings.metrics_host, settings.metrics_port_scheduler)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, jobs))
    except BootFailed as error:
        sys.stderr.write(f"cannot start: {error}\n")
        return 1
    return 0


async def _run(settings: Settings, jobs: Sequence[Job]) -> None:
    runtime = await Runtime.open(settings)
    runtime.start_listening({OUTBOX_CHANNEL: runtime.start_relay()})
    runtime.start_burying()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runtime.stopping.set)
    log.info("scheduler is up", jobs=[job.name for job in jobs])
    try:
        await Daemon(runtime, jobs).run(runtime.stopping)
    finally:
        try:
            await runtime.close()
        except Exception:
            # The rows are the truth and nothing is left to do, but it must be seen.
            log.exception("the runtime did not close cleanly")
        log.info("scheduler is down")
