"""A circuit breaker around a platform's client: while a road is broken, nobody is sent down it.

Calls to a platform that does not answer hold connections, leases and attempts, and each one whose
answer is lost leaves a doubt to be cleared up. So each method has a circuit of its own, which opens
after a row of failures and lets one call through, later, to see.

What counts is the road, not the luck of one post: an answer that names a fault of the post, the
account or its limits shows that the road works.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Final, TypeVar

import structlog

from engine.errors import CircuitOpen, NotSent, OutcomeUnknown, PlatformError, RetryLater
from engine.platforms.usage import HELD_CODE
from engine.ports import (
    AccountAccess,
    Container,
    ContainerReading,
    InputProblem,
    KindTraits,
    LiveComment,
    LivePost,
    Parts,
    PlatformClient,
    Post,
    Quota,
)

log = structlog.get_logger(__name__)

FAILURES: Final = 5  # in a row; fewer happen on a good day
WITHIN_S: Final = 60.0  # failures further apart are no row
OPEN_S: Final = 15.0  # about as long as a restart behind a load balancer takes
OPEN_TIMES_AT_MOST: Final = 8  # two minutes: a post that is due waits no longer for the next look
PROBE_WAIT_S: Final = 5.0  # for those who come while another call looks whether the road works

# Faults of the line itself, whosever call it was.
LINE_CODES: Final = frozenset({"not-connected", "connection-lost"})
# Transient answers about one post's media or parts, which a working platform gave: a picture that
# it could not fetch, an object that it did not find, a chunk at a wrong place, a film that failed.
POST_CODES: Final = frozenset(
    {
        "9004",
        "9004/2207052",
        "-2/2207003",
        "100/33",
        "1363037",
        "container_failed",
        "media_unreachable",
    }
)


T = TypeVar("T")


class Verdict(Enum):
    """What the end of a call says about the road."""

    WORKS = "works"
    BROKEN = "broken"
    NOTHING = "nothing"  # the call never left, or ended for reasons of our own


@dataclass(frozen=True, slots=True)
class Failure:
    """One call that met a broken road."""

    at: float
    account: str
    is_of_the_line: bool


def verdict_on(error: BaseException) -> Verdict:
    """What an error says about the road."""
    if not isinstance(error, PlatformError):
        return Verdict.NOTHING
    if isinstance(error, NotSent):
        return Verdict.BROKEN if error.code in LINE_CODES else Verdict.NOTHING
    if error.code == HELD_CODE:
        return Verdict.NOTHING
    if isinstance(error, OutcomeUnknown | RetryLater) and error.code not in POST_CODES:
        return Verdict.BROKEN
    return Verdict.WORKS


class Circuit:
    """Closed, open, or half open: then one call is on its way to see.

    Args:
        name: for the log.
        open_s: seconds that it stays open the first time; doubles with each failed look, up to
            eight times as long.
        monotonic: seconds that never go back.
    """

    def __init__(self, name: str, open_s: float, monotonic: Callable[[], float]) -> None:
        self._name = name
        self._shortest_s = open_s
        self._monotonic = monotonic
        self._failures: deque[Failure] = deque(maxlen=FAILURES)
        self._open_until: float | None = None
        self._open_s = open_s
        self._is_probing = False
        self._turn = 0

    def enter(self) -> int:
        """Begin a call; gives what :meth:`leave` wants.

        Raises:
            CircuitOpen: not now.
        """
        if self._open_until is None:
            return self._turn
        left_s = self._open_until - self._monotonic()
        if left_s > 0 or self._is_probing:
            raise CircuitOpen(
                f"too many calls failed in a row: {self._name}",
                retry_after_s=left_s if left_s > 0 else min(PROBE_WAIT_S, self._shortest_s),
            )
        self._is_probing = True
        return self._turn

    def leave(self, turn: int, verdict: Verdict, account: str, *, is_of_the_line: bool) -> None:
        """End a call. One that began before the circuit last changed tells nothing new."""
        if turn != self._turn:
            return
        if self._is_probing:
            self._is_probing = False
            if verdict is Verdict.BROKEN:
                self._open_s = min(self._open_s * 2, self._shortest_s * OPEN_TIMES_AT_MOST)
                self._open()
            elif verdict is Verdict.WORKS:
                self._close()
        elif verdict is Verdict.WORKS:
            self._failures.clear()
        elif verdict is Verdict.BROKEN:
            self._failures.append(Failure(self._monotonic(), account, is_of_the_line))
            if self._is_a_row():
                self._open()

    def _is_a_row(self) -> bool:
        """Whether the failures are enough, close together, and not one account's bad luck."""
        seen = self._failures
        return (
            len(seen) == FAILURES
            and seen[-1].at - seen[0].at <= WITHIN_S
            and (
                len({failure.account for failure in seen}) > 1
                or all(failure.is_of_the_line for failure in seen)
            )
        )

    def _open(self) -> None:
        self._turn += 1
        self._failures.clear()
        self._open_until = self._monotonic() + self._open_s
        log.warning("circuit opened", circuit=self._name, open_s=self._open_s)

    def _close(self) -> None:
        self._turn += 1
        self._open_until, self._open_s = None, self._shortest_s
        log.info("circuit closed", circuit=self._name)


class Circuits:
    """The circuits of one client, one for each of its methods.

    Args:
        name: the platform's, for messages.
        open_s: seconds for which a circuit opens first.
        monotonic: seconds that never go back.
    """

    def __init__(self, name: str, open_s: float, monotonic: Callable[[], float]) -> None:
        self._name = name
        self._open_s = open_s
        self._monotonic = monotonic
        self._circuits: dict[str, Circuit] = {}

    async def through(
        self, method: str, access: AccountAccess, call: Callable[[], Awaitable[T]]
    ) -> T:
        """Make a call of a method, if its circuit lets it.

        Raises:
            CircuitOpen: not now; nothing was sent.
        """
        circuit = self._circuits.get(method)
        if circuit is None:
            circuit = Circuit(f"{self._name} {method}", self._open_s, self._monotonic)
            self._circuits[method] = circuit
        turn = circuit.enter()
        verdict, is_of_the_line = Verdict.WORKS, False
        try:
            return await call()
        except BaseException as error:
            verdict = verdict_on(error)
            is_of_the_line = isinstance(error, PlatformError) and error.code in LINE_CODES
            raise
        finally:
            circuit.leave(turn, verdict, access.platform_user_id, is_of_the_line=is_of_the_line)


class Guarded:
    """``engine.ports.PlatformClient``: another one, each method behind a circuit of its own.

    Every method that asks the platform may raise ``CircuitOpen``, and then has sent nothing.

    Args:
        client: the platform's.
        name: the platform's, for messages.
        open_s: seconds for which a circuit opens first.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        client: PlatformClient,
        name: str,
        *,
        open_s: float = OPEN_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._circuits = Circuits(name, open_s, monotonic)

    def kind_of(self, post: Post) -> str:
        """See the port."""
        return self._client.kind_of(post)

    def traits_of(self, kind: str) -> KindTraits:
        """See the port."""
        return self._client.traits_of(kind)

    def scopes_of(self, kind: str) -> frozenset[str]:
        """See the port."""
        return self._client.scopes_of(kind)

    def validate(self, post: Post) -> Sequence[InputProblem]:
        """See the port."""
        return self._client.validate(post)

    async def prepare(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        """See the port."""
        call = partial(self._client.prepare, access, post, parts)
        return await self._circuits.through("prepare", access, call)

    async def read_container(self, access: AccountAccess, container: Container) -> ContainerReading:
        """See the port."""
        call = partial(self._client.read_container, access, container)
        return await self._circuits.through("read_container", access, call)

    async def publish(self, access: AccountAccess, container: Container, post: Post) -> str:
        """See the port."""
        call = partial(self._client.publish, access, container, post)
        return await self._circuits.through("publish", access, call)

    async def read_permalink(self, access: AccountAccess, post_id: str, kind: str) -> str | None:
        """See the port."""
        call = partial(self._client.read_permalink, access, post_id, kind)
        return await self._circuits.through("read_permalink", access, call)

    async def list_posts(
        self, access: AccountAccess, kind: str, since: datetime
    ) -> Sequence[LivePost]:
        """See the port."""
        call = partial(self._client.list_posts, access, kind, since)
        return await self._circuits.through("list_posts", access, call)

    async def comment(self, access: AccountAccess, post_id: str, text: str) -> str:
        """See the port."""
        call = partial(self._client.comment, access, post_id, text)
        return await self._circuits.through("comment", access, call)

    async def list_comments(
        self, access: AccountAccess, post_id: str, since: datetime
    ) -> Sequence[LiveComment]:
        """See the port."""
        call = partial(self._client.list_comments, access, post_id, since)
        return await self._circuits.through("list_comments", access, call)

    async def delete(self, access: AccountAccess, post_id: str, kind: str) -> None:
        """See the port."""
        call = partial(self._client.delete, access, post_id, kind)
        await self._circuits.through("delete", access, call)

    async def discard(self, access: AccountAccess, container: Container) -> None:
        """See the port."""
        call = partial(self._client.discard, access, container)
        await self._circuits.through("discard", access, call)

    async def read_quota(self, access: AccountAccess) -> Quota | None:
        """See the port."""
        return await self._circuits.through(
            "read_quota", access, partial(self._client.read_quota, access)
        )

    async def warm_up(self) -> None:
        """See the port."""
        await self._client.warm_up()

    async def close(self) -> None:
        """See the port."""
        await self._client.close()
