"""Comments into the inbox: each new exactly once, whoever brings it and however often.

Lists and webhooks bring the same comments, twice, late and out of order. The row's key decides who
was first; everything that follows from a new comment is written in that same transaction.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.ports import FoundComment
from engine.rules.texts import clean, clean_name
from engine.services.announcing import announce, ask_sentiment
from models.accounts import Platform

MOST_LIKES: Final = 2**31 - 1  # what the column holds

_STORE = text("""
WITH incoming AS (
    SELECT * FROM unnest(
        CAST(:ids AS text[]), CAST(:post_ids AS text[]), CAST(:thread_ids AS text[]),
        CAST(:parent_ids AS text[]), CAST(:author_ids AS text[]), CAST(:author_names AS text[]),
        CAST(:own AS boolean[]), CAST(:messages AS text[]), CAST(:times AS timestamptz[]),
        CAST(:edits AS timestamptz[]), CAST(:hidden AS boolean[]), CAST(:likes AS int[])
    ) WITH ORDINALITY AS incoming (comment_id, post_id, thread_id, parent_id, author_id,
        author_name, is_own, message, commented_at, edited_at, is_hidden, like_count, n)
), differing AS (
    SELECT i.*, c.message AS old_message
    FROM incoming i
    LEFT JOIN comments_inbox c
        ON c.platform_account_id = :account_id AND c.platform_comment_id = i.comment_id
    WHERE c.id IS NULL
       OR c.message <> i.message OR c.is_hidden <> i.is_hidden
       OR c.commented_at <> coalesce(i.commented_at, c.commented_at)
       OR c.like_count IS DISTINCT FROM coalesce(i.like_count, c.like_count)
       OR c.author_name IS DISTINCT FROM coalesce(i.author_name, c.author_name)
       OR c.is_own <> (c.is_own OR i.is_own)
       OR c.missing_since IS NOT NULL OR c.deleted_at IS NOT NULL
), written AS (
    INSERT INTO comments_inbox AS c (client_id, platform_account_id, platform, platform_comment_id,
        platform_post_id, thread_id, parent_comment_id, author_id, author_name, is_own, message,
        commented_at, edited_at, is_hidden, like_count)
    SELECT :client_id, :account_id, :platform, d.comment_id, d.post_id,
        -- A page knows the thread as far up as it reaches; the row of what is answered knows more.
        coalesce((SELECT p.thread_id FROM comments_inbox p
                  WHERE p.platform_account_id = :account_id
                    AND p.platform_comment_id = d.parent_id), d.thread_id),
        d.parent_id,
        d.author_id, d.author_name, d.is_own, d.message, coalesce(d.commented_at, now()),
        d.edited_at, d.is_hidden, d.like_count
    FROM differing d
    ORDER BY d.n
    ON CONFLICT (platform_account_id, platform_comment_id) DO UPDATE
    SET message = excluded.message, is_hidden = excluded.is_hidden,
        edited_at = CASE WHEN c.message <> excluded.message
                         THEN coalesce(excluded.edited_at, now())
                         ELSE coalesce(excluded.edited_at, c.edited_at) END,
        commented_at = CASE WHEN excluded.platform_comment_id = ANY(CAST(:timed AS text[]))
                            THEN excluded.commented_at ELSE c.commented_at END,
        like_count = coalesce(excluded.like_count, c.like_count),
        author_id = coalesce(excluded.author_id, c.author_id),
        author_name = coalesce(excluded.author_name, c.author_name),
        is_own = c.is_own OR excluded.is_own,
        missing_since = NULL, deleted_at = NULL, updated_at = now()
    RETURNING c.id, c.platform_comment_id, c.xmax = 0 AS is_new, c.is_own, c.message
)
SELECT w.id, w.is_new, w.is_own, w.message, d.old_message
FROM written w JOIN differing d ON d.comment_id = w.platform_comment_id
ORDER BY d.n
""")


@dataclass(frozen=True, slots=True)
class InboxAccount:
    """The account whose comments they are."""

    id: int
    client_id: int
    platform: Platform
    platform_user_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows that were inserted, and rows that were changed; all others were known as they are."""

    new: tuple[int, ...]
    changed: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed)


async def store(
    connection: AsyncConnection, account: InboxAccount, comments: Sequence[FoundComment]
) -> Stored:
    """Take what a platform shows now, as the truth of this moment.

    A comment that was thought deleted is there again. Of several with one id the last counts.
    New comments of others are announced; a new text is analysed anew. Unchanged ones cost a read
    and write nothing.

    Args:
        connection: in a transaction; it locks rows until that ends.
        account: whose posts they stand under.
        comments: any number, in any order, text untouched.
    """
    found = {comment.comment_id: comment for comment in comments}
    if not found:
        return Stored((), ())
    # By time, so that ids of new rows rise with it; by id within that, so that two writers lock in
    # one order as far as they can. (Deadlocks are retried by the callers.)
    ordered = sorted(found.values(), key=lambda one: (one.commented_at or _NOW, one.comment_id))
    rows = (await connection.execute(_STORE, _columns(account, ordered))).all()
    trace_id = uuid4().hex
    new = {row.id: row.message for row in rows if row.is_new and not row.is_own}
    if new:
        await announce(connection, new, trace_id=trace_id)
    edited = {
        row.id: hashlib.sha256(row.message.encode()).hexdigest()[:16]
        for row in rows
        # Without an old text another run inserted it this moment, and has asked.
        if not row.is_new and not row.is_own and row.old_message not in (None, row.message)
    }
    if edited:
        await ask_sentiment(connection, edited, trace_id=trace_id)
    return Stored(
        tuple(row.id for row in rows if row.is_new),
        tuple(row.id for row in rows if not row.is_new),
    )


_NOW: Final = datetime.max.replace(tzinfo=UTC)  # a comment without a time has just been written


def _columns(account: InboxAccount, comments: Sequence[FoundComment]) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "client_id": account.client_id,
        "platform": account.platform,
        "ids": [clean(one.comment_id) for one in comments],
        "post_ids": [clean(one.post_id) for one in comments],
        "thread_ids": [clean(one.thread_id) for one in comments],
        "parent_ids": [one.parent_id and clean(one.parent_id) for one in comments],
        "author_ids": [one.author_id and clean(one.author_id) for one in comments],
        "author_names": [clean_name(one.author_name) for one in comments],
        "own": [one.is_own for one in comments],
        "messages": [clean(one.text) for one in comments],
        "times": [one.commented_at for one in comments],
        "timed": [clean(one.comment_id) for one in comments if one.commented_at is not None],
        "edits": [one.edited_at for one in comments],
        "hidden": [one.is_hidden for one in comments],
        "likes": [
            None if one.like_count is None else max(0, min(one.like_count, MOST_LIKES))
            for one in comments
        ],
    }
