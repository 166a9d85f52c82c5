"""Hears PostgreSQL's ``NOTIFY``, through restarts of the database.

A notification is a hint and never the only road: whoever listens sweeps as well.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import asyncpg
import structlog

from models.database import open_listener

log = structlog.get_logger(__name__)

RECONNECT_S: Final = 0.5
CHECK_S: Final = 5.0  # a silent connection is asked whether it lives


async def listen(url: str, callbacks: Mapping[str, Callable[[], None]]) -> None:
    """Call ``callbacks[channel]`` on each ``NOTIFY``, and all of them after each (re)connect.

    Runs until it is cancelled.
    """
    while True:
        try:
            connection = await open_listener(url)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("cannot listen to the database", error=str(error))
            await asyncio.sleep(RECONNECT_S)
            continue
        try:
            for channel, callback in callbacks.items():
                await connection.add_listener(channel, _ignoring_arguments(callback))
            for callback in callbacks.values():
                callback()  # something may have happened while nobody listened
            while not connection.is_closed():
                await asyncio.sleep(CHECK_S)
                await connection.execute("SELECT 1", timeout=CHECK_S)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("lost the listening connection", error=str(error))
            await asyncio.sleep(RECONNECT_S)
        finally:
            # It is given up either way, mostly because it is broken already, which was logged.
            with contextlib.suppress(Exception):
                await connection.close(timeout=1)


def _ignoring_arguments(callback: Callable[[], None]) -> Callable[..., None]:
    def call(*_: Any) -> None:
        callback()

    return call
