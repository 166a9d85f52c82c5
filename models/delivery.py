"""Each user's short history in Redis: events are written once, in order, and read on from a place.

The engine's relay and the edge write, the edge reads. All of it is one Lua script
(``delivery.lua``), so that sequence, history and live publish cannot come apart. See
``docs/decisions/0005-one-history-per-user.md``.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, NamedTuple

import orjson
from redis.asyncio import Redis

from models import channels
from models.channels import Position
from models.round_trip import round_trip

_SCRIPT: Final = files("models").joinpath("delivery.lua").read_text()
_UNREAD_S: Final = 3600
"""Seconds that a count of unread notifications is believed before PostgreSQL is asked again."""

_SETTLE_S: Final = 10
"""Seconds after which the relay has noticed another Redis and sent again what that one lacks."""

_SCRIPT_SHA: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """One event for one user.

    Attributes:
        user_id: who gets it.
        event_id: what the event is known by; the same id is written once, as long as the first
            one is still in the user's history.
        frame: plain JSON values with at least one field; never ``id``, which delivery gives.
    """

    user_id: int
    event_id: str
    frame: Mapping[str, Any]


class Delivered(NamedTuple):
    """Where an event stands in its user's history; ``is_new`` is false for a repeated one."""

    epoch: str
    seq: int
    is_new: bool


class Reading(NamedTuple):
    """What follows a position.

    Attributes:
        epoch: the epoch of now.
        head: sequence of the newest event; 0 if there never was one.
        is_whole: whether everything since the position is still known. If not, ``frames`` is
            empty: the position is of another epoch, ahead of the server, or trimmed away.
        frames: final JSON of the events ``seq + 1``, ``seq + 2``, … in order, at most as many as
            asked for; read again from the last one until ``head`` is reached.
    """

    epoch: str
    head: int
    is_whole: bool
    frames: list[bytes]


async def replication_id(client: Redis) -> str:
    """The id of the server's data set: a restart or a fail-over changes it.

    Raises:
        redis.RedisError: the server does not answer.
    """
    return str((await client.info("replication"))["master_replid"])


class Count(NamedTuple):
    """How many notifications are unread, as Redis knows it at a place in the user's history.

    ``unread`` is ``None`` if Redis does not know; then count, and store it by
    :meth:`Delivery.recount` for this very place.
    """

    position: Position
    unread: int | None


class _Call(NamedTuple):
    """One run of the script."""

    user_id: int
    arguments: tuple[Any, ...]
    touches_count: bool = False


class Delivery:
    """Writes and reads histories.

    Args:
        client: must not decode responses.
        history_events: events kept per user.
        history_s: seconds that a history lives after its last event or reader.
        settle_s: seconds that a history must have lasted before a count is kept beside it.
    """

    def __init__(
        self,
        client: Redis,
        *,
        history_events: int = 500,
        history_s: int = 86_400,
        settle_s: int = _SETTLE_S,
    ) -> None:
        self._client = client
        self._history_events = history_events
        self._history_s = history_s
        self._settle_s = settle_s

    async def deliver(self, events: Sequence[OutgoingEvent]) -> list[Delivered]:
        """Write events and publish them live, in the given order, in one round trip.

        Idempotent by event id. If it raises, some may have been written: send all of them again.

        Raises:
            ValueError: a frame is empty or brings its own ``id``; nothing has been written.
            TypeError: a frame holds what JSON does not have; nothing has been written.
            redis.RedisError: the server does not answer or refuses.
        """
        calls = []
        for event in events:
            effect = _effect_on_count(event.frame)
            arguments = (
                "write",
                self._history_s,
                secrets.token_hex(4),
                channels.live(event.user_id),
                event.event_id,
                _serialise(event.frame),
                self._history_events,
                *effect,
            )
            calls.append(_Call(event.user_id, arguments, touches_count=bool(effect)))
        return [
            Delivered(epoch.decode(), seq, bool(is_new))
            for epoch, seq, is_new in await self._run(calls)
        ]

    async def read(
        self, positions: Sequence[tuple[int, Position | None]], *, limit: int = 100
    ) -> list[Reading]:
        """Read on from positions of users, in one round trip.

        Reading keeps a history alive and begins one where there is none, so that a user without
        events has an epoch as well.

        Args:
            positions: user ids, each with what its reader has seen; ``None`` asks for the head
                alone and is never whole.
            limit: most frames per reading, at least 1.

        Raises:
            redis.RedisError: the server does not answer or refuses.
        """
        calls = []
        for user_id, position in positions:
            epoch, seq = position or ("", 0)
            arguments = ("read", self._history_s, secrets.token_hex(4), epoch, seq, limit)
            calls.append(_Call(user_id, arguments))
        return [
            Reading(epoch.decode(), head, bool(is_whole), frames)
            for epoch, head, is_whole, *frames in await self._run(calls)
        ]

    async def count_unread(self, user_id: int) -> Count:
        """How many notifications of a user are unread.

        Raises:
            redis.RedisError: the server does not answer or refuses.
        """
        arguments = ("count", self._history_s, secrets.token_hex(4))
        [(epoch, head, unread)] = await self._run([_Call(user_id, arguments, touches_count=True)])
        return Count(Position(epoch.decode(), head), unread if unread >= 0 else None)

    async def recount(self, user_id: int, position: Position, unread: int) -> bool:
        """Store a count that was made in PostgreSQL; false if it may be out of date already.

        Args:
            user_id: whose.
            position: from the :meth:`count_unread` that came before the counting.
            unread: counted when every notification of the user had been delivered.

        Raises:
            redis.RedisError: the server does not answer or refuses.
        """
        arguments = (
            "recount",
            self._history_s,
            secrets.token_hex(4),
            *position,
            unread,
            _UNREAD_S,
            self._settle_s,
        )
        [(_, _, is_stored)] = await self._run([_Call(user_id, arguments, touches_count=True)])
        return bool(is_stored)

    async def _run(self, calls: Sequence[_Call]) -> list[Any]:
        """Call the script for each user; the answers in order."""
        if not calls:
            return []
        commands: list[tuple[Any, ...]] = []
        for user_id, arguments, touches_count in calls:
            keys: tuple[str, ...] = (
                channels.meta(user_id),
                channels.stream(user_id),
                channels.seen(user_id),
            )
            if touches_count:
                keys = (*keys, channels.unread(user_id))
            # The whole text once per round trip: a server that restarted or forgot its scripts
            # knows it again before the rest, and the order of events is kept.
            script = ("EVALSHA", _SCRIPT_SHA) if commands else ("EVAL", _SCRIPT)
            commands.append((*script, len(keys), *keys, *arguments))
        return await round_trip(self._client, commands)


def _serialise(frame: Mapping[str, Any]) -> bytes:
    if not frame or "id" in frame:
        raise ValueError("a frame has at least one field, and no id of its own")
    try:
        return orjson.dumps(frame if isinstance(frame, dict) else dict(frame))
    except orjson.JSONEncodeError as error:
        raise TypeError(f"a frame holds plain JSON values: {error}") from None


def _effect_on_count(frame: Mapping[str, Any]) -> tuple[str, ...]:
    """What an event does to the count of unread notifications."""
    match frame.get("type"):
        case "notification" if "notification_id" in frame:  # others have no row that is counted
            return ("add",)
        case "notifications_read":
            return ("forget",)
    return ()
