"""The write-ahead ledger of publishing: what was about to be called, and what came of it.

:meth:`Ledger.begin` commits before the call, :meth:`Ledger.succeed` after it; both are batched.
Rarer endings go through :func:`move`. Every write carries the lease's number; what an answer
said is kept in the attempt even when the lease was lost, for the reconciliation to read.
"""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.services.batching import Batcher
from engine.services.claiming import Claim
from engine.services.settling import settle
from models.events import PublishResult
from models.publishing import PublishingStatus, is_allowed
from models.words import PublishResultStatus

LINK_WAIT: Final = timedelta(seconds=2)
"""The success event waits this long for the post's link, and then goes without it."""

# The share lock on the content makes "changed or refused, never both" true: a change that is on
# its way commits first and is seen here; one that comes later meets the guard trigger.
_LOCK_CONTENTS = text("""
SELECT id FROM contents WHERE id = ANY(CAST(:content_ids AS bigint[])) ORDER BY id FOR SHARE
""")

_BEGIN = text("""
WITH asked AS (
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:numbers AS bigint[]), CAST(:calls AS text[])
    ) AS asked (id, lease_number, call)
), moved AS (
    UPDATE publishing_logs l
    SET status = 'sending', sent_at = clock_timestamp(), updated_at = now()
    FROM asked, contents c, platform_accounts a
    WHERE l.id = asked.id AND l.lease_number = asked.lease_number AND l.status = 'staged'
      AND l.lease_expires_at > clock_timestamp()
      AND c.id = l.content_id AND c.status = 'approved' AND c.revision = l.revision
      AND a.id = l.platform_account_id AND a.status = 'active'
      AND EXISTS (
          SELECT 1 FROM content_targets t
          WHERE t.content_id = l.content_id AND t.platform_account_id = l.platform_account_id
      )
    RETURNING l.id, l.lease_number, l.payload_hash, asked.call, a.sealed_token
), begun AS (
    INSERT INTO publishing_attempts
        (publishing_log_id, number, lease_number, call, payload_hash, is_visible, started_at)
    SELECT m.id,
           1 + coalesce((SELECT max(a.number) FROM publishing_attempts a
                         WHERE a.publishing_log_id = m.id), 0),
           m.lease_number, m.call, m.payload_hash, true, clock_timestamp()
    FROM moved m
    RETURNING publishing_log_id, id
)
SELECT b.publishing_log_id, b.id, m.sealed_token
FROM begun b JOIN moved m ON m.id = b.publishing_log_id
""")

_LOCK_FOR_RESULT = text("""
SELECT id FROM contents WHERE id = ANY(CAST(:content_ids AS bigint[]))
ORDER BY id FOR NO KEY UPDATE
""")

_SUCCEED = text("""
WITH got AS (
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:numbers AS bigint[]), CAST(:attempt_ids AS bigint[]),
        CAST(:post_ids AS text[]), CAST(:urls AS text[]), CAST(:user_ids AS bigint[]),
        CAST(:event_keys AS text[]), CAST(:payloads AS text[]), CAST(:traces AS text[]),
        CAST(:holds AS timestamptz[])
    ) AS got (id, lease_number, attempt_id, post_id, url, user_id, event_key, payload, trace_id,
              not_before)
), closed AS (
    UPDATE publishing_attempts a
    SET outcome = 'accepted', finished_at = coalesce(a.finished_at, clock_timestamp()),
        evidence = a.evidence || jsonb_build_object('post_id', got.post_id)
    FROM got WHERE a.id = got.attempt_id
), done AS (
    UPDATE publishing_logs l
    SET status = 'success', platform_post_id = got.post_id, platform_post_url = got.url,
        error_code = NULL, error_message = NULL,
        lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
    FROM got
    WHERE l.id = got.id AND l.lease_number = got.lease_number
      AND l.status IN ('sending', 'in_doubt')
    RETURNING l.id
), told AS (
    INSERT INTO outbox (kind, key, user_id, payload, trace_id, not_before)
    SELECT 'event', got.event_key, got.user_id, CAST(got.payload AS jsonb), got.trace_id,
           got.not_before
    FROM got JOIN done USING (id)
    ON CONFLICT (key) DO NOTHING
)
SELECT id FROM done
""")

_STORE_LINKS = text("""
UPDATE publishing_logs l SET platform_post_url = got.url
FROM unnest(CAST(:ids AS bigint[]), CAST(:urls AS text[])) AS got (id, url)
WHERE l.id = got.id
""")

_LET_EVENTS_GO = text("""
UPDATE outbox o
SET payload = o.payload || jsonb_build_object('post_url', got.url), not_before = NULL
FROM unnest(CAST(:keys AS text[]), CAST(:urls AS text[])) AS got (key, url)
WHERE o.key = got.key AND o.sent_at IS NULL
""")

_PLAN_COMMENTS = text("""
INSERT INTO first_comments (publishing_log_id, message, status)
SELECT got.id, got.message, 'pending'
FROM unnest(CAST(:ids AS bigint[]), CAST(:messages AS text[])) AS got (id, message)
ON CONFLICT DO NOTHING
""")

# A statement of its own: it has to see the rows that the one before has changed.
_CLOSE_CONTENTS = text("""
UPDATE contents c SET status = 'published', published_at = coalesce(c.published_at, now())
WHERE c.id = ANY(CAST(:content_ids AS bigint[])) AND c.status = 'approved'
  AND NOT EXISTS (
      SELECT 1 FROM content_targets t
      LEFT JOIN publishing_logs l USING (content_id, platform_account_id)
      WHERE t.content_id = c.id AND coalesce(l.status, '') NOT IN ('success', 'deleted')
  )
""")

_MOVE = text("""
UPDATE publishing_logs
SET status = :after,
    act_at = coalesce(CAST(:act_at AS timestamptz), act_at),
    retry_count = :retry_count,
    container_id = CASE WHEN :drop_container THEN NULL ELSE container_id END,
    container_expires_at = CASE WHEN :drop_container THEN NULL ELSE container_expires_at END,
    payload_hash = CASE WHEN :drop_container THEN NULL ELSE payload_hash END,
    parts = CASE WHEN :drop_container THEN CAST('{}' AS jsonb) ELSE parts END,
    error_code = :error_code, error_message = :error_message,
    lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
WHERE id = :id AND lease_number = :lease_number AND status = :before
""")


@dataclass(frozen=True, slots=True)
class Receipt:
    """A post that is live: what the platform calls it, and its link if that is known already."""

    claim: Claim
    attempt_id: int
    post_id: str
    url: str | None = None


class Ledger:
    """Batches the writes that every post makes."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._begins: Batcher[tuple[Claim, str], int | None] = Batcher(self._begin_all)
        self._successes: Batcher[Receipt, bool] = Batcher(self._succeed_all)
        self._links: Batcher[tuple[Claim, str], None] = Batcher(self._add_links)

    async def begin(self, claimed: Claim, call: str) -> int | None:
        """Commit that ``call`` is about to be made; gives the attempt's id.

        The claim's token becomes the one that the account has at this moment: the one that the post
        was prepared with may have been renewed since.

        Returns:
            None when it must not be made: the content was changed or withdrawn, the account is
            no longer usable, or the lease is no longer ours. Nothing was written then.
        """
        attempt_id = await self._begins.submit((claimed, call))
        if attempt_id is not None:
            claimed.status = PublishingStatus.SENDING
        return attempt_id

    async def succeed(self, receipt: Receipt) -> bool:
        """Commit that the post is live: status, receipt and the author's event in one.

        Returns:
            False when the lease was lost meanwhile. The receipt is kept in the attempt.
        """
        return await self._successes.submit(receipt)

    async def add_link(self, claimed: Claim, url: str) -> None:
        """Store the post's link, and let the waiting event go out with it."""
        await self._links.submit((claimed, url))

    async def _begin_all(self, asked: Sequence[tuple[Claim, str]]) -> list[int | None]:
        async with self._database.begin() as connection:
            await connection.execute(
                _LOCK_CONTENTS, {"content_ids": [claimed.content_id for claimed, _ in asked]}
            )
            rows = await connection.execute(
                _BEGIN,
                {
                    "ids": [claimed.id for claimed, _ in asked],
                    "numbers": [claimed.lease_number for claimed, _ in asked],
                    "calls": [call for _, call in asked],
                },
            )
            begun = {row.publishing_log_id: row for row in rows}
        for claimed, _ in asked:
            if claimed.id in begun:
                claimed.sealed_token = begun[claimed.id].sealed_token
        attempts: dict[int, int] = {log_id: row.id for log_id, row in begun.items()}
        return [attempts.get(claimed.id) for claimed, _ in asked]

    async def _succeed_all(self, receipts: Sequence[Receipt]) -> list[bool]:
        content_ids = [receipt.claim.content_id for receipt in receipts]
        async with self._database.begin() as connection:
            await lock_contents(connection, content_ids)
            now: datetime = (await connection.execute(text("SELECT now()"))).scalar_one()
            rows = await connection.execute(
                _SUCCEED,
                {
                    "ids": [receipt.claim.id for receipt in receipts],
                    "numbers": [receipt.claim.lease_number for receipt in receipts],
                    "attempt_ids": [receipt.attempt_id for receipt in receipts],
                    "post_ids": [receipt.post_id for receipt in receipts],
                    "urls": [receipt.url for receipt in receipts],
                    "user_ids": [receipt.claim.author_id for receipt in receipts],
                    "event_keys": [result_key(receipt.claim) for receipt in receipts],
                    "payloads": [
                        json.dumps(success_event(receipt).to_wire(), ensure_ascii=False)
                        for receipt in receipts
                    ],
                    "traces": [receipt.claim.trace_id for receipt in receipts],
                    "holds": [None if receipt.url else now + LINK_WAIT for receipt in receipts],
                },
            )
            done = set(rows.scalars())
            await _plan_comments(connection, receipts, done)
            await close_contents(connection, content_ids)
            await settle(connection, content_ids)
        return [receipt.claim.id in done for receipt in receipts]

    async def _add_links(self, links: Sequence[tuple[Claim, str]]) -> list[None]:
        urls = [url for _, url in links]
        async with self._database.begin() as connection:
            await connection.execute(
                _STORE_LINKS, {"ids": [claimed.id for claimed, _ in links], "urls": urls}
            )
            await connection.execute(
                _LET_EVENTS_GO,
                {"keys": [result_key(claimed) for claimed, _ in links], "urls": urls},
            )
        return [None] * len(links)


async def lock_contents(connection: AsyncConnection, content_ids: Sequence[int]) -> None:
    """Let results of one content be written one after the other, so that the last sees them all.

    Comes before any write to their logs or attempts: the content first, as all who lock both.
    """
    await connection.execute(_LOCK_FOR_RESULT, {"content_ids": list(content_ids)})


async def close_contents(connection: AsyncConnection, content_ids: Sequence[int]) -> None:
    """Call those contents published whose every account shows them."""
    await connection.execute(_CLOSE_CONTENTS, {"content_ids": list(content_ids)})


async def _plan_comments(
    connection: AsyncConnection, receipts: Sequence[Receipt], done: Set[int]
) -> None:
    """Have the first comments written that contents ask for, now that their posts are live."""
    wanted = {
        receipt.claim.id: receipt.claim.first_comment
        for receipt in receipts
        if receipt.claim.id in done and receipt.claim.first_comment
    }
    if wanted:
        await connection.execute(
            _PLAN_COMMENTS, {"ids": list(wanted), "messages": list(wanted.values())}
        )


def result_key(claimed: Claim) -> str:
    """The event id of this post's result: one per lease that could have ended it."""
    return f"publish_result:{claimed.id}:{claimed.lease_number}"


def success_event(receipt: Receipt) -> PublishResult:
    """The author's ``publish_result`` for a post that is live."""
    return PublishResult(
        content_id=receipt.claim.content_id,
        platform=receipt.claim.platform,
        status=PublishResultStatus.SUCCESS,
        post_url=receipt.url,
        trace_id=receipt.claim.trace_id,
    )


async def move(
    connection: AsyncConnection,
    claimed: Claim,
    after: PublishingStatus,
    *,
    act_at: datetime | None = None,
    retry_count: int | None = None,
    drop_container: bool = False,
    error_code: str | None = None,
    error_message: str | None = None,
) -> bool:
    """Take one step of the life cycle and give the lease back.

    Returns:
        False when the lease was lost or the row moved on; nothing was written then.
    """
    if after is not claimed.status and not is_allowed(claimed.status, after):
        raise ValueError(f"no step from {claimed.status} to {after}")
    result = await connection.execute(
        _MOVE,
        {
            "id": claimed.id,
            "lease_number": claimed.lease_number,
            "before": claimed.status,
            "after": after,
            "act_at": act_at,
            "retry_count": claimed.retry_count if retry_count is None else retry_count,
            "drop_container": drop_container,
            "error_code": error_code,
            "error_message": error_message,
        },
    )
    return bool(result.rowcount)


async def close_attempt(
    connection: AsyncConnection, attempt_id: int, outcome: str, evidence: Mapping[str, Any]
) -> None:
    """Write what came of an attempt: ``refused``, ``not_sent`` or ``unknown``."""
    await connection.execute(
        text("""
            UPDATE publishing_attempts
            SET outcome = :outcome, finished_at = clock_timestamp(),
                evidence = evidence || CAST(:evidence AS jsonb)
            WHERE id = :id
        """),
        {
            "id": attempt_id,
            "outcome": outcome,
            "evidence": json.dumps(evidence, ensure_ascii=False, default=str),
        },
    )


async def note_look(
    connection: AsyncConnection, claimed: Claim, evidence: Mapping[str, Any]
) -> None:
    """Write down one look of the reconciliation, for the person who may have to decide."""
    await connection.execute(
        text("""
            INSERT INTO publishing_attempts (publishing_log_id, number, lease_number, call,
                payload_hash, is_visible, started_at, finished_at, outcome, evidence)
            SELECT :id, 1 + coalesce(max(number), 0), :lease_number, 'look', :payload_hash, false,
                   clock_timestamp(), clock_timestamp(), 'read', CAST(:evidence AS jsonb)
            FROM publishing_attempts WHERE publishing_log_id = :id
        """),
        {
            "id": claimed.id,
            "lease_number": claimed.lease_number,
            "payload_hash": claimed.payload_hash,
            "evidence": json.dumps(evidence, ensure_ascii=False, default=str),
        },
    )
