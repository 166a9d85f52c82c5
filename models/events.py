"""What travels between browser and edge: the six events and the control frames.

One JSON object per frame, flat. Unknown fields pass through, so that a newer sender does not
have to wait for an older receiver. The event's ``id`` is not a field here: it is given in the one
moment that gives the sequence (``delivery.lua``), and ``chat_stream`` never has one.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from models.words import (
    ContentStatus,
    Platform,
    Priority,
    PublishResultStatus,
    Sentiment,
    Severity,
)

UtcInstant = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]
"""Aware on the way in, RFC 3339 with ``Z`` on the way out."""


class Frame(BaseModel):
    """One JSON object on the wire."""

    model_config = ConfigDict(extra="allow", frozen=True)

    absent_when_none: ClassVar[frozenset[str]] = frozenset()
    """Fields that are left out instead of sent as null."""

    def to_wire(self) -> dict[str, Any]:
        """The frame as plain JSON values."""
        fields = self.model_dump(mode="json")
        for name in self.absent_when_none:
            if fields[name] is None:
                del fields[name]
        return fields


class Event(Frame):
    """What every event carries besides its own fields.

    Whoever writes an event decides who gets it. When it is read again later, from the history, the
    token of that moment is asked as well: an event with a ``client_id`` needs the client among the
    token's ``clients`` (unless the token has none of that claim, or the role ``admin``), one with
    an ``audience`` needs one of those roles. Otherwise a ``withheld`` frame takes its place.
    """

    absent_when_none = frozenset({"trace_id", "audience"})

    v: Literal[1] = 1
    ts: UtcInstant = Field(default_factory=lambda: datetime.now(UTC))
    trace_id: str | None = None
    audience: list[str] | None = None


class CrisisAlert(Event):
    """Negative comments surge; to everyone assigned to the client."""

    type: Literal["crisis_alert"] = "crisis_alert"
    client_id: int
    severity: Severity
    message: str
    comment_ids: list[int]


class PublishResult(Event):
    """A post succeeded or failed for good; to the content's author."""

    absent_when_none = Event.absent_when_none | {"post_url", "error"}

    type: Literal["publish_result"] = "publish_result"
    content_id: int
    platform: Platform
    status: PublishResultStatus
    post_url: str | None = None
    error: str | None = None


class ApprovalRequest(Event):
    """A content's status changed and needs review; to the reviewers.

    ``requester`` is a name to show, not an id.
    """

    type: Literal["approval_request"] = "approval_request"
    content_id: int
    title: str
    from_status: ContentStatus
    to_status: ContentStatus
    requester: str


class NewComment(Event):
    """A comment was synchronised; to the account's operators. ``sentiment`` null: not known yet."""

    type: Literal["new_comment"] = "new_comment"
    comment_id: int
    platform: Platform
    author: str
    message: str
    sentiment: Sentiment | None


class Reference(BaseModel):
    """What a notification is about."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    id: int | str


class NotificationEvent(Event):
    """Any notification row; to its user."""

    type: Literal["notification"] = "notification"
    notification_id: int
    title: str
    message: str
    priority: Priority
    reference: Reference | None


class ChatStream(Event):
    """A piece of the assistant's answer; to the asking user. Live, ordered by ``index``.

    To a client that reads slowly, pieces that wait are sent as one: ``chunk`` is all of them in
    order, ``index``, ``done`` and ``status`` are the last one's, and ``first_index`` is the first
    one's. A client has missed a piece if ``first_index``, or else ``index``, is not the number
    after the last ``index`` that it saw; it then reads the stored conversation.
    """

    absent_when_none = Event.absent_when_none | {"first_index"}

    type: Literal["chat_stream"] = "chat_stream"
    chunk: str
    conversation_id: int
    done: bool
    index: int = Field(ge=0)
    first_index: int | None = Field(default=None, ge=0)
    status: str


AnyEvent = Annotated[
    CrisisAlert | PublishResult | ApprovalRequest | NewComment | NotificationEvent | ChatStream,
    Field(discriminator="type"),
]
"""Any of the six, told apart by ``type``."""


class NotificationsRead(Event):
    """Notifications were read, in one tab or another; to their user.

    Either the ids, or everything up to and including an id. ``unread`` is how many were left at
    that moment.
    """

    absent_when_none = Event.absent_when_none | {"notification_ids", "up_to"}

    type: Literal["notifications_read"] = "notifications_read"
    notification_ids: list[int] | None = None
    up_to: int | None = None
    unread: int = Field(ge=0)


class Hello(Frame):
    """First frame of a connection, and the answer to every ``resume``.

    The next event with an id has number ``seq + 1`` of ``epoch``. ``recovered`` is true if a
    position was given and every event after it follows; otherwise the client reloads its state.
    """

    type: Literal["hello"] = "hello"
    epoch: str
    seq: int = Field(ge=0)
    recovered: bool
    server_time: UtcInstant
    connection_id: str


class Pong(Frame):
    """The answer to a ``ping``."""

    type: Literal["pong"] = "pong"


class Refreshed(Frame):
    """The answer to a ``refresh``: the connection now stands on the new token."""

    type: Literal["refreshed"] = "refreshed"
    expires_at: UtcInstant


class TokenExpiring(Frame):
    """Sent once per token, before it expires: time for a ``refresh``.

    After ``expires_at`` there is a grace, in which the connection goes on and a ``refresh`` still
    works; at ``closes_at`` it is closed with 4001.
    """

    type: Literal["token_expiring"] = "token_expiring"
    expires_at: UtcInstant
    closes_at: UtcInstant


class Draining(Frame):
    """Last frame before a close with 4200: connect again after so many milliseconds, and resume."""

    type: Literal["draining"] = "draining"
    retry_ms: int = Field(ge=0)


class Withheld(Frame):
    """Takes the place of a past event that the token no longer allows: only the position moves."""

    type: Literal["withheld"] = "withheld"
    id: str
    v: Literal[1] = 1


class Ping(Frame):
    """Sent by the client every 30 s; a client silent for 90 s is cut."""

    type: Literal["ping"] = "ping"


class Auth(Frame):
    """First frame of a client that brought its token neither in the URL nor in a subprotocol.

    ``resume`` is the id of the last event that the client saw, if it saw one.
    """

    type: Literal["auth"] = "auth"
    token: str = Field(repr=False)
    resume: str | None = None


class Resume(Frame):
    """The client moves its position; answered by a ``hello``, then by what it missed.

    ``id`` is the id of the last event that it saw. One that cannot be read or found again is
    answered by ``recovered: false``.
    """

    type: Literal["resume"] = "resume"
    id: str


class Refresh(Frame):
    """A new token of the same user, answered by ``refreshed``.

    One that is not good closes with 4001, one of another user with 4003, a revoked one with 4010.
    """

    type: Literal["refresh"] = "refresh"
    token: str = Field(repr=False)


ClientFrame = Annotated[Ping | Auth | Resume | Refresh, Field(discriminator="type")]
"""What a client may send."""


class StreamClosed(Frame):
    """Last event of an event stream (``/sse``), which has no close frame to carry the code.

    ``retry_ms`` is when a client that does not know the code comes back by itself.
    """

    type: Literal["close"] = "close"
    code: int
    reason: str
    retry_ms: int = Field(ge=0)


ServerFrame = Annotated[
    CrisisAlert
    | PublishResult
    | ApprovalRequest
    | NewComment
    | NotificationEvent
    | ChatStream
    | NotificationsRead
    | Hello
    | Pong
    | Refreshed
    | TokenExpiring
    | Draining
    | Withheld
    | StreamClosed,
    Field(discriminator="type"),
]
"""What the edge may send, events first; the published documents are made from this."""
