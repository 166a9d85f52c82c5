"""A tick: one job at one planned time, in one row, whoever fires it and however often.

The row's key lets any number of schedulers try; the one whose insert succeeds writes the message
in the same transaction, so a tick and its message exist together or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from apscheduler.triggers.base import BaseTrigger
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.services.outboxing import put_message


@dataclass(frozen=True, slots=True)
class Job:
    """One line of the schedule.

    Attributes:
        name: part of every tick's key; never reused for something else.
        trigger: APScheduler's; an interval has to have a fixed start, so that all replicas plan
            the same times.
        actor: who does it.
        catch_up: a tick that was missed (nobody ran) is made up for if it is less late than this;
            of several missed ones only the latest.
    """

    name: str
    trigger: BaseTrigger
    actor: str
    catch_up: timedelta


def latest_planned(trigger: BaseTrigger, now: datetime, *, within: timedelta) -> datetime | None:
    """The last time at or before ``now`` that ``trigger`` planned, at most ``within`` ago."""
    planned: datetime | None = None
    candidate = _next(trigger, now - within)
    while candidate is not None and candidate <= now:
        planned = candidate
        candidate = _next(trigger, candidate + timedelta(seconds=1))
    return planned


def _next(trigger: BaseTrigger, instant: datetime) -> datetime | None:
    """The first planned time at or after ``instant``, in UTC, where no hour comes twice.

    An hour that a zone repeats counts once, the first time: ``fold`` marks the second.
    """
    found: datetime | None = trigger.get_next_fire_time(None, instant)
    while found is not None and found.fold:
        found = trigger.get_next_fire_time(None, found.astimezone(UTC) + timedelta(hours=1))
    return None if found is None else found.astimezone(UTC)


async def tick(
    database: AsyncEngine,
    job: Job,
    *,
    planned_at: datetime,
    fired_by: str,
    args: Sequence[Any] = (),
) -> bool:
    """Fire ``job`` for ``planned_at``; False when it was fired before, by anyone."""
    async with database.begin() as connection:
        fired = await connection.execute(
            text("""
                INSERT INTO ticks (job, planned_at, fired_by)
                VALUES (:job, :planned_at, :fired_by)
                ON CONFLICT (job, planned_at) DO NOTHING
            """),
            {"job": job.name, "planned_at": planned_at, "fired_by": fired_by},
        )
        if not fired.rowcount:
            return False
        await put_message(
            connection,
            key=f"tick:{job.name}:{planned_at.timestamp():.0f}",
            actor=job.actor,
            args=list(args),
            trace_id=uuid4().hex,
        )
    return True
