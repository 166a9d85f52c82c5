"""The circuit breaker around a platform's inbox; see ``engine.platforms.breaker``."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial

from engine.platforms.breaker import OPEN_S, Circuits
from engine.ports import (
    AccountAccess,
    CommentPage,
    InboxClient,
    InboxTraits,
    LiveComment,
    Parts,
    SeenPost,
)


class GuardedInbox:
    """``engine.ports.InboxClient``: another one, each method behind a circuit of its own.

    Every method that asks the platform may raise ``CircuitOpen``, and then has sent nothing.

    Args:
        client: the platform's.
        name: the platform's, for messages.
        open_s: seconds for which a circuit opens first.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        client: InboxClient,
        name: str,
        *,
        open_s: float = OPEN_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._circuits = Circuits(name, open_s, monotonic)

    @property
    def traits(self) -> InboxTraits:
        """See the port."""
        return self._client.traits

    async def watched_posts(
        self, access: AccountAccess, *, since: datetime, known: Sequence[str]
    ) -> AsyncGenerator[Sequence[SeenPost], None]:
        """See the port; each page is a call of its own to the circuit."""
        async with aclosing(self._client.watched_posts(access, since=since, known=known)) as pages:
            while True:
                following = partial(anext, pages, None)
                page = await self._circuits.through("watched_posts", access, following)
                if page is None:
                    return
                yield page

    async def read_comments(
        self, access: AccountAccess, post_id: str, cursor: str | None
    ) -> CommentPage:
        """See the port."""
        call = partial(self._client.read_comments, access, post_id, cursor)
        return await self._circuits.through("read_comments", access, call)

    async def read_replies(
        self, access: AccountAccess, post_id: str, thread_id: str, cursor: str | None
    ) -> CommentPage:
        """See the port."""
        call = partial(self._client.read_replies, access, post_id, thread_id, cursor)
        return await self._circuits.through("read_replies", access, call)

    async def reply(
        self, access: AccountAccess, post_id: str, comment_id: str, text: str, parts: Parts
    ) -> str:
        """See the port."""
        call = partial(self._client.reply, access, post_id, comment_id, text, parts)
        return await self._circuits.through("reply", access, call)

    async def own_replies(
        self, access: AccountAccess, post_id: str, comment_id: str, since: datetime, parts: Parts
    ) -> Sequence[LiveComment]:
        """See the port."""
        call = partial(self._client.own_replies, access, post_id, comment_id, since, parts)
        return await self._circuits.through("own_replies", access, call)

    async def set_hidden(self, access: AccountAccess, comment_id: str, *, is_hidden: bool) -> None:
        """See the port."""
        call = partial(self._client.set_hidden, access, comment_id, is_hidden=is_hidden)
        await self._circuits.through("set_hidden", access, call)

    async def delete_comment(self, access: AccountAccess, comment_id: str) -> None:
        """See the port."""
        call = partial(self._client.delete_comment, access, comment_id)
        await self._circuits.through("delete_comment", access, call)

    async def close(self) -> None:
        """See the port."""
        await self._client.close()
