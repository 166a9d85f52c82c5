"""Commands of the critical tier: what must happen at its second."""

from typing import Annotated

import dramatiq
from pydantic import Field, validate_call

from engine import runtime
from engine.actors import message_key
from engine.brokers import critical
from engine.services import scanning

RowId = Annotated[int, Field(gt=0, lt=2**63)]


@dramatiq.actor(broker=critical, queue_name=critical.tier, max_retries=3, min_backoff=30_000)
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


@dramatiq.actor(broker=critical, queue_name=critical.tier, max_retries=3, min_backoff=30_000)
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
