"""A content that goes to several accounts: what became of it as a whole, said once and truly.

Each account's result is an event of its own. When the last one has ended and not all are live, the
author is told which are and which are not; a content is called published only when all are.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.rules.explaining import explain_partial
from engine.services.notifying import notify
from models.accounts import Platform
from models.events import Reference
from models.publishing import PublishingStatus
from models.words import Priority

_ENDED = text("""
SELECT c.id AS content_id, c.title, c.revision, c.created_by, a.platform, a.username, l.status,
       l.error_message, l.trace_id
FROM contents c
JOIN content_targets t ON t.content_id = c.id
JOIN platform_accounts a ON a.id = t.platform_account_id
LEFT JOIN publishing_logs l ON l.content_id = c.id AND l.platform_account_id = a.id
WHERE c.id = ANY(CAST(:content_ids AS bigint[]))
ORDER BY c.id, a.id
""")

_OVER = frozenset(
    {PublishingStatus.SUCCESS, PublishingStatus.FAILED, PublishingStatus.NEEDS_PERSON}
)


async def settle(connection: AsyncConnection, content_ids: Sequence[int]) -> None:
    """Tell the author of a partial success, in the transaction that ended the last account.

    Says nothing while an account is on its way, when all are live, when none is (each failure was
    told), or when there is one account only. Idempotent for one state of affairs.
    """
    rows = (await connection.execute(_ENDED, {"content_ids": list(content_ids)})).all()
    for content_id in sorted(set(content_ids)):
        posts = [row for row in rows if row.content_id == content_id]
        live = [post for post in posts if post.status == PublishingStatus.SUCCESS]
        others = [post for post in posts if post.status != PublishingStatus.SUCCESS]
        if not live or not others or any(post.status not in _OVER for post in others):
            continue
        first = posts[0]
        title, message = explain_partial(
            first.title,
            [(Platform(post.platform), post.username) for post in live],
            [(Platform(post.platform), post.username, post.error_message or "") for post in others],
        )
        state = "-".join(sorted(f"{post.platform}.{post.username}" for post in others))
        await notify(
            connection,
            key=f"partial:{content_id}:{first.revision}:{state}",
            user_id=first.created_by,
            title=title,
            message=message,
            priority=Priority.HIGH,
            reference=Reference(kind="content", id=content_id),
            trace_id=live[0].trace_id,
        )
