"""A circuit breaker around a reader of figures, as ``breaker`` has one around publishing."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from engine.errors import PlatformError
from engine.platforms.breaker import LINE_CODES, OPEN_S, Circuit, Verdict, verdict_on
from engine.ports import AccountAccess, Figures, InsightsClient, PostReference

T = TypeVar("T")


class GuardedInsights:
    """``engine.ports.InsightsClient``: another one, each method behind a circuit of its own.

    Args:
        client: the platform's.
        name: the platform's, for messages.
        open_s: seconds for which a circuit opens first.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        client: InsightsClient,
        name: str,
        *,
        open_s: float = OPEN_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._account = Circuit(f"{name} account figures", open_s, monotonic)
        self._posts = Circuit(f"{name} post figures", open_s, monotonic)

    async def read_account(
        self,
        access: AccountAccess,
        *,
        start: datetime,
        end: datetime,
        without: Mapping[str, str],
    ) -> Figures:
        """See the port."""
        call = partial(self._client.read_account, access, start=start, end=end, without=without)
        return await _through(self._account, access, call)

    async def read_posts(
        self,
        access: AccountAccess,
        posts: Sequence[PostReference],
        *,
        without: Mapping[str, str],
    ) -> Mapping[str, Figures]:
        """See the port."""
        call = partial(self._client.read_posts, access, posts, without=without)
        return await _through(self._posts, access, call)

    async def close(self) -> None:
        """See the port."""
        await self._client.close()


async def _through(circuit: Circuit, access: AccountAccess, call: Callable[[], Awaitable[T]]) -> T:
    turn = circuit.enter()
    verdict, is_of_the_line = Verdict.WORKS, False
    try:
        return await call()
    except BaseException as error:
        verdict = verdict_on(error)
        is_of_the_line = isinstance(error, PlatformError) and error.code in LINE_CODES
        raise
    finally:
        circuit.leave(turn, verdict, access.platform_user_id, is_of_the_line=is_of_the_line)
