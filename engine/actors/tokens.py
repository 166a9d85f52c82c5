"""Commands that keep the accounts' tokens alive."""

import dramatiq
from pydantic import validate_call

from engine import runtime
from engine.actors import message_key, patiently
from engine.brokers import medium
from engine.services.outboxing import consume


@dramatiq.actor(broker=medium, queue_name=medium.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def refresh_expiring_tokens() -> None:
    """Renew tokens that end soon, check those not checked for a day, warn of what ends."""
    here = runtime.current()
    await here.token_keeper().look_after_all()
    async with here.database.begin() as connection:
        await consume(connection, message_key())
