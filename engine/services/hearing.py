"""Deliveries of webhooks into the inbox: each whole, in one transaction, whenever it comes.

What a change may still change is decided by :mod:`engine.rules.hearing`; a comment's row in
``pushed_comments`` is locked meanwhile, so that two deliveries of one comment follow each other.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import InvalidCommand
from engine.metrics import PUSHED
from engine.ports import FoundComment, Pushed, PushedChange
from engine.rules.hearing import Known, Settled, Told, settle
from engine.services.outboxing import consume
from engine.services.storing import InboxAccount, Stored, store
from models.accounts import Platform

log = structlog.get_logger(__name__)

KEEP: Final = timedelta(days=7)
"""Platforms repeat a delivery for 36 hours. https://developers.facebook.com/docs/graph-api/webhooks/
getting-started, read 2026-11-23."""

PRUNE_EVERY_S: Final = 300.0
PRUNE_BATCH: Final = 1000  # rows of a table at once; a delivery may have a mebibyte
NOTE_LIMIT: Final = 1000  # characters

_TAKE = text("""
SELECT body, received_at, processed_at FROM webhook_deliveries WHERE id = :id FOR UPDATE
""")

_DONE = text("""
UPDATE webhook_deliveries SET processed_at = now(), note = :note WHERE id = :id
""")

_ACCOUNTS = text("""
SELECT a.id, a.client_id, a.platform, a.platform_user_id, a.username
FROM platform_accounts a
JOIN unnest(CAST(:platforms AS text[]), CAST(:user_ids AS text[])) AS named (platform, user_id)
    ON named.platform = a.platform AND named.user_id = a.platform_user_id
ORDER BY a.id
""")

# The update locks the row, until this transaction ends, for whoever hears of the same comment.
_TOLD = text("""
INSERT INTO pushed_comments (platform_account_id, platform_comment_id)
SELECT :account_id, told.id FROM unnest(CAST(:ids AS text[])) AS told (id) ORDER BY told.id
ON CONFLICT (platform_account_id, platform_comment_id) DO UPDATE SET told_at = now()
RETURNING platform_comment_id, text_at, is_hidden, hidden_at, removed_at
""")

_KNOWN = text("""
SELECT platform_comment_id, is_hidden, commented_at, edited_at, deleted_at, first_seen_at,
       updated_at
FROM comments_inbox
WHERE platform_account_id = :account_id AND platform_comment_id = ANY(CAST(:ids AS text[]))
ORDER BY commented_at, platform_comment_id COLLATE "C"
FOR NO KEY UPDATE
""")

_THREADS = text("""
SELECT platform_comment_id, thread_id FROM comments_inbox
WHERE platform_account_id = :account_id AND platform_comment_id = ANY(CAST(:ids AS text[]))
""")

_CHANGE = text("""
UPDATE comments_inbox c
SET is_hidden = new.is_hidden, commented_at = new.commented_at, deleted_at = new.deleted_at,
    updated_at = now()
FROM unnest(
    CAST(:ids AS text[]), CAST(:hidden AS boolean[]), CAST(:times AS timestamptz[]),
    CAST(:deletions AS timestamptz[])
) AS new (id, is_hidden, commented_at, deleted_at)
WHERE c.platform_account_id = :account_id AND c.platform_comment_id = new.id
RETURNING c.id
""")

_REMEMBER = text("""
UPDATE pushed_comments p
SET text_at = new.text_at, is_hidden = new.is_hidden, hidden_at = new.hidden_at,
    removed_at = new.removed_at
FROM unnest(
    CAST(:ids AS text[]), CAST(:texts AS timestamptz[]), CAST(:hidden AS boolean[]),
    CAST(:hidings AS timestamptz[]), CAST(:removals AS timestamptz[])
) AS new (id, text_at, is_hidden, hidden_at, removed_at)
WHERE p.platform_account_id = :account_id AND p.platform_comment_id = new.id
""")

# Without its mark, the next run reads the post's comments whatever the list of posts tells.
_DOUBT = text("""
UPDATE watched_posts SET mark = NULL
WHERE platform_account_id = :account_id AND platform_post_id = ANY(CAST(:ids AS text[]))
""")

_PRUNE_DELIVERIES = text("""
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT id FROM webhook_deliveries
    WHERE received_at < now() - CAST(:keep AS interval) AND processed_at IS NOT NULL
    ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
""")

_PRUNE_TOLD = text("""
DELETE FROM pushed_comments p USING (
    SELECT platform_account_id, platform_comment_id FROM pushed_comments
    WHERE told_at < now() - CAST(:keep AS interval)
    ORDER BY told_at LIMIT :limit FOR UPDATE SKIP LOCKED
) AS old
WHERE p.platform_account_id = old.platform_account_id
  AND p.platform_comment_id = old.platform_comment_id
""")


async def take_webhook(
    database: AsyncEngine,
    *,
    delivery_id: int,
    read: Callable[[bytes], Pushed],
    message_key: str | None = None,
) -> Stored:
    """Take a delivery's changes into the inbox; what was left out stands in its note.

    Idempotent: one that was taken changes nothing.

    Args:
        database: the truth.
        delivery_id: of a row of ``webhook_deliveries``.
        read: the platform's own reader of bodies; raises nothing.
        message_key: of the message that asks.

    Returns:
        Rows of the inbox that are new, and those that were changed.

    Raises:
        InvalidCommand: there is no such delivery.
    """
    async with database.begin() as connection:
        delivery = (await connection.execute(_TAKE, {"id": delivery_id})).one_or_none()
        if delivery is None:
            raise InvalidCommand(f"no webhook delivery {delivery_id}")
        await consume(connection, message_key)
        if delivery.processed_at is not None:
            return Stored((), ())
        pushed = read(delivery.body)
        left_out = Counter(pushed.left_out)
        stored = await _hear(connection, pushed.changes, delivery.received_at, left_out)
        note = _note(left_out)
        await connection.execute(_DONE, {"id": delivery_id, "note": note})
    PUSHED.labels("new").inc(len(stored.new))
    PUSHED.labels("changed").inc(len(stored.changed))
    PUSHED.labels("left out").inc(left_out.total())
    log.info(
        "webhook heard",
        delivery_id=delivery_id,
        changes=len(pushed.changes),
        new=len(stored.new),
        changed=len(stored.changed),
        left_out=note,
    )
    return stored


async def prune(database: AsyncEngine, *, keep: timedelta = KEEP) -> int:
    """Forget some deliveries that were taken, and what was told, of longer ago than ``keep``.

    Gives how many rows; call it again until that is 0, or now and then.
    """
    pruned = 0
    async with database.begin() as connection:
        for statement in (_PRUNE_DELIVERIES, _PRUNE_TOLD):
            result = await connection.execute(statement, {"keep": keep, "limit": PRUNE_BATCH})
            pruned += result.rowcount
    return pruned


async def keep_pruning(database: AsyncEngine, stopping: asyncio.Event) -> None:
    """Prune every few minutes until ``stopping`` is set; any number of processes may."""
    while not stopping.is_set():
        try:
            pruned = await prune(database)
        except Exception as error:  # noqa: BLE001  # the database is away: the next round tries
            log.warning("cannot prune webhooks", error=str(error).splitlines()[:1])
            pruned = 0
        if pruned < PRUNE_BATCH:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), PRUNE_EVERY_S)


async def _hear(
    connection: AsyncConnection,
    changes: Sequence[PushedChange],
    received_at: datetime,
    left_out: Counter[str],
) -> Stored:
    """Take changes of any accounts; those of accounts that are not ours are left out."""
    by_name: dict[tuple[Platform, str], list[PushedChange]] = {}
    for change in changes:
        by_name.setdefault((change.platform, change.platform_user_id), []).append(change)
    rows = await connection.execute(
        _ACCOUNTS,
        {
            "platforms": [platform for platform, _ in by_name],
            "user_ids": [user_id for _, user_id in by_name],
        },
    )
    new: list[int] = []
    changed: list[int] = []
    for row in rows.all():
        account = InboxAccount(row.id, row.client_id, Platform(row.platform), row.platform_user_id)
        own = by_name.pop((account.platform, account.platform_user_id))
        stored = await _hear_account(
            connection, account, [_with_owner(one, row.username) for one in own], received_at
        )
        new += stored.new
        changed += stored.changed
    for (platform, user_id), unknown in by_name.items():
        left_out[f"unknown account {platform} {user_id}"] += len(unknown)
    return Stored(tuple(new), tuple(changed))


def _with_owner(change: PushedChange, username: str) -> PushedChange:
    """A comment by the account itself may be known by its name alone."""
    if change.author_username is None or change.author_username.lower() != username.lower():
        return change
    return replace(change, comment=replace(change.comment, is_own=True))


async def _hear_account(
    connection: AsyncConnection,
    account: InboxAccount,
    changes: Sequence[PushedChange],
    received_at: datetime,
) -> Stored:
    by_id: dict[str, list[PushedChange]] = {}
    for change in changes:
        by_id.setdefault(change.comment.comment_id, []).append(change)
    of_these = {"account_id": account.id, "ids": sorted(by_id)}
    told = {
        row.pop("platform_comment_id"): Told(**row)
        for row in map(dict, (await connection.execute(_TOLD, of_these)).mappings())
    }
    known = {
        row.pop("platform_comment_id"): Known(**row)
        for row in map(dict, (await connection.execute(_KNOWN, of_these)).mappings())
    }
    settled = {
        id_: settle(told[id_], known.get(id_), own, received_at=received_at)
        for id_, own in by_id.items()
    }
    found = [one.found for one in settled.values() if one.found is not None]
    stored = await store(connection, account, await _with_threads(connection, account, found))
    changed = await _change(connection, account, known, settled)
    await _remember(connection, account, told, settled)
    doubtful = {by_id[id_][0].comment.post_id for id_, one in settled.items() if one.is_doubtful}
    if doubtful:
        await connection.execute(_DOUBT, {"account_id": account.id, "ids": sorted(doubtful)})
    return Stored(stored.new, tuple(sorted({*stored.changed, *changed})))


async def _with_threads(
    connection: AsyncConnection, account: InboxAccount, found: Iterable[FoundComment]
) -> list[FoundComment]:
    """Comments whose threads begin where they really do: an answer to an answer is in its thread.

    A webhook names the parent alone; whatever is known of it tells the rest.
    """
    found = sorted(found, key=lambda one: (one.commented_at is None, one.commented_at))
    parents = sorted({one.parent_id for one in found if one.parent_id is not None})
    threads: dict[str, str] = {}
    if parents:
        rows = await connection.execute(_THREADS, {"account_id": account.id, "ids": parents})
        threads = {row.platform_comment_id: row.thread_id for row in rows}
    placed = []
    for one in found:
        if one.parent_id is not None:
            one = replace(one, thread_id=threads.get(one.parent_id, one.parent_id))
        threads.setdefault(one.comment_id, one.thread_id)
        placed.append(one)
    return placed


async def _change(
    connection: AsyncConnection,
    account: InboxAccount,
    known: Mapping[str, Known],
    settled: Mapping[str, Settled],
) -> Sequence[int]:
    """Write what is not a comment's text, once that is stored; gives the changed rows."""
    differing = {id_: one for id_, one in settled.items() if one.differs(known.get(id_))}
    if not differing:
        return ()
    changed = await connection.execute(
        _CHANGE,
        {
            "account_id": account.id,
            "ids": list(differing),
            "hidden": [one.is_hidden for one in differing.values()],
            "times": [one.commented_at for one in differing.values()],
            "deletions": [one.deleted_at for one in differing.values()],
        },
    )
    return changed.scalars().all()


async def _remember(
    connection: AsyncConnection,
    account: InboxAccount,
    told: Mapping[str, Told],
    settled: Mapping[str, Settled],
) -> None:
    news = {id_: one.told for id_, one in settled.items() if one.told != told[id_]}
    if news:
        await connection.execute(
            _REMEMBER,
            {
                "account_id": account.id,
                "ids": list(news),
                "texts": [one.text_at for one in news.values()],
                "hidden": [one.is_hidden for one in news.values()],
                "hidings": [one.hidden_at for one in news.values()],
                "removals": [one.removed_at for one in news.values()],
            },
        )


def _note(left_out: Mapping[str, int]) -> str | None:
    whole = "; ".join(f"{reason}: {count}" for reason, count in left_out.items())
    return whole[:NOTE_LIMIT] or None
