"""Celery on Redis: late acknowledgement, as the others do; no results; no gossip."""

import os
import time
from typing import Any

from celery import Celery

from tests.benchmarks.engines import scoreboard

POOL = os.environ.get("BENCH_CELERY_POOL", "threads")
CONCURRENCY = "1" if POOL == "prefork" else "8"
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
WORKER = ("celery", "-A", __name__, "worker", "-P", POOL, "-c", CONCURRENCY, *QUIET)

app = Celery("bench", broker=f"{scoreboard.URL}/0")
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
)


@app.task(name="pick_up")
def pick_up(sent_at: float) -> None:
    scoreboard.picked_up(sent_at)


@app.task(name="noop")
def noop(number: int) -> None:
    scoreboard.ran()


@app.task(name="hang")
def hang() -> None:
    if scoreboard.hung("celery"):
        time.sleep(600)


def send(task: str, *args: Any) -> None:
    app.tasks[task].delay(*args)
