"""Commands of the critical tier: what must happen at its second."""

import contextlib
from typing import Annotated

import dramatiq
from pydantic import Field, validate_call

from engine import runtime
from engine.actors import message_key, patiently
from engine.brokers import critical
from engine.errors import Unsupported
from engine.services import deleting, resolving, scanning

RowId = Annotated[int, Field(gt=0, lt=2**63)]
PostId = Annotated[str, Field(min_length=1, max_length=200)]


@dramatiq.actor(broker=critical, queue_name=critical.tier, retry_when=patiently, min_backoff=30_000)
@validate_call
async def scan_scheduled_posts() -> None:
    """Arm every approved content that is due within the look-ahead; sent at its second."""
    here = runtime.current()
    await scanning.scan(
        here.database,
        now=here.clock.now(),
        look_ahead_s=here.settings.look_ahead_s,
        look_ahead_video_s=here.settings.look_ahead_video_s,
        message_key=message_key(),
    )


@dramatiq.actor(broker=critical, queue_name=critical.tier, retry_when=patiently, min_backoff=30_000)
@validate_call
async def publish_to_platform(content_id: RowId, platform_account_id: RowId) -> None:
    """Publish one approved content on one account now, once, however often this is sent.

    The post's own retries (three, from 30 s) are due times in its row, so this returns as soon as
    the row is written; the author hears of the outcome by ``publish_result``.

    Raises:
        InvalidCommand: an id is unknown, or the content is not approved; a dead letter follows.
    """
    here = runtime.current()
    await scanning.publish_now(
        here.database,
        content_id=content_id,
        account_id=platform_account_id,
        now=here.clock.now(),
        message_key=message_key(),
    )


@dramatiq.actor(broker=critical, queue_name=critical.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def resolve_post(
    content_id: RowId, platform_account_id: RowId, user_id: RowId | None, post_id: PostId | None
) -> None:
    """Carry out what a person decided of a post in doubt: it is ``post_id``, or it is not live.

    Raises:
        InvalidCommand: there is nothing to decide, or the named post cannot be it.
    """
    here = runtime.current()
    await resolving.resolve(
        here.database,
        resolving.Decision(content_id, platform_account_id, post_id, user_id),
        platforms=here.platforms,
        vault=here.settings.vault(),
        message_key=message_key(),
    )


@dramatiq.actor(broker=critical, queue_name=critical.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def delete_post(
    content_id: RowId, platform_account_id: RowId, user_id: RowId | None = None
) -> None:
    """Take a live post down, where the platform allows it; whoever asked is told.

    Raises:
        InvalidCommand: there is no live post to delete.
    """
    here = runtime.current()
    with contextlib.suppress(Unsupported):  # whoever asked has been told; trying again cannot help
        await deleting.delete_post(
            here.database,
            content_id=content_id,
            account_id=platform_account_id,
            user_id=user_id,
            platforms=here.platforms,
            vault=here.settings.vault(),
            message_key=message_key(),
        )
