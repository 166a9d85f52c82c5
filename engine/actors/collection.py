"""Commands that bring in what happens on the platforms."""

from typing import Annotated
from uuid import uuid4

import dramatiq
from pydantic import Field, validate_call

from engine import runtime
from engine.actors import message_key, patiently
from engine.brokers import medium
from engine.services import collecting

RowId = Annotated[int, Field(gt=0, lt=2**63)]


@dramatiq.actor(broker=medium, queue_name=medium.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def sync_comments() -> None:
    """Have the comments of every active account collected, each on a message of its own."""
    key = message_key()
    await collecting.ask_for_all(
        runtime.current().database, key=key or uuid4().hex, message_key=key
    )


@dramatiq.actor(broker=medium, queue_name=medium.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def sync_account(platform_account_id: RowId) -> None:
    """Have one account's comments collected now; returns as soon as that is written down.

    Raises:
        InvalidCommand: there is no such account.
    """
    await collecting.ask_for_account(
        runtime.current().database, account_id=platform_account_id, message_key=message_key()
    )
