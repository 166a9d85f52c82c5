"""taskiq on a Redis list: no copy is kept of what a worker has taken, so a kill loses it."""

from taskiq_redis import ListQueueBroker

from tests.benchmarks.engines import scoreboard
from tests.benchmarks.engines.taskiq_tasks import declare, worker

WORKER = worker(__name__)

# Without a time-out, or redis-py 8 ends a worker that has been idle for five seconds.
broker = ListQueueBroker(url=f"{scoreboard.URL}/0", socket_timeout=None)
send = declare(broker)
