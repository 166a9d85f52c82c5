"""Commands of the high tier that platforms set off."""

from typing import Annotated

import dramatiq
from pydantic import Field, validate_call

from engine import runtime
from engine.actors import message_key, patiently
from engine.brokers import high
from engine.services import hearing

RowId = Annotated[int, Field(gt=0, lt=2**63)]


@dramatiq.actor(broker=high, queue_name=high.tier, retry_when=patiently, min_backoff=1000)
@validate_call
async def take_webhook(delivery_id: RowId) -> None:
    """Take the comments of a delivery into the inbox, once, however often this is sent.

    Raises:
        InvalidCommand: there is no such delivery.
    """
    here = runtime.current()
    await hearing.take_webhook(
        here.database,
        delivery_id=delivery_id,
        read=here.read_webhook,
        message_key=message_key(),
    )
