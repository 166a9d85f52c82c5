"""One connection's conversation, without I/O: what came in goes in, what is to be done comes out.

::

    AWAITING_AUTH ──token──▶ VERIFYING ──good──▶ JOINING ──hello──▶ LIVE ◀──caught up── CATCHING_UP
          │                      │                  │                └──gap, resume────────▶ │
          └──────────────────────┴──────────────────┴──────── CLOSED ◀───────────────────────┘

Events reach a client in two ways: pushed live, and read from history. The history has every
event that has an id, so that the pushes which arrive while it is being read need not be kept:
they only show that there is more to read. A connection is live when it has read all that it knows
of, and then takes a push only if it is the very next one. Anything else is a gap, and is read.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from math import inf
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from edge.close_codes import REASONS, CloseCode
from models.channels import EventIdMalformed, Position, decode_event_id
from models.delivery import Reading
from models.events import (
    Auth,
    ClientFrame,
    Draining,
    Hello,
    Ping,
    Pong,
    Refresh,
    Refreshed,
    Resume,
    TokenExpiring,
)

MAX_FRAME_BYTES: Final = 64 * 1024
"""Largest frame that a client may send."""

_ROUNDING_S: Final = 1e-6
"""What sums of fractions of a second may be off."""

_CLIENT_FRAME: Final[TypeAdapter[Ping | Auth | Resume | Refresh]] = TypeAdapter(ClientFrame)
_PONG: Final = Pong().model_dump_json()


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text frame."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Send what is queued, then close."""

    code: CloseCode
    reason: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check the token; answer with ``authenticated`` or ``refused``."""

    token: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Check a new token of the same user; answer with ``renewed`` or ``refused``."""

    token: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read on from this position; answer with ``history``. Never two at a time."""

    after: Position | None


Action = Send | Close | Authenticate | Renew | Read


class State(Enum):
    """Where the conversation is; drawn above."""

    AWAITING_AUTH = "awaiting auth"
    VERIFYING = "verifying"
    JOINING = "joining"
    CATCHING_UP = "catching up"
    LIVE = "live"
    CLOSED = "closed"


class Push(Enum):
    """What to do with an event that was pushed live."""

    SEND = "send"
    SKIP = "skip"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the conversation allows; durations in seconds.

    Attributes:
        auth_s: until a token must have come.
        hello_s: until it must have been checked, and the history found.
        silence_s: that a client may say nothing.
        warning_s: before a token's end, when the client is told.
        grace_s: after it, in which a refresh still works.
        frames_per_s: that a client may send for long.
        frames_burst: that it may send at once.
    """

    auth_s: float = 10
    hello_s: float = 10
    silence_s: float = 90
    warning_s: float = 30
    grace_s: float = 30
    frames_per_s: float = 10
    frames_burst: int = 20


class Protocol:
    """The conversation of one connection.

    ``now`` is monotonic seconds. After each call, ``deadline`` is when :meth:`tick` wants to be
    called, unless something else happens before.

    Args:
        connection_id: told in the hello.
        limits: what it allows.
        now: when it begins.
        retires_at: when the connection is old enough to be replaced.
    """

    __slots__ = (
        "_asked",
        "_connection_id",
        "_expires_at",
        "_expires_on",
        "_greets",
        "_has_warned",
        "_heard_at",
        "_is_renewing",
        "_limits",
        "_noted",
        "_owes_pong",
        "_reading",
        "_retires_at",
        "_spoken_until",
        "_started_at",
        "position",
        "state",
    )

    def __init__(
        self, connection_id: str, limits: Limits, now: float, *, retires_at: float = inf
    ) -> None:
        self.state = State.AWAITING_AUTH
        self.position: Position | None = None
        """What the client has been sent; ``None`` before the hello."""
        self._connection_id = connection_id
        self._limits = limits
        self._started_at = now  # of this state, while waiting for a token or for the hello
        self._heard_at = now
        self._spoken_until = now  # as much of its allowance as the client has used up
        self._retires_at = retires_at
        self._expires_at = now
        self._expires_on: datetime | None = None  # the same instant on the clock of the wall
        self._has_warned = False
        self._is_renewing = False
        self._asked: Position | None = None
        self._greets = True  # the next reading answers a connect or a resume: hello first
        self._reading: Read | None = None  # asked for, not answered yet
        self._noted: Position | None = None  # newest push since the last reading was asked for
        self._owes_pong = False

    # What the client does

    def resume_from(self, event_id: str | None) -> None:
        """Take the position that came with the connection; one that cannot be read is none."""
        self._asked = _position(event_id)

    def present(self, token: str, now: float) -> list[Action]:
        """A token came, with the handshake or in a frame; only the first one counts."""
        if self.state is not State.AWAITING_AUTH:
            return []
        self.state, self._started_at = State.VERIFYING, now
        return [Authenticate(token)]

    def receive_text(self, text: str, now: float) -> list[Action]:
        """A text frame arrived."""
        if self.state is State.CLOSED:
            return []
        if not self._may_speak(now):
            return self.close(CloseCode.TOO_MANY_FRAMES)
        self._heard_at = now
        if len(text) > MAX_FRAME_BYTES or len(text.encode()) > MAX_FRAME_BYTES:
            return self.close(CloseCode.TOO_BIG)
        try:
            frame = _CLIENT_FRAME.validate_json(text)
        except ValidationError as error:
            if error.errors(include_url=False)[0]["type"] == "union_tag_invalid":
                return []  # a newer client says something that this edge does not know
            return self.close(CloseCode.MALFORMED)
        match frame:
            case Auth() if self.state is State.AWAITING_AUTH:
                if frame.resume is not None:
                    self.resume_from(frame.resume)
                return self.present(frame.token, now)
            case Ping() if self.position is not None:
                return [Send(_PONG)]
            case Ping():
                self._owes_pong = True  # nothing may come before the hello
            case Refresh() if self._is_known and not self._is_renewing:
                self._is_renewing = True
                return [Renew(frame.token)]
            case Resume() if self._is_known:
                self._asked, self._greets = _position(frame.id), True
                return self._catch_up()
        return []

    def receive_bytes(self) -> list[Action]:
        """A binary frame arrived."""
        return self.close(CloseCode.BINARY_FRAME)

    # What the shell found out

    def authenticated(self, expires_on: datetime, valid_s: float, now: float) -> list[Action]:
        """The token is good, and this connection may come in.

        Args:
            expires_on: when the token expires.
            valid_s: how long that is from now.
            now: monotonic seconds.
        """
        if self.state is not State.VERIFYING:
            return []
        self.state = State.JOINING
        self._heard_at = now
        self._expires_on, self._expires_at = expires_on, now + valid_s
        return self._catch_up()

    def renewed(self, expires_on: datetime, valid_s: float, now: float) -> list[Action]:
        """The new token is good, and takes the old one's place."""
        if self.state is State.CLOSED:
            return []
        self._is_renewing = self._has_warned = False
        self._expires_on, self._expires_at = expires_on, now + valid_s
        return [Send(Refreshed(expires_at=expires_on).model_dump_json())]

    def refused(self, code: CloseCode = CloseCode.TOKEN_INVALID) -> list[Action]:
        """The token proves nothing, or nothing that lets this connection in."""
        return self.close(code)

    def history(self, reading: Reading, server_time: datetime) -> list[Action]:
        """What was asked for by the last :class:`Read`."""
        answered, self._reading = self._reading, None
        if self.state is State.CLOSED:
            return []
        if answered != self._next_reading():
            return self._catch_up()  # a resume overtook it: this is about another position
        actions: list[Action] = []
        if self._greets:
            recovered = reading.is_whole and self._asked is not None
            start = self._asked.seq if recovered and self._asked else reading.head
            position = Position(reading.epoch, start)
            hello = Hello(
                epoch=position.epoch,
                seq=position.seq,
                recovered=recovered,
                server_time=server_time,
                connection_id=self._connection_id,
            )
            actions.append(Send(hello.model_dump_json()))
            if self._owes_pong:
                actions.append(Send(_PONG))
            self._greets = self._owes_pong = False
            self.state = State.CATCHING_UP
        elif reading.is_whole and self.position is not None:
            position = Position(reading.epoch, self.position.seq)
        else:
            return self.close(CloseCode.HISTORY_LOST)
        actions += [Send(frame.decode()) for frame in reading.frames]
        self.position = Position(position.epoch, position.seq + len(reading.frames))
        if self.position.seq < reading.head or self._has_noted_more():
            return actions + self._catch_up()
        self.state = State.LIVE
        return actions

    def push(self, position: Position) -> Push:
        """An event with an id was pushed live; ``READ`` asks for :meth:`repair`."""
        mine = self.position
        if self.state is State.LIVE and mine is not None:
            if position.epoch == mine.epoch:
                if position.seq == mine.seq + 1:
                    self.position = position
                    return Push.SEND
                if position.seq <= mine.seq:
                    return Push.SKIP
            return Push.READ
        self._noted = position
        return Push.SKIP

    def has_missed(self, head: Position) -> bool:
        """Whether the history, now or a moment ago, was ahead of what this client was sent."""
        mine = self.position
        return (
            self.state is State.LIVE
            and mine is not None
            and (head.epoch != mine.epoch or head.seq > mine.seq)
        )

    def repair(self) -> list[Action]:
        """Read what is missing between here and now."""
        return self._catch_up() if self.state is State.LIVE else []

    @property
    def takes_live(self) -> bool:
        """Whether frames without an id may be sent: after the hello."""
        return self.position is not None and self.state is not State.CLOSED

    # Time

    @property
    def deadline(self) -> float:
        """When :meth:`tick` has something to do."""
        match self.state:
            case State.AWAITING_AUTH:
                return self._started_at + self._limits.auth_s
            case State.VERIFYING | State.JOINING:
                return self._started_at + self._limits.hello_s
        limits = self._limits
        return min(
            self._heard_at + limits.silence_s,
            self._expires_at + (limits.grace_s if self._has_warned else -limits.warning_s),
            self._retires_at,
        )

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        if self.state is State.CLOSED or now < self.deadline:
            return []
        match self.state:
            case State.AWAITING_AUTH:
                return self.close(CloseCode.AUTH_TIMEOUT)
            case State.VERIFYING | State.JOINING:
                # Redis is away. Better to say so than to hold a client without a word.
                return self.close(CloseCode.TRY_LATER)
        grace_s = self._limits.grace_s
        if now >= self._expires_at + grace_s:
            return self.close(CloseCode.TOKEN_INVALID)
        if now >= self._heard_at + self._limits.silence_s:
            return self.close(CloseCode.SILENT)
        if now >= self._retires_at:
            return self.drain(retry_ms=0)  # no two retire at once, so that none need wait
        self._has_warned = True
        if self._expires_on is None:
            raise RuntimeError("a connection without a token has no history")
        closes_at = self._expires_on + timedelta(seconds=grace_s)
        warning = TokenExpiring(expires_at=self._expires_on, closes_at=closes_at)
        return [Send(warning.model_dump_json())]

    def drain(self, retry_ms: int) -> list[Action]:
        """Send the client elsewhere, and say when to come."""
        if not self.takes_live:
            return self.close(CloseCode.DRAINING)  # nothing may come before the hello
        hint = Send(Draining(retry_ms=retry_ms).model_dump_json())
        return [hint, *self.close(CloseCode.DRAINING)]

    def close(self, code: CloseCode) -> list[Action]:
        """End the conversation; nothing is said after it. Idempotent."""
        if self.state is State.CLOSED:
            return []
        self.state = State.CLOSED
        return [Close(code, REASONS[code])]

    @property
    def _is_known(self) -> bool:
        return self.state not in (State.AWAITING_AUTH, State.VERIFYING, State.CLOSED)

    def _may_speak(self, now: float) -> bool:
        """Whether one more frame is within the allowance, which fills up as time passes."""
        per_frame_s = 1 / self._limits.frames_per_s
        spoken_until = max(self._spoken_until, now) + per_frame_s
        if spoken_until - now > self._limits.frames_burst * per_frame_s + _ROUNDING_S:
            return False
        self._spoken_until = spoken_until
        return True

    def _catch_up(self) -> list[Action]:
        if self.state is not State.JOINING:
            self.state = State.CATCHING_UP
        if self._reading is not None:
            return []
        self._reading, self._noted = self._next_reading(), None
        return [self._reading]

    def _next_reading(self) -> Read:
        return Read(self._asked if self._greets else self.position)

    def _has_noted_more(self) -> bool:
        noted, mine = self._noted, self.position
        return (
            noted is not None
            and mine is not None
            and (noted.epoch != mine.epoch or noted.seq > mine.seq)
        )


def _position(event_id: Any) -> Position | None:
    try:
        return decode_event_id(event_id)
    except (EventIdMalformed, TypeError):
        return None
