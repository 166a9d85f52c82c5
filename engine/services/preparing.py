"""Makes a post ready ahead of its time: checks it, has the platform prepare it, invisibly."""

import asyncio
import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import (
    InputInvalid,
    LeaseLost,
    MediaUnreachable,
    NotReady,
    PlatformError,
    RetryLater,
)
from engine.ports import (
    AccountAccess,
    Clock,
    Container,
    ContainerState,
    KindTraits,
    MediaProbe,
    PlatformClient,
    Post,
)
from engine.rules.explaining import explain
from engine.services.claiming import Claim
from engine.services.ending import TOKEN_WAIT, fail, refuse, wait_for_owner
from engine.services.ledger import move
from engine.services.posts import payload_hash, post_of
from engine.services.validating import problems_in
from models.accounts import AccountStatus, TokenUnreadable, TokenVault
from models.publishing import PublishingStatus

log = structlog.get_logger(__name__)

EXPIRY_MARGIN = timedelta(minutes=10)
READY_WITHIN_S = 300.0  # the platforms' advice: look for at most five minutes
ACCOUNT_RECHECK = timedelta(seconds=60)


def open_access(claimed: Claim, vault: TokenVault) -> AccountAccess | None:
    """The right to act as the post's account; None when it has no token.

    Raises:
        TokenUnreadable: no key of ours opens it.
    """
    if claimed.sealed_token is None:
        return None
    return AccountAccess(claimed.platform_user_id, vault.open(claimed.sealed_token))


class _AlreadyLive(Exception):
    """The container of a post that we hold for unsent is published."""


class RowParts:
    """``engine.ports.Parts`` in the post's own row, under its lease."""

    def __init__(self, database: AsyncEngine, claimed: Claim) -> None:
        self._database = database
        self._claimed = claimed

    def get(self, name: str) -> Any:
        """See the port."""
        return self._claimed.parts.get(name)

    async def keep(self, **parts: Any) -> None:
        """See the port."""
        kept = {k: v for k, v in {**self._claimed.parts, **parts}.items() if v is not None}
        async with self._database.begin() as connection:
            result = await connection.execute(
                text("""
                    UPDATE publishing_logs
                    SET parts = CAST(:parts AS jsonb), updated_at = now()
                    WHERE id = :id AND lease_number = :lease_number AND status = 'pending'
                """),
                {
                    "id": self._claimed.id,
                    "lease_number": self._claimed.lease_number,
                    "parts": json.dumps(kept, ensure_ascii=False),
                },
            )
        if not result.rowcount:
            raise LeaseLost("the post was taken over or changed while it was prepared")
        self._claimed.parts = kept


class Preparation:
    """Prepares claimed posts."""

    def __init__(
        self,
        *,
        database: AsyncEngine,
        vault: TokenVault,
        probe: MediaProbe,
        clock: Clock,
        random: Random,
        retry_base_s: float,
        retry_max: int,
        too_late_s: float,
    ) -> None:
        self._database = database
        self._vault = vault
        self._probe = probe
        self._clock = clock
        self._random = random
        self._retry_base_s = retry_base_s
        self._retry_max = retry_max
        self._too_late = timedelta(seconds=too_late_s)

    async def check(self, claimed: Claim, platform: PlatformClient | None) -> AccountAccess | None:
        """Find what no platform needs to be asked for.

        Returns:
            None when the post was ended or put off; its lease is given back then.
        """
        now = self._clock.now()
        code, detail = None, ""
        access: AccountAccess | None = None
        try:
            access = open_access(claimed, self._vault)
        except TokenUnreadable:
            code = "token_unreadable"
        needs_owner = claimed.account_status is AccountStatus.RECONNECT_NEEDED
        waits = needs_owner or claimed.is_token_over
        if now - claimed.due_at > self._too_late and (claimed.retry_count == 0 or waits):
            code = "due_too_long_ago"
        elif platform is None:
            code = "platform_unsupported"
        elif needs_owner:
            async with self._database.begin() as connection:
                await wait_for_owner(connection, claimed, now=now)
            return None
        elif access is None and code is None:
            code = "account_without_token"
        elif claimed.account_status is not AccountStatus.ACTIVE:
            if claimed.due_at > now:  # its owner may still mend it in time
                await self._put_off(claimed)
                return None
            code = "account_stopped"
        elif code is None and claimed.is_token_over:
            await self._wait_for_token(claimed)
            return None
        elif code is None:
            try:
                post = post_of(claimed)
                claimed.kind = claimed.kind or platform.kind_of(post)
                problems = [item.korean for item in platform.validate(post)]
            except InputInvalid as error:
                problems = [str(error)]
            if problems:
                code, detail = "input_invalid", " ".join(problems)
        if code is None:
            return access
        async with self._database.begin() as connection:
            await fail(connection, claimed, code=code, detail=detail)
        log.warning("post refused", log_id=claimed.id, code=code)
        return None

    async def prepare(
        self, claimed: Claim, platform: PlatformClient, access: AccountAccess
    ) -> bool:
        """Have a container that is ready to be published.

        Returns:
            False when the post was ended or put off; its lease is given back then.
        """
        post = post_of(claimed)
        claimed.kind = kind = platform.kind_of(post)
        traits = platform.traits_of(kind)
        digest = payload_hash(kind, post)
        try:
            if not self._is_current(claimed, digest):
                await self._begin_anew(claimed, platform, access, digest, traits)
            if claimed.container_id is None:
                await self._check_media(claimed, platform, post)
                container_id = await platform.prepare(
                    access, post, RowParts(self._database, claimed)
                )
                await self._store(claimed, container_id)
            await self._wait_until_ready(claimed, platform, access, traits)
        except LeaseLost:
            log.info("not prepared: taken over or changed", log_id=claimed.id)
            return False
        except _AlreadyLive:
            # Only a call of ours could have done that, so nothing may be sent before a look.
            async with self._database.begin() as connection:
                await move(connection, claimed, PublishingStatus.IN_DOUBT, act_at=self._clock.now())
            return False
        except PlatformError as error:
            log.info("preparation refused", log_id=claimed.id, code=error.code, error=str(error))
            await refuse(
                self._database,
                claimed,
                error,
                now=self._clock.now(),
                retry_base_s=self._retry_base_s,
                retry_max=self._retry_max,
                random=self._random,
            )
            return False
        return await self._mark_staged(claimed)

    async def _check_media(self, claimed: Claim, platform: PlatformClient, post: Post) -> None:
        """Find what the platform would refuse, before it is asked.

        Raises:
            InputInvalid: with every problem in one text.
            RetryLater: a medium's host does not answer now.
        """
        try:
            problems = await problems_in(
                claimed.platform,
                platform,
                post,
                probe=self._probe,
                scopes=claimed.scopes,
                first_comment=claimed.first_comment,
                may_wait=True,
            )
        except MediaUnreachable as fault:
            raise RetryLater(str(fault), code="media_unreachable") from fault
        if problems:
            raise InputInvalid(
                " ".join(problem.korean for problem in problems),
                code="input_invalid",
                evidence={"problems": [problem.english for problem in problems]},
            )

    def _is_current(self, claimed: Claim, digest: str) -> bool:
        """Whether what was prepared so far is of this very post, and will last."""
        return claimed.payload_hash == digest and (
            claimed.container_expires_at is None
            or claimed.container_expires_at > self._clock.now() + EXPIRY_MARGIN
        )

    async def _begin_anew(
        self,
        claimed: Claim,
        platform: PlatformClient,
        access: AccountAccess,
        digest: str,
        traits: KindTraits,
    ) -> None:
        if claimed.container is not None:
            await self._discard(claimed.container, platform, access)
        now = self._clock.now()
        claimed.container_id, claimed.parts, claimed.payload_hash = None, {}, digest
        claimed.container_expires_at = (
            None if traits.life_s is None else now + timedelta(seconds=traits.life_s)
        )
        await self._write(
            claimed,
            """
            UPDATE publishing_logs
            SET kind = :kind, container_id = NULL, parts = '{}', payload_hash = :digest,
                container_expires_at = :expires_at, updated_at = now()
            WHERE id = :id AND lease_number = :lease_number AND status = 'pending'
            """,
            kind=claimed.kind,
            digest=digest,
            expires_at=claimed.container_expires_at,
        )

    async def _discard(
        self, container: Container, platform: PlatformClient, access: AccountAccess
    ) -> None:
        try:
            await platform.discard(access, container)
        except PlatformError as error:  # it stays unpublished, which harms nobody
            log.info("not cleared away", container=container.id, error=str(error))

    async def _store(self, claimed: Claim, container_id: str) -> None:
        claimed.container_id = container_id
        await self._write(
            claimed,
            """
            UPDATE publishing_logs SET container_id = :container_id, updated_at = now()
            WHERE id = :id AND lease_number = :lease_number AND status = 'pending'
            """,
            container_id=container_id,
        )

    async def _wait_until_ready(
        self,
        claimed: Claim,
        platform: PlatformClient,
        access: AccountAccess,
        traits: KindTraits,
    ) -> None:
        container = claimed.container
        if container is None:
            raise ValueError("a container was stored before it is waited for")
        give_up_at = self._clock.monotonic() + READY_WITHIN_S
        pause_s = 0.2
        while True:
            reading = await platform.read_container(access, container)
            match reading.state:
                case ContainerState.READY:
                    return
                case ContainerState.IN_PROGRESS if (
                    traits.may_publish_in_progress and self._clock.now() >= claimed.due_at
                ):
                    return
                case ContainerState.FAILED | ContainerState.EXPIRED:
                    await self._drop_container(claimed)
                    if reading.is_permanent or claimed.retry_count >= self._retry_max:
                        raise InputInvalid(reading.detail, code="container_failed")
                    raise RetryLater(reading.detail, code="container_failed")
                case ContainerState.PUBLISHED:
                    raise _AlreadyLive
            if self._clock.monotonic() >= give_up_at:
                raise NotReady("the platform is still preparing the post", code="not_ready")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 5.0)

    async def _drop_container(self, claimed: Claim) -> None:
        claimed.container_id, claimed.parts = None, {}
        await self._write(
            claimed,
            """
            UPDATE publishing_logs
            SET container_id = NULL, container_expires_at = NULL, parts = '{}', payload_hash = NULL
            WHERE id = :id AND lease_number = :lease_number AND status = 'pending'
            """,
        )

    async def _mark_staged(self, claimed: Claim) -> bool:
        try:
            await self._write(
                claimed,
                """
                UPDATE publishing_logs SET status = 'staged', updated_at = now(),
                    error_code = NULL, error_message = NULL
                WHERE id = :id AND lease_number = :lease_number AND status = 'pending'
                """,
            )
        except LeaseLost:
            return False
        claimed.status = PublishingStatus.STAGED
        return True

    async def _write(self, claimed: Claim, statement: str, **values: str | datetime | None) -> None:
        """Change the post's row under its lease.

        Raises:
            LeaseLost: it is no longer ours, or no longer to be prepared.
        """
        async with self._database.begin() as connection:
            result = await connection.execute(
                text(statement),
                {"id": claimed.id, "lease_number": claimed.lease_number, **values},
            )
        if not result.rowcount:
            raise LeaseLost("the post was taken over or changed while it was prepared")

    async def _wait_for_token(self, claimed: Claim) -> None:
        """The token is being renewed: by the next look it is good, or its account is marked."""
        async with self._database.begin() as connection:
            await move(
                connection,
                claimed,
                claimed.status,
                act_at=self._clock.now() + TOKEN_WAIT,
                error_code="token_renewing",
                error_message=explain("token_renewing"),
            )

    async def _put_off(self, claimed: Claim) -> None:
        async with self._database.begin() as connection:
            await move(
                connection,
                claimed,
                claimed.status,
                act_at=min(claimed.due_at, self._clock.now() + ACCOUNT_RECHECK),
            )
