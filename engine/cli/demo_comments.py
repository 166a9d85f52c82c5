"""The demo's comments: people write on the platforms, and all of it has to be in the inbox once."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import asyncpg
import httpx

from engine.rules.texts import clean

if TYPE_CHECKING:
    from engine.cli.launch import Stack

COMMENTS: Final = 300
RATE: Final = 20.0  # a second
SYNC_EVERY_S: Final = 2.0  # in production five minutes; webhooks are the quick road there
SETTLE_S: Final = 25.0


@dataclass
class CommentsReport:
    """What became of the comments. ``missing`` and ``faults`` are for people."""

    sent: int = 0
    in_inbox: int = 0
    edited: int = 0
    deleted: int = 0
    events: int = 0
    doubled: int = 0
    watchers: int = 0
    faults: list[str] = field(default_factory=list)

    def listed(self) -> dict[str, int]:
        """For the demo's last line."""
        names = ("sent", "in_inbox", "edited", "deleted", "events", "doubled")
        return {name: getattr(self, name) for name in names}


async def connect_webhooks(stack: "Stack", client: httpx.AsyncClient) -> None:
    """Have the sandbox push what Meta's platforms push."""
    secret = stack.settings["SNS_EDGE_WEBHOOK_SECRETS"].split(",")[0]
    answer = await client.put(
        f"{stack.sandbox_url}/sandbox/webhooks",
        json={"url": f"{stack.edge_url}/webhooks/meta", "secret": secret, "duplicates": 1},
    )
    answer.raise_for_status()


async def keep_syncing(database_url: str) -> None:
    """Ask for a collection every few seconds, until cancelled."""
    while True:
        with contextlib.suppress(OSError, asyncpg.PostgresError):  # killed, and comes back
            await ask_for_sync(database_url)
        await asyncio.sleep(SYNC_EVERY_S)


async def ask_for_sync(database_url: str) -> None:
    """Send ``sync_comments`` as any program would: a row in the outbox."""
    from models.database import open_listener

    connection = await open_listener(database_url)
    try:
        key = f"demo:{uuid4().hex}"
        await connection.execute(
            """
            INSERT INTO outbox (kind, key, actor, payload, trace_id)
            VALUES ('message', $1::text, 'sync_comments', '{"args": [], "kwargs": {}}', $1::text)
            """,
            key,
        )
    finally:
        await connection.close()


async def read_inbox(database_url: str) -> list[Mapping[str, Any]]:
    """Every comment that is in the inbox."""
    from models.database import open_listener

    connection = await open_listener(database_url)
    try:
        return [
            dict(row)
            for row in await connection.fetch(
                """
                SELECT id, platform_comment_id, message, is_own,
                       deleted_at IS NOT NULL OR missing_since IS NOT NULL AS is_gone
                FROM comments_inbox
                """
            )
        ]
    finally:
        await connection.close()


def judge(
    truth: Sequence[Mapping[str, Any]],
    inbox: Sequence[Mapping[str, Any]],
    watchers: Sequence[Sequence[Mapping[str, Any]]],
) -> CommentsReport:
    """Hold what people wrote against the inbox and what each watcher's browser got.

    A comment that was deleted before anybody could have read it need not be in the inbox.

    Args:
        truth: the sandbox's comments.
        inbox: rows of :func:`read_inbox`.
        watchers: frames of each operator's browser, in order, doubles among them.
    """
    report = CommentsReport(watchers=len(watchers))
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for row in inbox:
        by_id.setdefault(row["platform_comment_id"], []).append(row)
    rows_of_people: dict[int, str] = {}
    for comment in truth:
        if comment["is_own"] or comment["is_held"]:
            continue
        rows = by_id.get(comment["id"], [])
        is_deleted, edited_at = comment["is_deleted"], comment.get("edited_at")
        report.sent += 1
        report.deleted += is_deleted
        report.edited += edited_at is not None and not is_deleted
        report.in_inbox += bool(rows)
        if len(rows) != 1:
            if rows or not is_deleted:
                report.faults.append(f"comment {comment['id']} is {len(rows)} times in the inbox")
            if not rows and is_deleted:
                report.sent -= 1
                report.deleted -= 1
            continue
        (row,) = rows
        rows_of_people[row["id"]] = comment["id"]
        if not is_deleted and row["message"] != clean(comment["text"]):
            report.faults.append(f"comment {comment['id']} has an old text in the inbox")
        if is_deleted != row["is_gone"]:
            state = "is not marked deleted" if is_deleted else "is marked deleted, and is not"
            report.faults.append(f"comment {comment['id']} {state}")
    for number, frames in enumerate(watchers, start=1):
        told = Counter(
            frame["comment_id"] for frame in frames if frame.get("type") == "new_comment"
        )
        report.events += sum(told[row_id] for row_id in rows_of_people)
        report.doubled += sum(max(0, times - 1) for times in told.values())
        missed = [id_ for row_id, id_ in rows_of_people.items() if not told[row_id]]
        if missed:
            report.faults.append(f"watcher {number} did not see {len(missed)} comments")
    if report.doubled:
        report.faults.append(f"{report.doubled} new_comment events came twice")
    return report


async def read_truth(stack: "Stack", client: httpx.AsyncClient) -> list[Mapping[str, Any]]:
    """Every comment that the platforms know."""
    answer = await client.get(f"{stack.sandbox_url}/sandbox/comments")
    found: list[Mapping[str, Any]] = json.loads(answer.text)["comments"]
    return found
