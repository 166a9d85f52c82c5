"""Tokens that are no longer good before they expire: a logout, a dismissal, a stolen laptop.

A revocation is a record, so that whoever connects later is refused, and a message, so that every
edge closes what is open. Both go out in one transaction; an edge that heard no message, because
it was away from Redis, reads the records when it is back.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import orjson
from redis.asyncio import Redis

from models import channels

KEEP_S: Final = 30 * 86_400
"""How long a record is kept unless told otherwise; no token should live longer."""


class RevocationMalformed(ValueError):
    """A message that revokes nothing."""


class Bearer(NamedTuple):
    """What a token says that can be revoked.

    Attributes:
        user_id: its ``sub``.
        token_id: its ``jti``, if it has one.
        issued_at: its ``iat`` in Unix seconds, if it has one.
    """

    user_id: int
    token_id: str | None
    issued_at: float | None


@dataclass(frozen=True, slots=True)
class Revocation:
    """One token by its id, or all tokens that a user was given up to a moment.

    A token that does not say when it was issued counts as old. Where ``iat`` has whole seconds,
    one issued in the very second of the revocation counts as old, too.
    """

    token_id: str | None = None
    user_id: int | None = None
    until: float = 0

    @classmethod
    def from_message(cls, data: bytes) -> Self:
        """Read what :func:`revoke_token` and :func:`revoke_user` publish.

        Raises:
            RevocationMalformed: it is something else.
        """
        try:
            match orjson.loads(data):
                case {"token_id": str(token_id)}:
                    return cls(token_id=token_id)
                case {"user_id": int(user_id), "until": int(until) | float(until)}:
                    return cls(user_id=user_id, until=until)
        except orjson.JSONDecodeError:
            pass
        raise RevocationMalformed("neither a token_id, nor a user_id with until")

    def covers(self, bearer: Bearer) -> bool:
        """Whether a token is revoked by this."""
        if self.token_id is not None:
            return bearer.token_id == self.token_id
        return bearer.user_id == self.user_id and (
            bearer.issued_at is None or bearer.issued_at <= self.until
        )


async def revoke_token(client: Redis, token_id: str, *, keep_s: int = KEEP_S) -> int:
    """Revoke one token, everywhere and at once.

    Args:
        client: for commands.
        token_id: its ``jti``.
        keep_s: whole seconds until it would have expired anyway.

    Returns:
        How many edges were told; others read the record.

    Raises:
        redis.RedisError: the server does not answer; nothing is certain, ask again.
    """
    return await _revoke(
        client, channels.revoked_token(token_id), 1, keep_s, {"token_id": token_id}
    )


async def revoke_user(client: Redis, user_id: int, *, keep_s: int = KEEP_S) -> int:
    """Revoke all tokens that a user has been given so far, everywhere and at once.

    Args:
        client: for commands.
        user_id: whose tokens.
        keep_s: whole seconds until the last of them would have expired anyway.

    Returns:
        How many edges were told; others read the record.

    Raises:
        redis.RedisError: the server does not answer; nothing is certain, ask again.
    """
    until = time.time()
    message = {"user_id": user_id, "until": until}
    return await _revoke(client, channels.revoked_user(user_id), until, keep_s, message)


async def are_revoked(client: Redis, bearers: Sequence[Bearer]) -> list[bool]:
    """Whether there is a record against each of these tokens, in one round trip.

    Raises:
        redis.RedisError: the server does not answer.
    """
    if not bearers:
        return []
    keys = [key for bearer in bearers for key in record_keys(bearer)]
    values: list[Any] = await client.mget(keys)
    return [
        is_revoked(bearer, values[2 * index : 2 * index + 2])
        for index, bearer in enumerate(bearers)
    ]


def record_keys(bearer: Bearer) -> tuple[str, str]:
    """Where the records against a token would be; for a caller that has its own round trip."""
    # A token without an id cannot be named; the empty name is nobody's.
    return channels.revoked_user(bearer.user_id), channels.revoked_token(bearer.token_id or "")


def is_revoked(bearer: Bearer, records: Sequence[bytes | None]) -> bool:
    """What the values at :func:`record_keys` say of a token."""
    of_user, of_token = records
    if of_token is not None and bearer.token_id:
        return True
    return of_user is not None and Revocation(user_id=bearer.user_id, until=float(of_user)).covers(
        bearer
    )


async def _revoke(
    client: Redis, key: str, value: float, keep_s: int, message: dict[str, Any]
) -> int:
    # The record first: whoever connects between the two is refused by it.
    pipeline = client.pipeline(transaction=True)
    pipeline.set(key, value, ex=keep_s)
    pipeline.publish(channels.REVOCATIONS, orjson.dumps(message))
    _, told = await pipeline.execute()
    return int(told)
