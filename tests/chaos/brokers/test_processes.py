"""Real worker processes of the dramatiq command line, killed and stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from tests.workers import eventually

pytestmark = pytest.mark.chaos

BEAT_S, DEAD_AFTER_S = 0.2, 0.8
MODULE = "tests.chaos.brokers.worker_module"


@contextmanager
def master(redis_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A dramatiq command line with one worker process, in a process group of its own."""
    environment = {
        **os.environ,
        "TEST_REDIS_URL": redis_url,
        "TEST_BEAT_S": str(BEAT_S),
        "TEST_DEAD_AFTER_S": str(DEAD_AFTER_S),
        "dramatiq_worker_timeout": "100",
    }
    arguments = ["-m", "dramatiq", f"{MODULE}:critical", "--processes", "1", "--threads", "2"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stderr=output,
            stdout=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for pid in (*children(process.pid), process.pid):
            kill(pid)
        process.wait(10)


def children(pid: int) -> list[int]:
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def notes(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def send(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("TEST_REDIS_URL", redis_url)
    monkeypatch.setenv("TEST_BEAT_S", str(BEAT_S))
    monkeypatch.setenv("TEST_DEAD_AFTER_S", str(DEAD_AFTER_S))
    from tests.chaos.brokers import worker_module

    yield worker_module
    worker_module.tiers.close()


def worker_of(process: subprocess.Popen[bytes], client: redis.Redis) -> int:
    """The worker's process id, once it works."""
    before = client.zcard("{test}:critical.beats")
    eventually(lambda: client.zcard("{test}:critical.beats") > before, within_s=20)
    holders = {int(h.split(":")[1]) for h in client.zrange("{test}:critical.beats", 0, -1)}
    (worker,) = holders & {*children(process.pid)}
    return worker


def test_message_of_a_killed_worker_runs_again(redis_url, notes, send, tmp_path) -> None:
    """Faults 2 and 9: the master exits, the messages go to whoever works next."""
    with ExitStack() as stack:
        one = stack.enter_context(master(redis_url, tmp_path / "one"))
        worker = worker_of(one, notes)
        send.first_hangs.send()
        eventually(lambda: notes.lrange("notes", 0, -1) == [f"runs in {worker}"])
        os.kill(worker, signal.SIGKILL)
        assert one.wait(10) != 0
        two = stack.enter_context(master(redis_url, tmp_path / "two"))
        eventually(lambda: notes.llen("notes") == 2, within_s=20)
        assert notes.lindex("notes", 1) == f"runs in {children(two.pid)[0]}" or children(two.pid)
        send.critical.join("critical", timeout=5000)


def test_worker_with_a_held_gil_is_not_robbed(redis_url, notes, send, tmp_path) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(master(redis_url, tmp_path / "one"))
        worker_of(one, notes)
        two = stack.enter_context(master(redis_url, tmp_path / "two"))
        worker_of(two, notes)
        for _ in range(2):
            send.hold_the_gil.send(DEAD_AFTER_S / 3)
        send.critical.join("critical", timeout=10_000)
    assert notes.llen("notes") == 2


def test_worker_dies_with_its_master(redis_url, notes, send, tmp_path) -> None:
    with master(redis_url, tmp_path / "one") as one:
        worker = worker_of(one, notes)
        os.kill(one.pid, signal.SIGKILL)
        one.wait(10)
        eventually(lambda: not is_alive(worker))


@pytest.mark.parametrize("whom", ["master", "group"])
def test_stop_signal_lets_running_messages_finish(redis_url, notes, send, tmp_path, whom) -> None:
    """Fault 12: a signal to the group reaches the worker twice; the stock one then breaks off.

    It leaves by ``sys.exit`` and waits for the event loop's thread, which nobody stops: it hangs.
    """
    log = tmp_path / "log"
    with master(redis_url, log) as one:
        worker_of(one, notes)
        send.finish_when_told.send()
        eventually(lambda: notes.llen("notes") == 1)
        if whom == "group":
            os.killpg(one.pid, signal.SIGTERM)
        else:
            os.kill(one.pid, signal.SIGTERM)
        eventually(lambda: b"Stopping worker process" in log.read_bytes())
        notes.set("told", 1)
        assert one.wait(10) == 0
    assert notes.lrange("notes", 1, -1) == ["finished"]
    assert notes.exists("{test}:critical.beats") == 0
    assert send.critical.pending() == 0


def test_second_stop_signal_breaks_off(redis_url, notes, send, tmp_path) -> None:
    """A person who insists is obeyed, also with an async actor under way."""
    log = tmp_path / "log"
    with master(redis_url, log) as one:
        worker = worker_of(one, notes)
        send.finish_when_told.send()
        eventually(lambda: notes.llen("notes") == 1)
        os.kill(worker, signal.SIGTERM)
        begun = time.monotonic()
        eventually(lambda: time.monotonic() - begun > 2.1)
        os.kill(worker, signal.SIGTERM)
        eventually(lambda: not is_alive(worker))
        assert one.wait(10) != 0
    assert send.critical.pending() == 1
