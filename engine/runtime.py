"""Opens and closes what a process works with. The one place that knows ports and adapters both."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

import dramatiq
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from sqlalchemy.ext.asyncio import AsyncEngine

from engine import brokers
from engine.clock import SystemClock
from engine.errors import BootFailed
from engine.media.probe import Prober
from engine.media.source import HttpMediaSource
from engine.platforms.registry import open_inboxes, open_platforms
from engine.ports import InboxClient, PlatformClient
from engine.services.burying import bury
from engine.services.clearing import keep_clearing
from engine.services.collecting import Collector
from engine.services.commenting import Commenter
from engine.services.listening import listen
from engine.services.publishing import Publisher, PublishingRules
from engine.services.reading import CollectingRules
from engine.services.relaying import OutboxMessage, Relay
from engine.services.scanning import scan
from engine.services.validating import Validation
from engine.settings import Settings
from models.accounts import Platform
from models.database import DatabaseNotReady, check_schema, open_database
from models.delivery import Delivery
from models.migrations import newest_revision
from models.outbox import COLLECT_CHANNEL, DUE_CHANNEL, OUTBOX_CHANNEL, WORK_CHANNEL

log = structlog.get_logger(__name__)

BURY_EVERY_S = 5.0


@dataclass(slots=True)
class Runtime:
    """What the actors and loops of one process share.

    ``finishing`` are the loops that are given time to finish what is on the wire; the others are
    cancelled. ``owner`` is this process's name in leases.
    """

    settings: Settings
    database: AsyncEngine
    redis: Redis
    clock: SystemClock = field(default_factory=SystemClock)
    platforms: Mapping[Platform, PlatformClient] = field(default_factory=dict)
    inboxes: Mapping[Platform, InboxClient] = field(default_factory=dict)
    media: HttpMediaSource | None = None
    probe: Prober | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    finishing: list[asyncio.Task[None]] = field(default_factory=list)
    owner: str = field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    )

    @classmethod
    async def open(cls, settings: Settings) -> "Runtime":
        """Connect to what every process needs.

        Raises:
            BootFailed: the database cannot be used; the message says what to do.
        """
        database = open_database(settings.database_url)
        try:
            await check_schema(database, newest_revision())
        except DatabaseNotReady as error:
            await database.dispose()
            raise BootFailed(str(error)) from error
        redis = Redis.from_url(
            settings.redis_url,
            socket_timeout=5,
            socket_connect_timeout=2,
            health_check_interval=15,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
        )
        return cls(settings=settings, database=database, redis=redis)

    def start_relay(self) -> Callable[[], None]:
        """Relay the outbox from this process; gives what wakes the relay."""
        relay = Relay(
            database=self.database,
            redis=self.redis,
            delivery=Delivery(
                self.redis,
                history_events=self.settings.history_events,
                history_s=self.settings.history_s,
            ),
            send_messages=self._send_messages,
            knows_actor=lambda name: name is not None and tier_of(name) is not None,
            overdue_s=self.settings.outbox_overdue_s,
            keep_s=self.settings.outbox_keep_s,
        )
        self._keep(relay.run(), "relay")
        return relay.wake

    def open_platforms(self) -> None:
        """Have a client for every platform; closed with the runtime."""
        self.media = HttpMediaSource(allow_private=self.settings.media_allow_private)
        self.probe = Prober(self.media)
        self.platforms = open_platforms(self.settings, self.media)

    def open_inboxes(self) -> None:
        """Have a client for every platform's comments; closed with the runtime."""
        self.inboxes = open_inboxes(self.settings)

    def validation(self) -> Validation:
        """What checks contents against the platforms' rules."""
        if self.probe is None:
            raise RuntimeError("platforms are opened before anything is checked")
        return Validation(platforms=self.platforms, probe=self.probe, vault=self.settings.vault())

    def start_publisher(self) -> Callable[[], None]:
        """Publish from this process; gives what wakes the publisher."""
        settings = self.settings
        if self.probe is None:
            raise RuntimeError("platforms are opened before anything is published")
        publisher = Publisher(
            database=self.database,
            platforms=self.platforms,
            vault=settings.vault(),
            probe=self.probe,
            clock=self.clock,
            owner=self.owner,
            rules=PublishingRules(
                lease_s=settings.lease_s,
                retry_base_s=settings.retry_base_s,
                retry_max=settings.retry_max,
                doubt_wait_s=settings.doubt_wait_s,
                doubt_give_up_s=settings.doubt_give_up_s,
                too_late_s=settings.too_late_s,
            ),
            random=Random(),  # noqa: S311  # jitter is no secret
        )
        self.finishing.append(self._keep(publisher.run(self.stopping), "publisher"))
        return publisher.wake

    def start_collector(self) -> Callable[[], None]:
        """Collect comments from this process; gives what wakes the collector."""
        settings = self.settings
        collector = Collector(
            database=self.database,
            inboxes=self.inboxes,
            vault=settings.vault(),
            clock=self.clock,
            rules=CollectingRules(watch_days=settings.watch_days, sweep_s=settings.comment_sweep_s),
        )
        self.finishing.append(self._keep(collector.run(self.stopping), "collector"))
        return collector.wake

    def start_following_up(self) -> None:
        """Write first comments, and clear away what was prepared in vain."""
        settings, vault = self.settings, self.settings.vault()
        commenter = Commenter(
            database=self.database,
            platforms=self.platforms,
            vault=vault,
            clock=self.clock,
            owner=self.owner,
            publish_timeout_s=settings.publish_timeout_s,
            retry_base_s=settings.retry_base_s,
            retry_max=settings.retry_max,
            give_up_s=settings.doubt_give_up_s,
            random=Random(),  # noqa: S311  # jitter is no secret
        )
        self.finishing.append(self._keep(commenter.run(self.stopping), "first comments"))
        self._keep(
            keep_clearing(self.database, self.stopping, platforms=self.platforms, vault=vault),
            "clearing",
        )

    def start_scanner(self) -> Callable[[], None]:
        """Scan whenever a content becomes due sooner than the next tick; gives what wakes it."""
        due = asyncio.Event()

        async def run() -> None:
            while True:
                await due.wait()
                due.clear()
                try:
                    await scan(
                        self.database,
                        now=self.clock.now(),
                        look_ahead_s=self.settings.look_ahead_s,
                        look_ahead_video_s=self.settings.look_ahead_video_s,
                    )
                except Exception as error:  # noqa: BLE001  # the tick scans again
                    log.warning("cannot scan", error=str(error).splitlines()[:1])

        self._keep(run(), "scanner")
        return due.set

    def start_listening(self, callbacks: Mapping[str, Callable[[], None]]) -> None:
        """Hear PostgreSQL's notifications."""
        self._keep(listen(self.settings.database_url, callbacks), "listener")

    def start_burying(self) -> None:
        """Keep what died in Redis in the table of dead letters."""

        async def run() -> None:
            while True:
                await asyncio.sleep(BURY_EVERY_S)
                for broker in brokers.tiers:
                    try:
                        await bury(
                            self.database, take=broker.take_dead_letters, forget=broker.forget
                        )
                    except Exception as error:  # noqa: BLE001  # they stay in Redis meanwhile
                        log.warning("cannot keep dead letters", error=str(error).splitlines()[:1])

        self._keep(run(), "burying")

    def _keep(self, loop: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a loop for as long as the process: one that breaks ends it, to be started anew."""

        def on_end(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                log.critical(
                    "a loop broke; ending this process", loop=name, exc_info=task.exception()
                )
                os.kill(os.getpid(), signal.SIGTERM)

        task = asyncio.create_task(loop, name=name)
        task.add_done_callback(on_end)
        self.tasks.append(task)
        return task

    async def _send_messages(self, messages: Sequence[OutboxMessage]) -> None:
        await brokers.deliver_messages(self.redis, [_envelope(message) for message in messages])

    async def close(self) -> None:
        """End the loops, let posts at their second finish, and close. Idempotent."""
        self.stopping.set()
        await asyncio.gather(*self.finishing, return_exceptions=True)
        ending = {task for task in self.tasks if not task.done()}
        while ending:
            for task in ending:
                task.cancel()
            # More than once: redis-py may swallow a cancellation while it takes a connection.
            _, ending = await asyncio.wait(ending, timeout=0.5)
        for platform in self.platforms.values():
            await platform.close()
        for inbox in self.inboxes.values():
            await inbox.close()
        if self.probe is not None:
            await self.probe.close()
        if self.media is not None:
            await self.media.close()
        await self.redis.aclose()
        await self.database.dispose()


async def open_critical(settings: Settings) -> Runtime:
    """A critical worker's runtime: it publishes, scans on demand and relays."""
    runtime = await Runtime.open(settings)
    runtime.open_platforms()
    runtime.start_following_up()
    runtime.start_listening(
        {
            WORK_CHANNEL: runtime.start_publisher(),
            DUE_CHANNEL: runtime.start_scanner(),
            OUTBOX_CHANNEL: runtime.start_relay(),
        }
    )
    runtime.start_burying()
    return runtime


async def open_medium(settings: Settings) -> Runtime:
    """A medium worker's runtime: it asks platforms and collects, and publishes nothing."""
    runtime = await Runtime.open(settings)
    runtime.open_platforms()
    runtime.open_inboxes()
    runtime.start_listening({COLLECT_CHANNEL: runtime.start_collector()})
    return runtime


def tier_of(actor_name: str) -> str | None:
    """The queue of an actor that this process has imported."""
    broker = brokers.tiers.siblings.declared(actor_name)
    return None if broker is None else broker.tier


def _envelope(message: OutboxMessage) -> dramatiq.Message[Any]:
    return dramatiq.Message(
        # The relay has asked for the tier before; an empty name would be refused by the broker.
        queue_name=tier_of(message.actor) or "",
        actor_name=message.actor,
        args=message.args,
        kwargs=message.kwargs,
        options={"message_key": message.key, "trace_id": message.trace_id},
    )


_current: Runtime | None = None


def use(runtime: Runtime | None) -> None:
    """Make ``runtime`` the one that this process's actors work with."""
    global _current  # actors are called by dramatiq, which hands nothing in
    _current = runtime


def current() -> Runtime:
    """The runtime of this worker process.

    Raises:
        BootFailed: this is no worker; send the actor a message instead of calling it.
    """
    if _current is None:
        raise BootFailed("an actor runs in a worker only: call its .send() from here")
    return _current
