"""One connection's conversation, without I/O: what came in goes in, what is to be done comes out.

::

    AWAITING_AUTH ──authenticated──▶ JOINING ──hello──▶ LIVE ◀──caught up── CATCHING_UP
          │                             │                 └──gap, resume────────▶ │
          └─────────────────────────────┴──────── CLOSED ◀────────────────────────┘

Events reach a client in two ways: pushed live, and read from history. The history has every
event that has an id, so that the pushes which arrive while it is being read need not be kept:
they only show that there is more to read. A connection is live when it has read all that it knows
of, and then takes a push only if it is the very next one. Anything else is a gap, and is read.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from edge.close_codes import REASONS, CloseCode
from models.channels import EventIdMalformed, Position, decode_event_id
from models.delivery import Reading
from models.events import Auth, ClientFrame, Hello, Ping, Pong, Resume

MAX_FRAME_BYTES: Final = 64 * 1024
"""Largest frame that a client may send."""

_CLIENT_FRAME: Final[TypeAdapter[Ping | Auth | Resume]] = TypeAdapter(ClientFrame)
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
class Read:
    """Read on from this position; answer with ``history``. Never two at a time."""

    after: Position | None


Action = Send | Close | Authenticate | Read


class State(Enum):
    """Where the conversation is; drawn above."""

    AWAITING_AUTH = "awaiting auth"
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
    """How long the conversation may wait, in seconds."""

    auth_s: float = 10
    hello_s: float = 10
    silence_s: float = 90


class Protocol:
    """The conversation of one connection.

    ``now`` is monotonic seconds. After each call, ``deadline`` is when :meth:`tick` wants to be
    called, unless something else happens before.
    """

    __slots__ = (
        "_asked",
        "_connection_id",
        "_expires_at",
        "_greets",
        "_heard_at",
        "_limits",
        "_noted",
        "_owes_pong",
        "_reading",
        "_started_at",
        "position",
        "state",
    )

    def __init__(self, connection_id: str, limits: Limits, now: float) -> None:
        self.state = State.AWAITING_AUTH
        self.position: Position | None = None
        """What the client has been sent; ``None`` before the hello."""
        self._connection_id = connection_id
        self._limits = limits
        self._started_at = now  # of this state, while waiting for a token or for the hello
        self._heard_at = now
        self._expires_at = now
        self._asked: Position | None = None
        self._greets = True  # the next reading answers a connect or a resume: hello first
        self._reading: Read | None = None  # asked for, not answered yet
        self._noted: Position | None = None  # newest push since the last reading was asked for
        self._owes_pong = False

    # What the client does

    def resume_from(self, event_id: str | None) -> None:
        """Take the position that came with the connection; one that cannot be read is none."""
        self._asked = _position(event_id)

    def receive_text(self, text: str, now: float) -> list[Action]:
        """A text frame arrived."""
        if self.state is State.CLOSED:
            return []
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
                return [Authenticate(frame.token)]
            case Ping() if self.position is not None:
                return [Send(_PONG)]
            case Ping():
                self._owes_pong = True  # nothing may come before the hello
            case Resume() if self.state is not State.AWAITING_AUTH:
                self._asked, self._greets = _position(frame.id), True
                return self._catch_up()
        return []

    def receive_bytes(self) -> list[Action]:
        """A binary frame arrived."""
        return self.close(CloseCode.BINARY_FRAME)

    # What the shell found out

    def authenticated(self, valid_s: float, now: float) -> list[Action]:
        """The token is good for so many seconds."""
        if self.state is not State.AWAITING_AUTH:
            return []
        self.state, self._started_at = State.JOINING, now
        self._heard_at, self._expires_at = now, now + valid_s
        return self._catch_up()

    def refused(self) -> list[Action]:
        """The token proves nothing."""
        return self.close(CloseCode.TOKEN_INVALID)

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
            case State.JOINING:
                return min(self._started_at + self._limits.hello_s, self._expires_at)
        return min(self._heard_at + self._limits.silence_s, self._expires_at)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        if self.state is State.CLOSED or now < self.deadline:
            return []
        if self.state is State.AWAITING_AUTH:
            return self.close(CloseCode.AUTH_TIMEOUT)
        if now >= self._expires_at:
            return self.close(CloseCode.TOKEN_INVALID)
        if self.state is State.JOINING:
            # Redis is away. Better to say so than to hold a client without a word.
            return self.close(CloseCode.TRY_LATER)
        return self.close(CloseCode.SILENT)

    def close(self, code: CloseCode) -> list[Action]:
        """End the conversation; nothing is said after it. Idempotent."""
        if self.state is State.CLOSED:
            return []
        self.state = State.CLOSED
        return [Close(code, REASONS[code])]

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
