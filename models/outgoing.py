"""Rows into the outbox, inside the transaction that caused them.

The insert wakes the relays by a trigger. A key that was used before inserts nothing, so that a
step which is tried again tells nobody twice.
"""

import json
from typing import Any, Final

from models.audience import Audience
from models.events import Event
from models.statements import Statements

_PUT: Final = """
INSERT INTO outbox (kind, key, user_id, actor, payload, trace_id)
VALUES ($1::text, $2::text, $3::bigint, $4::text, $5::jsonb, $6::text)
ON CONFLICT (key) DO NOTHING
"""


async def put_event(
    connection: Statements, *, key: str, user_id: int, event: Event, trace_id: str
) -> None:
    """Tell ``user_id``; does nothing when ``key`` was told before."""
    await connection.fetch(_PUT, "event", key, user_id, None, event_payload(event), trace_id)


async def put_message(
    connection: Statements, *, key: str, actor: str, args: list[Any], trace_id: str
) -> None:
    """Have ``actor`` run with ``args``; does nothing when ``key`` was asked before."""
    payload = json.dumps({"args": args, "kwargs": {}}, ensure_ascii=False)
    await connection.fetch(_PUT, "message", key, None, actor, payload, trace_id)


async def tell(
    connection: Statements, audience: Audience, *, key: str, event: Event, trace_id: str
) -> list[int]:
    """Tell everyone in ``audience``, one row each, in one statement.

    Who belongs to it is decided here and now, in the transaction that changed something: a person
    who joins the team later was not there.

    Args:
        connection: in that transaction.
        audience: to whom.
        key: what the event is known by; each row's key has the user's id behind it.
        event: the same for all; roles that it is meant for are written into it.
        trace_id: of what caused it.

    Returns:
        Ids of the users that were told, rising; without those who had been told before.
    """
    if audience.roles and event.audience is None:
        event = event.model_copy(update={"audience": list(audience.roles)})
    event_at = len(audience.arguments)  # its own come first
    told = await connection.fetch(
        f"""
        INSERT INTO outbox (kind, key, user_id, payload, trace_id)
        SELECT 'event', ${event_at + 1}::text || ':' || audience.id, audience.id,
               ${event_at + 2}::jsonb, ${event_at + 3}::text
        FROM ({audience.query}) AS audience
        ORDER BY audience.id
        ON CONFLICT (key) DO NOTHING
        RETURNING user_id
        """,  # noqa: S608  # the query is one of models.audience's own
        *audience.arguments,
        key,
        event_payload(event),
        trace_id,
    )
    return [row["user_id"] for row in told]


def event_payload(event: Event) -> str:
    """An event as the outbox keeps it."""
    return json.dumps(event.to_wire(), ensure_ascii=False)
