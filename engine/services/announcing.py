"""What follows from a new comment: its sentiment is asked for, and the operators are told.

Both are rows of the transaction that inserted the comment, so each happens exactly once. The event
waits a little for the sentiment; :func:`let_go` fills it in and lets it leave. Events of one thread
share a lane, so none overtakes an earlier one that still waits.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.rules.texts import EVENT_LIMIT, cut
from models.words import Role, Sentiment

SENTIMENT_WAIT: Final = timedelta(seconds=3)
"""The event waits this long for the sentiment, and then goes without it."""

NAMELESS: Final = "이름 없음"

_ASK = text("""
INSERT INTO outbox (kind, key, actor, payload, trace_id)
SELECT 'message', 'analyze_sentiment:' || asked.id || asked.suffix, 'analyze_sentiment',
       jsonb_build_object('args', jsonb_build_array(asked.id), 'kwargs', '{}'::jsonb), :trace_id
FROM unnest(CAST(:ids AS bigint[]), CAST(:suffixes AS text[])) WITH ORDINALITY
    AS asked (id, suffix, n)
ORDER BY asked.n
ON CONFLICT (key) DO NOTHING
""")

# models.events.NewComment, as a statement over many; a test holds the two together.
_TELL = text("""
INSERT INTO outbox (kind, key, user_id, payload, trace_id, not_before, lane)
SELECT 'event', 'new_comment:' || c.id || ':' || operator.id, operator.id,
       jsonb_build_object(
           'type', 'new_comment', 'v', 1,
           'ts', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'trace_id', CAST(:trace_id AS text), 'audience', jsonb_build_array(CAST(:role AS text)),
           'comment_id', c.id, 'platform', c.platform,
           'author', coalesce(c.author_name, :nameless),
           'message', told.message, 'sentiment', NULL),
       :trace_id, now() + make_interval(secs => :wait_s),
       'thread:' || c.platform_account_id || ':' || c.thread_id || ':' || operator.id
FROM unnest(CAST(:ids AS bigint[]), CAST(:messages AS text[])) WITH ORDINALITY
    AS told (id, message, n)
JOIN comments_inbox c ON c.id = told.id
JOIN client_members member ON member.client_id = c.client_id
JOIN users operator ON operator.id = member.user_id AND operator.role = :role
ORDER BY told.n, operator.id
ON CONFLICT (key) DO NOTHING
""")

_LET_GO = text("""
UPDATE outbox o
SET payload = o.payload || jsonb_build_object('sentiment', known.sentiment), not_before = NULL
FROM (
    SELECT 'new_comment:' || c.id || ':' || member.user_id AS key, got.sentiment
    FROM unnest(CAST(:ids AS bigint[]), CAST(:sentiments AS text[])) AS got (id, sentiment)
    JOIN comments_inbox c ON c.id = got.id
    JOIN client_members member ON member.client_id = c.client_id
) AS known
WHERE o.key = known.key AND o.sent_at IS NULL
""")


async def announce(
    connection: AsyncConnection, comments: Mapping[int, str], *, trace_id: str
) -> None:
    """Ask for the sentiment of new comments and tell their operators.

    Args:
        connection: in the transaction that inserted them.
        comments: texts by the row's id, in the order in which they are to be told.
        trace_id: of what brought them.
    """
    await ask_sentiment(connection, dict.fromkeys(comments, ""), trace_id=trace_id)
    await connection.execute(
        _TELL,
        {
            "ids": list(comments),
            "messages": [cut(message, EVENT_LIMIT) for message in comments.values()],
            "role": Role.OPERATOR,
            "nameless": NAMELESS,
            "wait_s": SENTIMENT_WAIT.total_seconds(),
            "trace_id": trace_id,
        },
    )


async def ask_sentiment(
    connection: AsyncConnection, versions: Mapping[int, str], *, trace_id: str
) -> None:
    """Have comments analysed, once per version of their text (``""``: the first)."""
    await connection.execute(
        _ASK,
        {
            "ids": list(versions),
            "suffixes": [version and f":{version}" for version in versions.values()],
            "trace_id": trace_id,
        },
    )


async def let_go(connection: AsyncConnection, sentiments: Mapping[int, Sentiment]) -> None:
    """Let the events of comments leave that waited for their sentiment, with it.

    One that has left already stays as it was told.
    """
    ids: Sequence[int] = list(sentiments)
    await connection.execute(
        _LET_GO, {"ids": ids, "sentiments": [sentiments[id_].value for id_ in ids]}
    )
