"""Small calls to YouTube's data API: one try each, and what an answer means.

Source: the discovery document of youtube.v3, revision 20261104, read 2026-11-25.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from engine.errors import OutcomeUnknown, RetryLater
from engine.platforms.connection import Answer
from engine.platforms.transport import READ_TIMEOUT_S, Transport
from engine.platforms.youtube_errors import refusal
from engine.ports import AccountAccess

PAGE_LIMIT: Final = 50  # 2,500 videos or 5,000 comments are no list to match against any more


class YouTubeApi:
    """Calls to one YouTube host.

    Args:
        base_url: with the version, such as ``https://youtube.googleapis.com/youtube/v3``.
        publish_timeout_s: seconds until a visible call without an answer has an unknown outcome.
        now: the present, aware.
    """

    def __init__(
        self, base_url: str, *, publish_timeout_s: float, now: Callable[[], datetime]
    ) -> None:
        self._transport = Transport(base_url)
        self._publish_timeout_s = publish_timeout_s
        self._now = now

    async def get(
        self, access: AccountAccess, path: str, parameters: Mapping[str, str]
    ) -> dict[str, Any]:
        """Read; a lost answer is ``RetryLater``."""
        try:
            answer = await self._transport.get(
                path, parameters, access.token, timeout_s=READ_TIMEOUT_S
            )
        except OutcomeUnknown as lost:
            raise again(lost) from None
        return self.value_of(answer)

    async def pages(
        self, access: AccountAccess, path: str, parameters: Mapping[str, str]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """The items of a list, page by page; a list without end is ``RetryLater``."""
        token = ""
        for _ in range(PAGE_LIMIT):
            query = {**parameters, **({"pageToken": token} if token else {})}
            value = await self.get(access, path, query)
            yield items_of(value)
            token = str(value.get("nextPageToken") or "")
            if not token:
                return
        raise unreadable("a list without end")

    async def delete(self, access: AccountAccess, path: str, parameters: Mapping[str, str]) -> None:
        """Delete; what is not there counts as deleted."""
        try:
            answer = await self._transport.delete(path, parameters, access.token)
        except OutcomeUnknown as lost:
            raise again(lost) from None
        if answer.status not in (200, 204, 404):
            raise refusal(answer, now=self._now())

    async def change(self, access: AccountAccess, path: str, parameters: Mapping[str, str]) -> None:
        """Write, by the query alone, what may be said again; a lost answer is ``RetryLater``."""
        try:
            answer = await self._transport.post(
                f"{path}?{urlencode(parameters)}", {}, access.token, timeout_s=READ_TIMEOUT_S
            )
        except OutcomeUnknown as lost:
            raise again(lost) from None
        if answer.status not in (200, 204):
            raise refusal(answer, now=self._now())

    async def send_visibly(
        self,
        method: str,
        access: AccountAccess,
        path: str,
        parameters: Mapping[str, str],
        value: Any,
    ) -> dict[str, Any]:
        """Write what everybody sees, once; everything doubtful is ``OutcomeUnknown``."""
        answer = await self._transport.send_json(
            method, path, parameters, value, access.token, timeout_s=self._publish_timeout_s
        )
        if answer.status != 200:
            raise refusal(answer, now=self._now(), is_visible=True)
        found = json_of(answer)
        if found is None:
            raise OutcomeUnknown("an answer that cannot be read", code="unreadable")
        return found

    def value_of(self, answer: Answer) -> dict[str, Any]:
        """The JSON object of an answer to a call that nobody could see."""
        if answer.status not in (200, 201):
            raise refusal(answer, now=self._now())
        value = json_of(answer)
        if value is None:
            raise unreadable("an answer that is no JSON object")
        return value

    async def warm_up(self) -> None:
        """Have connections open."""
        await self._transport.warm_up()

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        await self._transport.close()


def json_of(answer: Answer) -> dict[str, Any] | None:
    """An answer's JSON object, or None."""
    try:
        value = json.loads(answer.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def items_of(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A list's items."""
    items = value.get("items", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise unreadable("a list without items")
    return items


def again(lost: OutcomeUnknown) -> RetryLater:
    """A lost answer to a call that nobody could see."""
    return RetryLater(str(lost), code=lost.code, evidence=lost.evidence)


def unreadable(what: str) -> RetryLater:
    """An answer that cannot be understood."""
    return RetryLater(f"the platform answered with {what}", code="unreadable")
