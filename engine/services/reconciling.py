"""Finds out what became of a post whose outcome is unknown. It only reads, and binds or waits.

Source: docs/state_machine.md has the rule; ``engine.rules.doubt`` decides.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import (
    AccountStopped,
    CircuitOpen,
    PlatformError,
    ReconnectNeeded,
    Throttled,
)
from engine.ports import (
    AccountAccess,
    Clock,
    ContainerReading,
    ContainerState,
    KindTraits,
    LivePost,
    PlatformClient,
)
from engine.rules.doubt import Verdict, Witnesses, judge, next_look_s, resend_wait
from engine.rules.matching import CLOCK_MARGIN, matching_posts, normalise
from engine.services.claiming import Claim
from engine.services.disconnecting import disconnect
from engine.services.ending import ask_person, fail
from engine.services.ledger import Ledger, Receipt, move, note_look
from engine.services.posts import post_of
from engine.services.preparing import open_access
from models.accounts import TokenUnreadable, TokenVault
from models.publishing import PublishingStatus

log = structlog.get_logger(__name__)

BLOCKED_CODES: Final = frozenset({"4/2207051"})
"""Answers after which a post is never repeated: the platform blocks the action (Instagram Platform
error codes, read 2026-11-23), though the post may be live all the same."""


SENDS_AGAIN: Final = frozenset({Verdict.SEND_SAME, Verdict.PREPARE_ANEW})

UNREADABLE_LIMIT: Final = timedelta(hours=24)
"""A platform that is down or throttles us is asked for this long before a person is."""

CONTAINER_LIFE: Final = timedelta(hours=24)
"""One that turned out to be published without a call that we know of is younger than this."""


@dataclass(frozen=True, slots=True)
class _LastAttempt:
    id: int
    post_id: str | None
    code: str | None


class Reconciliation:
    """Looks at posts in doubt, one look a claim."""

    def __init__(
        self,
        *,
        database: AsyncEngine,
        vault: TokenVault,
        clock: Clock,
        ledger: Ledger,
        wait: timedelta,
        give_up: timedelta,
        retry_base: timedelta,
        retry_max: int,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._ledger = ledger
        self._wait = wait
        self._give_up = give_up
        self._retry_base = retry_base
        self._retry_max = retry_max

    async def look(self, claimed: Claim, platform: PlatformClient | None) -> None:
        """Read once what can be read, and take the step that follows."""
        attempt = await self._last_attempt(claimed)
        if attempt.post_id is not None:  # the answer came, only its commit did not
            await self._ledger.succeed(Receipt(claimed, attempt.id, attempt.post_id))
            log.info("bound to the answer that was kept", post_id=attempt.post_id)
            return
        sent_at = claimed.sent_at or (
            (claimed.container_expires_at or self._clock.now()) - CONTAINER_LIFE
        )
        in_doubt_for = self._clock.now() - sent_at
        try:
            access = open_access(claimed, self._vault)
        except TokenUnreadable:
            access = None
        if platform is None or access is None:
            await self._cannot_read(claimed, in_doubt_for, "no access to the account")
            return
        try:
            claimed.kind = claimed.kind or platform.kind_of(post_of(claimed))
            container = await self._read_container(claimed, platform, access)
            traits = platform.traits_of(claimed.kind)
            is_named = container.post_id is not None
            matches = (
                []
                if is_named or not traits.is_listed
                else await self._matches(claimed, platform, access, traits, sent_at)
            )
        except PlatformError as error:
            if isinstance(error, ReconnectNeeded):
                await self._disconnect(claimed, error)
            await self._cannot_read(
                claimed,
                in_doubt_for,
                f"{error.code}: {error}",
                passes=not isinstance(error, ReconnectNeeded | AccountStopped),
                wait_s=error.retry_after_s if isinstance(error, Throttled | CircuitOpen) else 0.0,
            )
            return
        seen = Witnesses(
            container=container.state,
            matches=tuple(matches),
            names_post=is_named,
            is_repeatable=traits.is_idempotent,
            has_twin=await self._has_twin(claimed),
            is_blocked=attempt.code in BLOCKED_CODES,
        )
        wait = resend_wait(
            is_repeatable=traits.is_idempotent,
            doubt_wait=self._wait,
            retry_count=claimed.retry_count,
            retry_base=self._retry_base,
        )
        verdict = judge(seen, in_doubt_for=in_doubt_for, wait=wait, give_up=self._give_up)
        if verdict in SENDS_AGAIN and claimed.retry_count >= self._retry_max:
            verdict = Verdict.GIVE_UP
        pause_s = next_look_s(in_doubt_for, wait=wait)
        await self._act(claimed, attempt, seen, container, verdict, pause_s)

    async def _act(
        self,
        claimed: Claim,
        attempt: _LastAttempt,
        seen: Witnesses,
        container: ContainerReading,
        verdict: Verdict,
        pause_s: float,
    ) -> None:
        now = self._clock.now()
        log.info(
            "looked",
            container=str(container.state),
            named=container.post_id,
            verdict=str(verdict),
            matches=[post.post_id for post in seen.matches],
        )
        async with self._database.begin() as connection:
            await note_look(
                connection,
                claimed,
                {
                    "container": str(container.state),
                    "detail": container.detail,
                    "named": container.post_id,
                    "matches": [post.post_id for post in seen.matches],
                    "has_twin": seen.has_twin,
                    "verdict": str(verdict),
                },
            )
            match verdict:
                case Verdict.LOOK_AGAIN:
                    await move(
                        connection,
                        claimed,
                        PublishingStatus.IN_DOUBT,
                        act_at=now + timedelta(seconds=pause_s),
                    )
                case Verdict.SEND_SAME:
                    await move(
                        connection,
                        claimed,
                        PublishingStatus.STAGED,
                        act_at=now,
                        retry_count=claimed.retry_count + 1,
                    )
                case Verdict.PREPARE_ANEW:
                    await move(
                        connection,
                        claimed,
                        PublishingStatus.PENDING,
                        act_at=now,
                        retry_count=claimed.retry_count + 1,
                        drop_container=True,
                    )
                case Verdict.GIVE_UP:
                    code = "action_blocked" if seen.is_blocked else "retries_exhausted"
                    await fail(connection, claimed, code=code)
                case Verdict.ASK_PERSON:
                    await ask_person(connection, claimed, code="outcome_undecidable")
        if verdict is Verdict.BIND:
            named = container.post_id is not None
            post_id = container.post_id or seen.matches[0].post_id
            url = container.url if named else seen.matches[0].url
            await self._ledger.succeed(Receipt(claimed, attempt.id, post_id, url))

    async def _disconnect(self, claimed: Claim, error: ReconnectNeeded) -> None:
        """Have the account's owner asked; until then nobody can look."""
        async with self._database.begin() as connection:
            await disconnect(
                connection,
                account_id=claimed.account_id,
                used=claimed.sealed_token,
                code=error.code,
                now=self._clock.now(),
                trace_id=claimed.trace_id,
            )

    async def _cannot_read(
        self,
        claimed: Claim,
        in_doubt_for: timedelta,
        why: str,
        *,
        passes: bool = False,
        wait_s: float = 0.0,
    ) -> None:
        """Look again later; ask a person when no later look can be expected to succeed."""
        log.warning("cannot look", why=why)
        async with self._database.begin() as connection:
            await note_look(connection, claimed, {"cannot_look": why})
            if in_doubt_for >= (UNREADABLE_LIMIT if passes else self._give_up):
                await ask_person(connection, claimed, code="outcome_unreadable")
                return
            pause_s = max(wait_s, next_look_s(in_doubt_for, wait=self._wait))
            await move(
                connection,
                claimed,
                PublishingStatus.IN_DOUBT,
                act_at=self._clock.now() + timedelta(seconds=pause_s),
            )

    async def _read_container(
        self, claimed: Claim, platform: PlatformClient, access: AccountAccess
    ) -> ContainerReading:
        if claimed.container is None:
            return ContainerReading(ContainerState.UNKNOWN)
        return await platform.read_container(access, claimed.container)

    async def _matches(
        self,
        claimed: Claim,
        platform: PlatformClient,
        access: AccountAccess,
        traits: KindTraits,
        sent_at: datetime,
    ) -> list[LivePost]:
        kind = claimed.kind or ""
        posts = await platform.list_posts(access, kind, sent_at - CLOCK_MARGIN)
        return matching_posts(
            posts,
            text=post_of(claimed).text if traits.shows_text else None,
            kind=kind,
            sent_at=sent_at,
            bound_ids=await self._bound_ids(claimed, [post.post_id for post in posts]),
        )

    async def _bound_ids(self, claimed: Claim, post_ids: list[str]) -> set[str]:
        async with self._database.connect() as connection:
            rows = await connection.execute(
                text("""
                    SELECT platform_post_id FROM publishing_logs
                    WHERE platform_account_id = :account_id AND id <> :id
                      AND platform_post_id = ANY(CAST(:post_ids AS text[]))
                """),
                {"account_id": claimed.account_id, "id": claimed.id, "post_ids": post_ids},
            )
            return set(rows.scalars())

    async def _has_twin(self, claimed: Claim) -> bool:
        async with self._database.connect() as connection:
            rows = await connection.execute(
                text("""
                    SELECT c.body FROM publishing_logs l JOIN contents c ON c.id = l.content_id
                    WHERE l.platform_account_id = :account_id AND l.id <> :id
                      AND l.status IN ('sending', 'in_doubt')
                """),
                {"account_id": claimed.account_id, "id": claimed.id},
            )
            return any(normalise(body) == normalise(claimed.body) for body in rows.scalars())

    async def _last_attempt(self, claimed: Claim) -> _LastAttempt:
        async with self._database.connect() as connection:
            rows: list[Any] = list(
                await connection.execute(
                    text("""
                        SELECT id, evidence->>'post_id' AS post_id, evidence->>'code' AS code
                        FROM publishing_attempts
                        WHERE publishing_log_id = :id AND is_visible AND call LIKE 'publish %'
                        ORDER BY number DESC
                    """),
                    {"id": claimed.id},
                )
            )
        if not rows:
            return _LastAttempt(id=0, post_id=None, code=None)
        kept = next((row.post_id for row in rows if row.post_id is not None), None)
        return _LastAttempt(id=rows[0].id, post_id=kept, code=rows[0].code)
