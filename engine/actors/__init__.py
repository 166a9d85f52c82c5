"""Actors: the commands that this system takes. Names and arguments are a public contract.

An actor decodes, calls one service, and lets the broker map what it raises. Importing one opens
nothing and loads no model.
"""

from typing import Final

import asyncpg
from dramatiq.middleware import CurrentMessage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

RETRIES: Final = 3

DATABASE_AWAY: Final = (
    OSError,
    InterfaceError,
    OperationalError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
)
"""What says nothing of a command, but that the database cannot be asked now."""


def message_key() -> str | None:
    """The outbox key of the message that runs now; None when it was sent directly."""
    message = CurrentMessage.get_current_message()
    return None if message is None else message.options.get("message_key")


def patiently(retries: int, error: BaseException) -> bool:
    """Whether a command is tried again: three times, and as often as the database is away.

    An outage must not turn commands into dead letters of which nobody hears.
    """
    is_away = isinstance(error, DATABASE_AWAY) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
    return is_away or retries < RETRIES
