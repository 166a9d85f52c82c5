"""From Redis's channels to the sockets at hand, and the checks that nothing was lost between."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any, Final

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge.admission import Admission
from edge.auth import Identity
from edge.close_codes import CloseCode
from edge.history import History
from edge.intake import Intake, read_message
from edge.metrics import Metrics
from edge.presence import Presence
from edge.registry import Connected, Registry
from edge.subscription import Subscription
from edge.visibility import visible
from models import channels
from models.channels import Position, decode_event_id
from models.delivery import OutgoingEvent, Reading
from models.revocation import Revocation, are_revoked

_ID_STARTS: Final = b'{"id":"'
"""How a kept event begins; ``delivery.lua`` puts its id first, so that no frame is parsed here."""

_USERS_PER_COMPARE: Final = 50
_TOKENS_PER_CHECK: Final = 500
_RETRY_S: Final = 0.5

log = structlog.get_logger("edge.routing")


class Router:
    """Sends what Redis publishes to this process's connections, while :meth:`run` runs.

    Args:
        redis_url: of the server whose channels are read.
        client: for commands.
        history: where connections read on, and where positions are compared.
        presence: told of each connection that leaves.
        admission: runs with it.
        intake: takes messages from outside that are to be kept.
        metrics: counts.
        compare_s: seconds between two comparisons of all positions.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        client: Redis,
        history: History,
        presence: Presence,
        admission: Admission,
        intake: Intake,
        metrics: Metrics,
        compare_s: float,
    ) -> None:
        self._client = client
        self._history = history
        self._presence = presence
        self._admission = admission
        self._intake = intake
        self._metrics = metrics
        self._compare_s = compare_s
        self._registry = Registry()
        self._subscription = Subscription(
            redis_url, on_message=self._route, on_subscribed=self._subscribed
        )
        self._subscription.want(channels.NOTIFICATIONS)
        self._subscription.want(channels.REVOCATIONS)
        self._suspects: set[int] = set()
        self._has_suspects = asyncio.Event()
        self._may_have_missed_revocations = asyncio.Event()
        self._traces = logging.getLogger("edge.routing").isEnabledFor(logging.DEBUG)

    def join(self, connection: Connected) -> None:
        """Take a connection in: subscribed to its user and roles, and reached by revocations.

        It joins before the records of revocations are read for it: what is revoked after that
        reading reaches it as a message.
        """
        identity = connection.identity
        is_first, new_roles = self._registry.add(connection)
        if is_first:
            self._subscription.want(channels.live(identity.user_id))
        for role in new_roles:
            self._subscription.want(channels.role(role))

    def change(self, connection: Connected, become: Callable[[], None]) -> None:
        """Let a connection of the same user have other roles; ``become`` gives it those."""
        is_last, old_roles = self._registry.remove(connection)
        become()
        is_first, new_roles = self._registry.add(connection)
        if is_last is not is_first:
            raise RuntimeError("a connection never changes its user")
        for role in old_roles:
            self._subscription.drop(channels.role(role))
        for role in new_roles:
            self._subscription.want(channels.role(role))

    def leave(self, connection: Connected) -> None:
        """Let a connection go."""
        identity = connection.identity
        is_last, old_roles = self._registry.remove(connection)
        if is_last:
            self._subscription.drop(channels.live(identity.user_id))
        for role in old_roles:
            self._subscription.drop(channels.role(role))
        self._presence.leave(connection.connection_id)

    async def read(self, identity: Identity, after: Position | None) -> Reading:
        """Read on from a position, once the user's channel is subscribed.

        In this order nothing falls between: what is published after the reading is pushed. What
        the token no longer allows is withheld.

        Raises:
            redis.ResponseError: Redis answers, and refuses this reading.
        """
        await self._subscription.confirmed(channels.live(identity.user_id))
        reading = await self._history.read(identity.user_id, after)
        return reading._replace(frames=visible(reading.frames, identity))

    async def run(self) -> None:
        """Route until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._subscription.run(), name="subscription")
            tasks.create_task(self._history.run(), name="history")
            tasks.create_task(self._intake.run(), name="intake")
            tasks.create_task(self._presence.run(), name="presence")
            tasks.create_task(self._admission.run(), name="admission")
            tasks.create_task(self._catch_up_on_revocations(), name="revocations")
            tasks.create_task(self._compare(), name="compare")

    # What Redis publishes

    def _route(self, channel: str, data: bytes) -> None:
        try:
            if channel == channels.NOTIFICATIONS:
                self._take_notification(data)
            elif channel == channels.REVOCATIONS:
                self._revoke(Revocation.from_message(data))
            elif (role := channels.role_of(channel)) is not None:
                message = read_message(data, needs_user=False)
                self._send_unkept(self._registry.with_role(role), message.frame)
            elif (user_id := channels.user_of_live(channel)) is not None:
                self._push(user_id, data)
        except ValueError as error:  # malformed in one way or another; anyone may publish here
            self._metrics.skipped.inc()
            log.warning("message skipped", channel=channel, reason=str(error))

    def _take_notification(self, data: bytes) -> None:
        message = read_message(data, needs_user=True)
        if message.user_id is None:
            return
        if message.event_id is not None:
            self._intake.keep(OutgoingEvent(message.user_id, message.event_id, message.frame))
        else:
            self._send_unkept(self._registry.of_user(message.user_id), message.frame)

    def _push(self, user_id: int, data: bytes) -> None:
        text = data.decode()
        connections = self._registry.of_user(user_id)
        if data.startswith(_ID_STARTS):
            position = decode_event_id(text[len(_ID_STARTS) : text.index('"', len(_ID_STARTS))])
            for connection in connections:
                connection.push(position, text, len(data))
        else:
            for connection in connections:
                connection.push_unkept(text, len(data))
        if self._traces:
            self._trace(orjson.loads(data), len(connections))

    def _send_unkept(self, connections: Collection[Connected], frame: dict[str, Any]) -> None:
        data = orjson.dumps(frame)
        text = data.decode()
        for connection in connections:
            connection.push_unkept(text, len(data))
        if self._traces:
            self._trace(frame, len(connections))

    def _trace(self, frame: Any, sockets: int) -> None:
        if isinstance(frame, dict):
            log.debug(
                "event routed",
                event_id=frame.get("id"),
                type=frame.get("type"),
                trace_id=frame.get("trace_id"),
                sockets=sockets,
            )

    # Who has to go

    def _revoke(self, revocation: Revocation) -> None:
        connections = (
            self._registry.everyone
            if revocation.user_id is None
            else list(self._registry.of_user(revocation.user_id))
        )
        for connection in connections:
            if revocation.covers(connection.identity.bearer):
                connection.close(CloseCode.REVOKED)

    async def _catch_up_on_revocations(self) -> None:
        """Read the records whenever messages may have been missed."""
        while True:
            await self._may_have_missed_revocations.wait()
            self._may_have_missed_revocations.clear()
            connections = self._registry.everyone
            try:
                for start in range(0, len(connections), _TOKENS_PER_CHECK):
                    await self._close_revoked(connections[start : start + _TOKENS_PER_CHECK])
            except (RedisError, OSError) as error:
                log.warning("revocations not read", error=type(error).__name__)
                self._may_have_missed_revocations.set()
                await asyncio.sleep(_RETRY_S)

    async def _close_revoked(self, connections: list[Connected]) -> None:
        bearers = [connection.identity.bearer for connection in connections]
        verdicts = await are_revoked(self._client, bearers)
        for connection, was_revoked in zip(connections, verdicts, strict=True):
            if was_revoked:
                connection.close(CloseCode.REVOKED)

    # Whether anything was lost

    def _subscribed(self, channel: str) -> None:
        if channel == channels.NOTIFICATIONS:
            self._presence.renew()
        elif channel == channels.REVOCATIONS:
            self._may_have_missed_revocations.set()
        elif (user_id := channels.user_of_live(channel)) is not None:
            self._suspects.add(user_id)
            self._has_suspects.set()

    async def _compare(self) -> None:
        """Compare positions with the history: at once where asked, and all from time to time."""
        clock = asyncio.get_running_loop().time
        all_at = clock() + self._compare_s
        while True:
            try:
                async with asyncio.timeout_at(all_at):
                    await self._has_suspects.wait()
            except TimeoutError:
                all_at = clock() + self._compare_s
                self._suspects.update(self._registry.user_ids)
            self._has_suspects.clear()
            while self._suspects:
                count = min(_USERS_PER_COMPARE, len(self._suspects))
                users = [self._suspects.pop() for _ in range(count)]
                await asyncio.gather(*(self._compare_user(user_id) for user_id in users))

    async def _compare_user(self, user_id: int) -> None:
        if not any(connection.is_live for connection in self._registry.of_user(user_id)):
            return
        try:
            reading = await self._history.read(user_id, None)
        except RedisError as error:
            log.warning("position not compared", user_id=user_id, error=str(error))
            return
        head = Position(reading.epoch, reading.head)
        for connection in self._registry.of_user(user_id):
            connection.compare(head)
