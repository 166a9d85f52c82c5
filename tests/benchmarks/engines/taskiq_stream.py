"""taskiq on a Redis stream: acknowledges, and takes over after its default of 10 minutes."""

from taskiq_redis import RedisStreamBroker

from tests.benchmarks.engines import scoreboard
from tests.benchmarks.engines.taskiq_tasks import declare, worker

WORKER = worker(__name__)

# From the beginning of the stream, where messages wait before the first worker starts.
broker = RedisStreamBroker(url=f"{scoreboard.URL}/0", consumer_id="0", socket_timeout=None)
send = declare(broker)
