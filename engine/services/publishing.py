"""Carries posts from their rows to the platform at their second.

A :class:`Publisher` lives in every critical worker. It claims rows, prepares them ahead of time,
holds the near ones in memory until they are due, and sends them: per account one after another,
accounts side by side. The row is the truth at every moment; what is held here can be lost.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final, TypeVar

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import (
    AccountStopped,
    ContainerGone,
    NotSent,
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    RetryLater,
    Throttled,
)
from engine.metrics import LATENESS, POSTS
from engine.ports import AccountAccess, Clock, Container, MediaProbe, PlatformClient
from engine.services import claiming
from engine.services.claiming import Claim
from engine.services.ending import refuse
from engine.services.ledger import Ledger, Receipt, close_attempt, move
from engine.services.posts import post_of
from engine.services.preparing import Preparation, open_access
from engine.services.reconciling import Reconciliation
from models.accounts import Platform, TokenUnreadable, TokenVault
from models.publishing import PublishingStatus

log = structlog.get_logger(__name__)
R = TypeVar("R")

HOLD_AHEAD: Final = timedelta(seconds=60)
"""A prepared post is held in memory from this long before its time."""

WARM_AHEAD: Final = timedelta(seconds=1.5)
"""Connections are opened this long before a post, so that no handshake makes it late."""

COMMIT_AHEAD: Final = timedelta(milliseconds=60)
"""The attempt is committed this long before the due time; from then on no change is taken."""

ORDER_LOOKS: Final = 100
ORDER_LOOK_S: Final = 0.02
"""So often, two seconds in all, a post looks for an earlier one of its account that is late."""

SWEEP_S: Final = 1.0  # also what a lost NOTIFY costs
MOST_HELD: Final = 1000
INSIST_S: Final = 0.25
LEASE_MARGIN_S: Final = 1.0  # for the request to leave this machine
LET_GO_AHEAD: Final = timedelta(seconds=2)
LET_GO_S: Final = 20.0
_NOT_SENT_YET: Final = {PublishingStatus.PENDING, PublishingStatus.STAGED}
_ON_THE_WIRE: Final = {PublishingStatus.STAGED, PublishingStatus.SENDING}
LINK_READERS: Final = 8
LINK_TRIES_S: Final = (0.0, 0.4, 1.2)  # links may lag behind the post (Meta error 100/33)


@dataclass(frozen=True, slots=True)
class PublishingRules:
    """The settings that the publisher obeys; seconds."""

    lease_s: float
    retry_base_s: float
    retry_max: int
    doubt_wait_s: float
    doubt_give_up_s: float
    too_late_s: float


class _Lane:
    """One account's order: one post commits while the one before it is on the wire."""

    def __init__(self) -> None:
        self.commit = asyncio.Lock()
        self.send = asyncio.Lock()
        self.is_blocked = False
        self.held_until = 0.0  # monotonic seconds

    def open(self) -> None:
        """Forget what was in the way."""
        self.is_blocked, self.held_until = False, 0.0


class Publisher:
    """The publishing loop of one critical worker.

    Args:
        database: PostgreSQL.
        platforms: the client of each platform that this installation can publish to.
        vault: opens the accounts' tokens.
        probe: looks at pictures and videos before they are sent.
        clock: the wall clock that due times are compared with.
        owner: this process's name in leases; unique per process.
        rules: waits and limits.
        random: source of jitter.
    """

    def __init__(
        self,
        *,
        database: AsyncEngine,
        platforms: Mapping[Platform, PlatformClient],
        vault: TokenVault,
        probe: MediaProbe,
        clock: Clock,
        owner: str,
        rules: PublishingRules,
        random: Random,
    ) -> None:
        self._database = database
        self._platforms = platforms
        self._vault = vault
        self._clock = clock
        self._owner = owner
        self._rules = rules
        self._random = random
        self._ledger = Ledger(database)
        self._preparation = Preparation(
            database=database,
            vault=vault,
            probe=probe,
            clock=clock,
            random=random,
            retry_base_s=rules.retry_base_s,
            retry_max=rules.retry_max,
            too_late_s=rules.too_late_s,
        )
        self._reconciliation = Reconciliation(
            database=database,
            vault=vault,
            clock=clock,
            ledger=self._ledger,
            wait=timedelta(seconds=rules.doubt_wait_s),
            give_up=timedelta(seconds=rules.doubt_give_up_s),
            retry_base=timedelta(seconds=rules.retry_base_s),
            retry_max=rules.retry_max,
        )
        self._lanes: defaultdict[int, _Lane] = defaultdict(_Lane)
        self._held: dict[asyncio.Task[None], Claim] = {}
        self._leased_until: dict[tuple[int, int], float] = {}  # lease → monotonic seconds
        # Links are for people's comfort; two hundred of them at once must not delay a post.
        self._link_readers = asyncio.Semaphore(LINK_READERS)
        self._warmed_at: dict[Platform, float] = {}
        self._app_held_until: dict[Platform, float] = {}  # monotonic seconds
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There may be something to claim."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping`` is set; then finish what is on the wire and let go the rest."""
        renewal = asyncio.create_task(self._keep_leases())
        stop_wait = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                await self._claim()
                wake_wait = asyncio.create_task(self._wake.wait())
                await asyncio.wait(
                    {wake_wait, stop_wait}, timeout=SWEEP_S, return_when=asyncio.FIRST_COMPLETED
                )
                wake_wait.cancel()
                self._wake.clear()
        finally:
            stop_wait.cancel()
            await self._let_go()
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)

    async def _claim(self) -> None:
        room = MOST_HELD - len(self._held)
        if room <= 0:
            return
        try:
            rescued = await claiming.rescue(self._database)
            asked_at = self._clock.monotonic()
            claims = await claiming.claim(
                self._database,
                owner=self._owner,
                lease_s=self._rules.lease_s,
                limit=room,
                too_late_s=self._rules.too_late_s,
            )
        except Exception as error:  # noqa: BLE001  # the database is away: the next sweep tries
            log.warning("cannot claim", error=one_line(error))
            return
        if rescued:
            log.warning("posts in doubt: their sender vanished", count=rescued)
        for claimed in claims:
            self._leased_until[claimed.lease] = asked_at + self._rules.lease_s
            task = asyncio.create_task(self._carry(claimed))
            self._held[task] = claimed
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._leased_until.pop(self._held.pop(task).lease, None)
        if not task.cancelled() and task.exception() is not None:
            log.error("post carrier failed", exc_info=task.exception())

    async def _carry(self, claimed: Claim) -> None:
        with structlog.contextvars.bound_contextvars(
            trace_id=claimed.trace_id, content_id=claimed.content_id, log_id=claimed.id
        ):
            try:
                await self._carry_on(claimed)
            except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
                log.warning("put off: the database is away", error=one_line(error))
            except Exception as error:
                log.exception("put off after a fault of ours")
                if claimed.status in _NOT_SENT_YET:
                    await self._count_fault(claimed, error)
                # A post that may have been sent is left to its lease, and then to the doubt.

    async def _count_fault(self, claimed: Claim, error: Exception) -> None:
        """Retry like any other fault, so that one bad row neither loops for ever nor is lost."""
        fault = RetryLater(one_line(error), code="internal_fault")
        await self._insist(lambda: self._refuse(claimed, fault))

    async def _carry_on(self, claimed: Claim) -> None:
        platform = self._platforms.get(claimed.platform)
        if claimed.status is PublishingStatus.IN_DOUBT:
            await self._reconciliation.look(claimed, platform)
            return
        access = await self._preparation.check(claimed, platform)
        if access is None or platform is None:
            return
        # Its row says that it is active, and a claim passes over what is held.
        self._lanes[claimed.account_id].open()
        self._app_held_until.pop(claimed.platform, None)
        if claimed.status is PublishingStatus.PENDING and not await self._preparation.prepare(
            claimed, platform, access
        ):
            return
        due_in = claimed.due_at - self._clock.now()
        if due_in > HOLD_AHEAD:
            async with self._database.begin() as connection:
                await claiming.release(connection, claimed, act_at=claimed.due_at - HOLD_AHEAD)
            return
        log.info("armed", due_in_s=round(due_in.total_seconds(), 3))
        await self._clock.sleep_until(claimed.due_at - WARM_AHEAD)
        await self._warm_up(claimed.platform, platform)
        await self._clock.sleep_until(claimed.due_at - COMMIT_AHEAD)
        await self._send(claimed, platform, access)

    async def _warm_up(self, name: Platform, platform: PlatformClient) -> None:
        now = self._clock.monotonic()
        if now - self._warmed_at.get(name, -1e9) > WARM_AHEAD.total_seconds() / 2:
            self._warmed_at[name] = now
            await platform.warm_up()

    async def _send(self, claimed: Claim, platform: PlatformClient, access: AccountAccess) -> None:
        container = claimed.container
        if container is None:
            raise ValueError("a staged post has a container")
        lane = self._lanes[claimed.account_id]
        await self._let_earlier_ones_pass(claimed)
        async with lane.commit:
            attempt_id = await self._ledger.begin(claimed, f"publish {container.id}")
            if attempt_id is None:
                log.info("not sent: changed, withdrawn or taken over")
                return
            await lane.send.acquire()
        access = self._renewed(claimed, access)
        try:
            answer = await self._call(claimed, container, platform, access, lane)
        finally:
            lane.send.release()
        if isinstance(answer, PlatformError):
            await self._end_badly(claimed, answer, attempt_id)
        else:
            await self._end_well(claimed, platform, access, Receipt(claimed, attempt_id, answer))

    def _renewed(self, claimed: Claim, access: AccountAccess) -> AccountAccess:
        """The right to act with the token that the account had when the attempt began."""
        try:
            return open_access(claimed, self._vault) or access
        except TokenUnreadable:  # sealed by a key that this process does not know yet
            return access

    async def _let_earlier_ones_pass(self, claimed: Claim) -> None:
        """Keep an account's order when an earlier post is late, but not for ever.

        One that is still being prepared at its second has a moment in which it goes first.
        """
        for _ in range(ORDER_LOOKS):
            is_first = not any(
                other.account_id == claimed.account_id
                and other.status is PublishingStatus.PENDING
                and (other.due_at, other.id) < (claimed.due_at, claimed.id)
                for other in self._held.values()
            )
            if is_first:
                return
            await asyncio.sleep(ORDER_LOOK_S)

    async def _call(
        self,
        claimed: Claim,
        container: Container,
        platform: PlatformClient,
        access: AccountAccess,
        lane: _Lane,
    ) -> str | PlatformError:
        """The one call that people can see: the post's id, or what went wrong."""
        post = post_of(claimed)
        await self._clock.sleep_until(claimed.due_at)
        if lane.is_blocked:
            return NotSent("the post before it met a blocked account", code="account_blocked")
        if (held := self._held_back(claimed.platform, lane)) is not None:
            return held
        if self._clock.monotonic() > self._leased_until.get(claimed.lease, 0.0) - LEASE_MARGIN_S:
            return NotSent("this worker may have lost its lease", code="lease_unsure")
        late = self._clock.now() - claimed.due_at
        LATENESS.observe(max(0.0, late.total_seconds()))
        try:
            return await platform.publish(access, container, post)
        except PlatformError as error:
            lane.is_blocked |= isinstance(error, ReconnectNeeded | AccountStopped)
            if isinstance(error, Throttled):
                until = self._clock.monotonic() + error.retry_after_s
                if error.scope == "app":
                    self._app_held_until[claimed.platform] = until
                else:
                    lane.held_until = until
            return error

    def _held_back(self, platform: Platform, lane: _Lane) -> Throttled | None:
        """What keeps a post that is already in memory from being sent while a limit is spent."""
        until = max(lane.held_until, self._app_held_until.get(platform, 0.0))
        left_s = until - self._clock.monotonic()
        if left_s <= 0:
            return None
        return Throttled(
            "the platform let the post before it wait", code="held_back", retry_after_s=left_s
        )

    async def _end_well(
        self,
        claimed: Claim,
        platform: PlatformClient,
        access: AccountAccess,
        receipt: Receipt,
    ) -> None:
        if not await self._insist(lambda: self._ledger.succeed(receipt)):
            log.warning("live, but the lease was lost: the reconciliation binds it")
            return
        log.info("published", post_id=receipt.post_id)
        POSTS.labels("published").inc()
        for pause_s in LINK_TRIES_S:
            await asyncio.sleep(pause_s)
            try:
                async with self._link_readers:
                    url = await platform.read_permalink(access, receipt.post_id, claimed.kind or "")
            except PlatformError as error:
                log.info("no link yet", error=str(error))
                continue
            if url is not None:
                await self._ledger.add_link(claimed, url)
                return

    async def _end_badly(self, claimed: Claim, error: PlatformError, attempt_id: int) -> None:
        kind = type(error).__name__
        log.warning("not published", code=error.code, error=str(error), kind=kind)
        POSTS.labels(kind).inc()
        if isinstance(error, OutcomeUnknown) or (
            # "No such container" may mean that an earlier call, whose answer was lost, used it up.
            isinstance(error, ContainerGone) and await self._was_tried_before(claimed, attempt_id)
        ):
            await self._insist(lambda: self._doubt(claimed, error, attempt_id))
            return
        await self._insist(lambda: self._refuse(claimed, error, attempt_id))

    async def _refuse(
        self, claimed: Claim, error: PlatformError, attempt_id: int | None = None
    ) -> bool:
        return await refuse(
            self._database,
            claimed,
            error,
            now=self._clock.now(),
            retry_base_s=self._rules.retry_base_s,
            retry_max=self._rules.retry_max,
            random=self._random,
            attempt_id=attempt_id,
            outcome="not_sent" if isinstance(error, NotSent) else "refused",
        )

    async def _doubt(self, claimed: Claim, error: PlatformError, attempt_id: int) -> bool:
        async with self._database.begin() as connection:
            await close_attempt(
                connection,
                attempt_id,
                "unknown",
                {"code": error.code, "message": str(error), **error.evidence},
            )
            return await move(
                connection,
                claimed,
                PublishingStatus.IN_DOUBT,
                act_at=self._clock.now(),
                error_code=error.code,
                error_message=str(error),
            )

    async def _was_tried_before(self, claimed: Claim, attempt_id: int) -> bool:
        async def ask() -> bool:
            async with self._database.connect() as connection:
                count: int = (
                    await connection.execute(
                        text("""
                            SELECT count(*) FROM publishing_attempts
                            WHERE publishing_log_id = :log_id AND id <> :attempt_id AND is_visible
                              AND call LIKE 'publish %'
                              AND coalesce(outcome, 'unknown') IN ('unknown', 'accepted')
                        """),
                        {"log_id": claimed.id, "attempt_id": attempt_id},
                    )
                ).scalar_one()
            return count > 0

        return await self._insist(ask)

    async def _insist(self, write: Callable[[], Awaitable[R]]) -> R:
        """Write until the database takes it. A write that comes too late changes nothing."""
        while True:
            try:
                return await write()
            except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
                log.warning("the database does not take a result yet", error=one_line(error))
                await asyncio.sleep(INSIST_S)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._rules.lease_s / 4)
            held = list(self._held.values())
            if not held:
                continue
            asked_at = self._clock.monotonic()
            try:
                ours = await claiming.renew(
                    self._database, owner=self._owner, lease_s=self._rules.lease_s, held=held
                )
            except Exception as error:  # noqa: BLE001  # then nothing more is sent, see _call
                log.warning("cannot renew leases", error=one_line(error))
                continue
            for lease in ours & self._leased_until.keys():  # one may have been let go meanwhile
                self._leased_until[lease] = asked_at + self._rules.lease_s

    async def _let_go(self) -> None:
        """Finish what is at its second, and give every other post back at once."""
        soon = self._clock.now() + LET_GO_AHEAD
        finishing = {
            task
            for task, claimed in self._held.items()
            if claimed.due_at <= soon and claimed.status in _ON_THE_WIRE
        }
        idle = {task: claimed for task, claimed in self._held.items() if task not in finishing}
        for task in idle:
            task.cancel()
        await asyncio.gather(*idle, return_exceptions=True)
        with contextlib.suppress(OSError, SQLAlchemyError, asyncpg.PostgresError):
            async with self._database.begin() as connection:
                for claimed in idle.values():
                    await claiming.release(connection, claimed)
        if finishing:
            await asyncio.wait(finishing, timeout=LET_GO_S)


def one_line(error: BaseException) -> str:
    """An error as one log line; SQLAlchemy's own text spans several."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
