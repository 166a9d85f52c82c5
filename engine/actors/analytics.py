"""Commands that read figures from the platforms."""

from typing import Annotated

import dramatiq
from pydantic import Field, validate_call

from engine import runtime
from engine.actors import message_key, patiently
from engine.brokers import medium
from engine.services import measuring

RowId = Annotated[int, Field(gt=0, lt=2**63)]


@dramatiq.actor(broker=medium, queue_name=medium.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def collect_analytics() -> None:
    """Have the figures of every usable account read, one message each, fair between clients."""
    here = runtime.current()
    await measuring.ask_for_all(here.database, now=here.clock.now(), message_key=message_key())


@dramatiq.actor(broker=medium, queue_name=medium.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def collect_account_analytics(platform_account_id: RowId) -> None:
    """Read the figures of one account and its posts into ``analytics_snapshots``.

    What a platform refuses is tried again at the next collection, not by this message.

    Raises:
        InvalidCommand: there is no such account.
    """
    here = runtime.current()
    await measuring.measure(
        here.database,
        here.redis,
        account_id=platform_account_id,
        clients=here.insights,
        vault=here.settings.vault(),
        now=here.clock.now(),
        message_key=message_key(),
    )
