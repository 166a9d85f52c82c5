"""The critical worker with a misfortune in it: ``dramatiq tests.chaos.publishing.worker:critical``.

The product has no failpoints. This module imports what production runs, puts a word around the
functions at the named points, and waits at a gate until it is given its plan; so a successor is
warm when its predecessor dies. Without a plan it behaves as ``engine.workers`` does.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event

from engine import runtime
from engine.actors import publishing as actors
from engine.brokers.consumer import PriorityConsumer
from engine.brokers.processes import die_with_parent
from engine.clock import SystemClock
from engine.platforms.connection import Connection
from engine.runtime import Runtime
from engine.services import claiming, scanning
from engine.services.claiming import Claim
from engine.services.ledger import Ledger
from engine.services.preparing import Preparation, RowParts
from engine.services.publishing import Publisher
from engine.services.reconciling import Reconciliation
from engine.workers import critical
from tests.chaos.publishing.plans import Action, Plan, Point, Strike

__all__ = ["critical"]

BEATS_UNTIL_DEAD = 3  # as in the broker: 2 s and 6 s
HOLD_BREATH_S = 0.12  # nothing of this process moves while the runner kills a server


def wait_for_plan(gate: str) -> Plan:
    """Block until the runner opens the gate, a named pipe, and writes the plan."""
    with open(gate, "rb") as pipe:
        return Plan.from_json(pipe.readline())


class Fate:
    """Counts passings, and strikes: first with the lesser misfortune, if there is one."""

    def __init__(self, plan: Plan, strikes: str) -> None:
        self.plan = plan
        self._strikes = os.open(strikes, os.O_WRONLY | os.O_APPEND)
        self._ahead: list[tuple[Action, Point]] = []
        if plan.before is not None:
            self._ahead.append(plan.before)
        if plan.action is not None and plan.point is not None:
            self._ahead.append((plan.action, plan.point))
        self._waiting_since = time.monotonic()
        self._passed = 0
        self._lock = threading.Lock()
        self.clock_off_s = plan.clock_off_s

    def waits_at(self, point: Point, claim: Claim | None) -> bool:
        """Whether a passing here counts."""
        if not self._ahead:
            return False
        plan = self.plan
        waited_s = time.monotonic() - self._waiting_since
        if point is not self._ahead[0][1] and waited_s < 8 * plan.patience_s:
            return False
        if claim is None:
            return True
        if plan.is_first_claim and claim.lease_number > 1:
            return False
        wanted = (plan.platform in (None, claim.platform)) and (
            # Nobody knows a post's kind before it is prepared for the first time.
            plan.kind is None or claim.kind is None or plan.kind == claim.kind
        )
        return wanted or waited_s >= plan.patience_s

    def passing(self, point: Point, claims: Iterable[Claim | None]) -> None:
        """Posts pass a point together; the misfortune may be theirs."""
        claims = list(claims)
        with self._lock:
            fitting = [claim for claim in claims if self.waits_at(point, claim)]
            if not fitting:
                return
            self._passed += len(fitting)
            if self._passed < self.plan.nth:
                return
            action, _ = self._ahead.pop(0)
            self._passed, self._waiting_since = 0, time.monotonic()
        self._strike(action, point, fitting)

    def _strike(self, action: Action, point: Point, fitting: list[Claim | None]) -> None:
        plan = self.plan
        first = fitting[0]
        strike = Strike(
            plan=plan.number,
            action=str(action),
            point=str(point),
            at=time.time(),
            pid=os.getpid(),
            posts=[claim.id for claim in fitting if claim is not None],
            platform=None if first is None else str(first.platform),
            kind=None if first is None else first.kind,
        )
        os.write(self._strikes, strike.to_json())
        match action:
            case Action.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.FREEZE:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Action.TERMINATE:
                os.kill(os.getppid(), signal.SIGTERM)
            case Action.STEP_CLOCK:
                self.clock_off_s += plan.clock_step_s
            case Action.KILL_VALKEY | Action.KILL_POSTGRES:
                time.sleep(HOLD_BREATH_S)


class SteppedClock(SystemClock):
    """A wall clock that is off, and can jump; the monotonic one is nobody's to set."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=fate.clock_off_s)

    async def sleep_until(self, instant: datetime) -> None:
        while True:
            left_s = (instant - self.now()).total_seconds()
            if left_s <= 0:
                return
            await asyncio.sleep(min(left_s, 0.2))  # short, to notice a jump in a scaled second


# Taken from production, each to be called by the function that takes its place below.
claim_rows = claiming.claim
claim_from_row = Claim.from_row.__func__  # type: ignore[attr-defined]
store_container = Preparation._store
mark_staged = Preparation._mark_staged
keep_parts = RowParts.keep
begin_all = Ledger._begin_all
begin_one = Ledger.begin
succeed_all = Ledger._succeed_all
succeed_one = Ledger.succeed
carry = Publisher._carry
act_on_look = Reconciliation._act
exchange_bytes = Connection.exchange
acknowledge = PriorityConsumer.ack
open_platforms = runtime.open_platforms
open_runtime = Runtime.open.__func__  # type: ignore[attr-defined]
publish_now = scanning.publish_now

in_hand: ContextVar[Claim | None] = ContextVar("in_hand", default=None)
sending: ContextVar[Claim | None] = ContextVar("sending", default=None)
committing: ContextVar[tuple[Point, list[Claim]] | None] = ContextVar("committing", default=None)


def from_row(cls: type[Claim], row: Any) -> Claim:
    claim = claim_from_row(cls, row)
    fate.passing(Point.BEFORE_CLAIM_COMMIT, [claim])  # it is called before the transaction ends
    return claim


async def claim(*args: Any, **named: Any) -> list[Claim]:
    claims = await claim_rows(*args, **named)
    fate.passing(Point.AFTER_CLAIM_COMMIT, claims)
    return claims


async def carry_in_hand(self: Publisher, claimed: Claim) -> None:
    in_hand.set(claimed)  # each post has a task of its own, and so a context of its own
    await carry(self, claimed)


async def store(self: Preparation, claimed: Claim, container_id: str) -> None:
    await store_container(self, claimed, container_id)
    fate.passing(Point.PREPARED, [claimed])


async def stage(self: Preparation, claimed: Claim) -> bool:
    is_staged = await mark_staged(self, claimed)
    if is_staged:
        fate.passing(Point.STAGED, [claimed])
    return is_staged


async def keep(self: RowParts, **parts: Any) -> None:
    fate.passing(Point.PREPARED_NOT_STORED, [self._claimed])
    await keep_parts(self, **parts)
    fate.passing(Point.PREPARED, [self._claimed])


async def begin_batch(self: Ledger, asked: Any) -> Any:
    token = committing.set((Point.BEFORE_SENDING_COMMIT, [claimed for claimed, _ in asked]))
    try:
        return await begin_all(self, asked)
    finally:
        committing.reset(token)


async def begin(self: Ledger, claimed: Claim, call: str) -> int | None:
    attempt_id = await begin_one(self, claimed, call)
    if attempt_id is not None:
        fate.passing(Point.AFTER_SENDING_COMMIT, [claimed])
    return attempt_id


async def succeed_batch(self: Ledger, receipts: Any) -> Any:
    token = committing.set((Point.BEFORE_RESULT_COMMIT, [receipt.claim for receipt in receipts]))
    try:
        return await succeed_all(self, receipts)
    finally:
        committing.reset(token)


async def succeed(self: Ledger, receipt: Any) -> bool:
    is_done = await succeed_one(self, receipt)
    if is_done:
        fate.passing(Point.AFTER_RESULT_COMMIT, [receipt.claim])
    return is_done


async def act(self: Reconciliation, claimed: Claim, *rest: Any) -> None:
    fate.passing(Point.LOOKED, [claimed])
    await act_on_look(self, claimed, *rest)


async def exchange(self: Connection, request: bytes) -> Any:
    claimed = sending.get()
    if claimed is None or not fate.waits_at(Point.REQUEST_LEFT, claimed):
        return await exchange_bytes(self, request)
    answer = asyncio.ensure_future(exchange_bytes(self, request))
    # The loop hands written bytes to the kernel at the end of its turn.
    await asyncio.wait([answer], timeout=max(0.001, fate.plan.delay_s))
    fate.passing(Point.REQUEST_LEFT, [claimed])
    return await answer


def ack(self: PriorityConsumer, message: Any) -> None:
    fate.passing(Point.BEFORE_ACK, [None])
    acknowledge(self, message)


def around(client: Any) -> Any:
    """A platform's client with words around its two phases."""
    prepare, publish = client.prepare, client.publish

    async def prepare_here(*args: Any) -> Any:
        container_id = await prepare(*args)
        fate.passing(Point.PREPARED_NOT_STORED, [in_hand.get()])
        return container_id

    async def publish_here(*args: Any) -> Any:
        token = sending.set(in_hand.get())
        try:
            return await publish(*args)
        finally:
            sending.reset(token)
            fate.passing(Point.ANSWERED, [in_hand.get()])

    client.prepare, client.publish = prepare_here, publish_here
    return client


async def open_with_clock(cls: type[Runtime], settings: Any) -> Runtime:
    here = await open_runtime(cls, settings)
    here.clock = SteppedClock()
    event.listen(here.database.sync_engine, "commit", before_commit)
    return here


def before_commit(_: object) -> None:
    """SQLAlchemy says that it is about to commit."""
    if (on_its_way := committing.get()) is not None:
        fate.passing(*on_its_way)


commands = 0


async def publish_then_fail(*args: Any, **named: Any) -> bool:
    """A command whose work is committed and whose message is then tried again."""
    global commands  # the process's own count
    is_asked = await publish_now(*args, **named)
    commands += 1
    if fate.plan.actor_fails_every and commands % fate.plan.actor_fails_every == 0:
        raise OSError("a fault after the commit, by plan")
    return is_asked


def put_in_place() -> None:
    """From here on this process runs what is above."""
    claiming.claim = claim
    Claim.from_row = classmethod(from_row)  # type: ignore[assignment, method-assign]
    Publisher._carry = carry_in_hand  # type: ignore[method-assign]
    Preparation._store = store  # type: ignore[method-assign]
    Preparation._mark_staged = stage  # type: ignore[method-assign]
    RowParts.keep = keep  # type: ignore[method-assign]
    Ledger._begin_all = begin_batch  # type: ignore[method-assign]
    Ledger.begin = begin  # type: ignore[method-assign]
    Ledger._succeed_all = succeed_batch  # type: ignore[method-assign]
    Ledger.succeed = succeed  # type: ignore[method-assign]
    Reconciliation._act = act  # type: ignore[method-assign]
    Connection.exchange = exchange  # type: ignore[method-assign]
    PriorityConsumer.ack = ack  # type: ignore[method-assign]
    Runtime.open = classmethod(open_with_clock)  # type: ignore[assignment, method-assign]
    runtime.open_platforms = lambda *given: {
        name: around(client) for name, client in open_platforms(*given).items()
    }
    scanning.publish_now = publish_then_fail
    if fate.plan.beat_s is not None:
        critical._beat_s = fate.plan.beat_s
        critical._dead_after_s = fate.plan.beat_s * BEATS_UNTIL_DEAD
    if fate.plan.actor_backoff_ms is not None:
        for actor in (actors.publish_to_platform, actors.scan_scheduled_posts):
            actor.options["min_backoff"] = fate.plan.actor_backoff_ms


die_with_parent()  # a successor that is never needed must not outlive the runner
fate = Fate(wait_for_plan(os.environ["CHAOS_GATE"]), os.environ["CHAOS_STRIKES"])
put_in_place()
