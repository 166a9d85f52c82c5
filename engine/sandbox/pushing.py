"""Webhooks as Meta sends them: signed over escaped JSON, late, twice, out of order, and again.

Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started, read 2026-11-23.
Threads and YouTube push nothing here.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx

from engine.sandbox.state import Comment, PageObject, PublicPost

FIRST_RETRY_S: Final = 0.5
LONGEST_RETRY_S: Final = 30.0
TRIES: Final = 20  # about nine minutes; the platform tries for 36 hours
AT_ONCE: Final = 32
BATCH_WAIT_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Where updates go, and how badly they are delivered.

    Attributes:
        url: the receiver; None turns pushing off.
        secret: the app's.
        delay_ms: milliseconds before each delivery.
        duplicates: how many more times each is sent.
        reorder: of two deliveries that follow each other, the second goes first.
        bad_signature: nothing that is sent is signed well.
        shape: fields in ``changes``, directly in the entry, or that in a list.
        batch: at most so many updates in one delivery.
    """

    url: str | None = None
    secret: str = ""
    delay_ms: float = 0.0
    duplicates: int = 0
    reorder: bool = False
    bad_signature: bool = False
    shape: Literal["changes", "bare", "list"] = "changes"
    batch: int = 1


class Pushing:
    """Delivers what happens to comments on Instagram and Facebook.

    Args:
        subscription: where and how.
        now: the platform's clock, unix seconds.
    """

    def __init__(self, subscription: Subscription, now: Callable[[], float]) -> None:
        self._subscription = subscription
        self._now = now
        self._http = httpx.AsyncClient(trust_env=False, timeout=10)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting: list[tuple[str, dict[str, Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.delivered = self.failed = 0

    def __call__(self, verb: str, under: PublicPost | PageObject, comment: Comment) -> None:
        """Take one thing that happened."""
        if isinstance(under, PageObject):
            entry = page_entry(verb, under, comment, self._now())
            self._put("page", entry)
        elif under.platform == "instagram" and verb == "add":
            self._put("instagram", instagram_entry(under, comment, self._now()))

    async def close(self) -> None:
        """Deliver nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    def _put(self, kind: str, entry: dict[str, Any]) -> None:
        self._waiting.append((kind, entry))
        is_full = len(self._waiting) >= max(
            self._subscription.batch, 2 * self._subscription.reorder
        )
        self._spawn(self._flush(0.0 if is_full else BATCH_WAIT_S))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        waiting, self._waiting = self._waiting, []
        if self._subscription.reorder:
            waiting.reverse()
        for kind in ("instagram", "page"):
            entries = [entry for name, entry in waiting if name == kind]
            for start in range(0, len(entries), max(1, self._subscription.batch)):
                body = shaped(
                    kind,
                    entries[start : start + self._subscription.batch],
                    self._subscription.shape,
                )
                for _ in range(1 + self._subscription.duplicates):
                    self._spawn(self._deliver(body))

    async def _deliver(self, body: bytes) -> None:
        subscription = self._subscription
        secret = subscription.secret + ("?" if subscription.bad_signature else "")
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}
        await asyncio.sleep(subscription.delay_ms / 1000)
        pause_s = FIRST_RETRY_S
        for _ in range(TRIES):
            try:
                async with self._places:
                    answer = await self._http.post(
                        str(subscription.url), content=body, headers=headers
                    )
                if answer.is_success:
                    self.delivered += 1
                    return
            except httpx.HTTPError:
                pass  # as good as refused: it is sent again
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_RETRY_S)
        self.failed += 1


def instagram_entry(post: PublicPost, comment: Comment, now: float) -> dict[str, Any]:
    """What Instagram tells of a comment."""
    value: dict[str, Any] = {
        "id": comment.id,
        "text": comment.text,
        "media": {"id": post.id, "media_product_type": "FEED"},
    }
    if comment.author is not None:
        value["from"] = {"id": comment.author.id, "username": comment.author.username}
    if comment.parent is not None:
        value["parent_id"] = comment.parent.id
    return _entry(post.account.id, now, "comments", value)


def page_entry(verb: str, thing: PageObject, comment: Comment, now: float) -> dict[str, Any]:
    """What a Page's feed tells of a comment."""
    value: dict[str, Any] = {
        "item": "comment",
        "verb": verb,
        "comment_id": comment.id,
        "post_id": thing.id,
        "parent_id": thing.id if comment.parent is None else comment.parent.id,
        "created_time": int(comment.posted_at),
    }
    if comment.author is not None:
        value["from"] = {"id": comment.author.id, "name": comment.author.username}
    if verb in ("add", "edited"):
        value["message"] = comment.text
    return _entry(thing.account.id, now, "feed", value)


def _entry(account: str, now: float, name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"id": account, "time": int(now), "field": name, "value": value}


def shaped(kind: str, entries: list[dict[str, Any]], shape: str) -> bytes:
    """A delivery's body, everything beyond ASCII escaped."""
    if shape == "changes":
        entries = [
            {
                "id": entry["id"],
                "time": entry["time"],
                "changes": [{"field": entry["field"], "value": entry["value"]}],
            }
            for entry in entries
        ]
    envelope: Any = {"object": kind, "entry": entries}
    if shape == "list":
        envelope = [envelope]
    return json.dumps(envelope, ensure_ascii=True, separators=(",", ":")).encode()
