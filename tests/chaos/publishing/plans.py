"""Where a worker meets its misfortune: the named points, and the plan that each worker gets."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Point(StrEnum):
    """A place on a post's way through the worker, in the order of that way."""

    BEFORE_CLAIM_COMMIT = "before_claim_commit"
    AFTER_CLAIM_COMMIT = "after_claim_commit"
    PREPARED_NOT_STORED = "prepared_not_stored"  # the platform has it, our row does not know
    PREPARED = "prepared"
    STAGED = "staged"
    BEFORE_SENDING_COMMIT = "before_sending_commit"
    AFTER_SENDING_COMMIT = "after_sending_commit"
    REQUEST_LEFT = "request_left"  # the bytes are with the kernel
    ANSWERED = "answered"
    BEFORE_RESULT_COMMIT = "before_result_commit"
    AFTER_RESULT_COMMIT = "after_result_commit"
    LOOKED = "looked"  # a reconciliation has read, and not acted
    BEFORE_ACK = "before_ack"  # of a message: done, and Redis does not know


class Action(StrEnum):
    """What happens there."""

    KILL = "kill"  # SIGKILL to the worker process
    FREEZE = "freeze"  # SIGSTOP until its lease is over
    TERMINATE = "terminate"  # SIGTERM to its master, as a deploy does
    STEP_CLOCK = "step_clock"  # its wall clock jumps
    KILL_VALKEY = "kill_valkey"  # by the runner, while the worker holds its breath
    KILL_POSTGRES = "kill_postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one worker process is to suffer.

    Attributes:
        number: of the plan, to find it again.
        before: a lesser misfortune that comes first, and where; the worker lives on.
        action: what happens then.
        point: where.
        platform: to a post of this platform, if one comes by in time; None is any.
        kind: and of this kind.
        nth: at the nth passing that fits.
        patience_s: after this long any post will do; after eight times as long any point.
        is_first_claim: only a post that nothing has happened to yet.
        delay_s: between the request's departure and the misfortune.
        clock_off_s: how far this worker's wall clock is off from the start.
        clock_step_s: how far it jumps, for that action.
        actor_fails_every: each nth command raises an error after it has done its work.
        beat_s: between two heartbeats of the broker; None leaves its own figures.
        actor_backoff_ms: before a message is tried again; None leaves the actor's own.
    """

    number: int
    before: tuple[Action, Point] | None = None
    action: Action | None = None
    point: Point | None = None
    platform: str | None = None
    kind: str | None = None
    nth: int = 1
    patience_s: float = 1.0
    is_first_claim: bool = False
    delay_s: float = 0.0
    clock_off_s: float = 0.0
    clock_step_s: float = 0.0
    actor_fails_every: int = 0
    beat_s: float | None = None
    actor_backoff_ms: int | None = None

    def to_json(self) -> bytes:
        """As one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> "Plan":
        """The same again."""
        values = json.loads(line)
        for name, kind in (("action", Action), ("point", Point)):
            values[name] = None if values[name] is None else kind(values[name])
        if values["before"] is not None:
            action, point = values["before"]
            values["before"] = Action(action), Point(point)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Strike:
    """A misfortune as the worker wrote it down, just before it.

    Attributes:
        plan: number of the plan.
        action: what happened.
        point: where.
        at: unix seconds of the machine's clock.
        pid: the worker.
        posts: rows of ``publishing_logs`` that were passing; one, save where commits are batched.
        platform: of the post.
        kind: of the post, once it is known.
    """

    plan: int
    action: str
    point: str
    at: float
    pid: int
    posts: Sequence[int]
    platform: str | None
    kind: str | None

    def to_json(self) -> bytes:
        """As one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> "Strike":
        """The same again."""
        return cls(**json.loads(line))
