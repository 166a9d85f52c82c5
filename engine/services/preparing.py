"""Makes a post ready ahead of its time: checks it, has the platform prepare it, invisibly."""

import asyncio
import hashlib
import json
import unicodedata
from datetime import timedelta
from random import Random

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import InputInvalid, NotReady, PlatformError, RetryLater
from engine.ports import (
    AccountAccess,
    Clock,
    ContainerState,
    Media,
    PlatformClient,
    Post,
)
from engine.services.claiming import Claim
from engine.services.ending import fail, refuse
from engine.services.ledger import move
from models.accounts import AccountStatus, TokenUnreadable, TokenVault
from models.publishing import PublishingStatus

log = structlog.get_logger(__name__)

CONTAINER_LIFE = timedelta(hours=24)
"""Containers expire after a day (Instagram content publishing guide, read 2026-11-23)."""

CONTAINER_MARGIN = timedelta(minutes=10)
READY_WITHIN_S = 300.0  # the platforms' advice: look for at most five minutes
ACCOUNT_RECHECK = timedelta(seconds=60)


def post_of(claimed: Claim) -> Post:
    """The content as the platform gets it.

    Raises:
        InputInvalid: ``media`` is not the list that ``models.contents`` describes.
    """
    media = []
    for number, item in enumerate(claimed.media, start=1):
        if not isinstance(item, dict) or not isinstance(item.get("url"), str):
            raise InputInvalid(
                f"{number}번째 미디어에 주소(url)가 없습니다.", code="media_without_url"
            )
        media.append(Media(item["url"], item.get("kind", "image"), item.get("alt_text")))
    return Post(text=unicodedata.normalize("NFC", claimed.body), media=tuple(media))


def payload_hash(post: Post) -> str:
    """What was prepared, in 64 hexadecimal digits."""
    canonical = json.dumps(
        [post.text, [[m.kind, m.url, m.alt_text] for m in post.media]], ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


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


class Preparation:
    """Prepares claimed posts."""

    def __init__(
        self,
        *,
        database: AsyncEngine,
        vault: TokenVault,
        clock: Clock,
        random: Random,
        retry_base_s: float,
        retry_max: int,
        too_late_s: float,
    ) -> None:
        self._database = database
        self._vault = vault
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
        if now - claimed.due_at > self._too_late and claimed.retry_count == 0:
            code = "due_too_long_ago"
        elif platform is None:
            code = "platform_unsupported"
        elif access is None and code is None:
            code = "account_without_token"
        elif claimed.account_status is not AccountStatus.ACTIVE:
            if claimed.due_at > now:  # its owner may still mend it in time
                await self._put_off(claimed)
                return None
            stopped = claimed.account_status is AccountStatus.STOPPED
            code = "account_stopped" if stopped else "account_reconnect"
        elif code is None:
            try:
                problems = [item.korean for item in platform.validate(post_of(claimed))]
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
        digest = payload_hash(post)
        try:
            if not self._has_usable_container(claimed, digest):
                container_id = await platform.create_container(access, post)
                if not await self._store(claimed, container_id, digest):
                    return False
            await self._wait_until_ready(claimed, platform, access)
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

    def _has_usable_container(self, claimed: Claim, digest: str) -> bool:
        return (
            claimed.container_id is not None
            and claimed.payload_hash == digest
            and claimed.container_expires_at is not None
            and claimed.container_expires_at > self._clock.now() + CONTAINER_MARGIN
        )

    async def _store(self, claimed: Claim, container_id: str, digest: str) -> bool:
        expires_at = self._clock.now() + CONTAINER_LIFE
        async with self._database.begin() as connection:
            result = await connection.execute(
                text("""
                    UPDATE publishing_logs
                    SET container_id = :container_id, container_expires_at = :expires_at,
                        payload_hash = :digest, updated_at = now()
                    WHERE id = :id AND lease_number = :lease_number AND status = 'pending'
                """),
                {
                    "id": claimed.id,
                    "lease_number": claimed.lease_number,
                    "container_id": container_id,
                    "expires_at": expires_at,
                    "digest": digest,
                },
            )
        claimed.container_id, claimed.payload_hash = container_id, digest
        claimed.container_expires_at = expires_at
        return bool(result.rowcount)

    async def _wait_until_ready(
        self, claimed: Claim, platform: PlatformClient, access: AccountAccess
    ) -> None:
        container_id = claimed.container_id or ""
        give_up_at = self._clock.monotonic() + READY_WITHIN_S
        pause_s = 0.2
        while True:
            reading = await platform.read_container(access, container_id)
            match reading.state:
                case ContainerState.READY:
                    return
                case ContainerState.FAILED | ContainerState.EXPIRED:
                    await self._drop_container(claimed)
                    if claimed.retry_count >= self._retry_max:
                        raise InputInvalid(reading.detail, code="container_failed")
                    raise RetryLater(reading.detail, code="container_failed")
                case ContainerState.PUBLISHED:
                    raise _AlreadyLive
            if self._clock.monotonic() >= give_up_at:
                raise NotReady("the platform is still preparing the post", code="not_ready")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 5.0)

    async def _drop_container(self, claimed: Claim) -> None:
        claimed.container_id = None
        async with self._database.begin() as connection:
            await connection.execute(
                text("""
                    UPDATE publishing_logs SET container_id = NULL, container_expires_at = NULL
                    WHERE id = :id AND lease_number = :lease_number AND status = 'pending'
                """),
                {"id": claimed.id, "lease_number": claimed.lease_number},
            )

    async def _mark_staged(self, claimed: Claim) -> bool:
        async with self._database.begin() as connection:
            result = await connection.execute(
                text("""
                    UPDATE publishing_logs SET status = 'staged', updated_at = now(),
                        error_code = NULL, error_message = NULL
                    WHERE id = :id AND lease_number = :lease_number AND status = 'pending'
                """),
                {"id": claimed.id, "lease_number": claimed.lease_number},
            )
        claimed.status = PublishingStatus.STAGED
        return bool(result.rowcount)

    async def _put_off(self, claimed: Claim) -> None:
        async with self._database.begin() as connection:
            await move(
                connection,
                claimed,
                claimed.status,
                act_at=min(claimed.due_at, self._clock.now() + ACCOUNT_RECHECK),
            )
