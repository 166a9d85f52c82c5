"""Connections to Redis: the client that sends, and the single lines that a worker waits on."""

import socket
from typing import Any

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from engine.brokers.scripts import Script

SOCKET_TIMEOUT_S = 5.0
"""A command that takes longer has failed: scripts here take microseconds."""

CONNECT_TIMEOUT_S = 2.0


def _keep_alive() -> dict[str, Any]:
    """Have the kernel ask, so that a connection a firewall forgot is known before it is used."""
    wanted = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}  # seconds, seconds, times
    options = {
        getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)
    }
    return {"socket_keepalive": True, "socket_keepalive_options": options}


def connect(url: str) -> redis.Redis:
    """A client for sending: it opens nothing yet, and rides out an outage of about a second.

    Repeating is safe because an id that Redis already knows is not added again.
    """
    over_tcp: dict[str, Any] = {}
    if not url.startswith("unix:"):
        over_tcp = {**_keep_alive(), "socket_connect_timeout": CONNECT_TIMEOUT_S}
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT_S,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.1), 3),
        **over_tcp,
    )


def run_script(client: redis.Redis, script: Script, namespace: str, *args: Any) -> Any:
    """Run a script through a client; a Redis that does not know it yet learns it.

    Raises:
        redis.RedisError: after the client's own retries.
    """
    try:
        return client.evalsha(script.sha, 1, namespace, *args)
    except NoScriptError:
        return client.eval(script.source.decode(), 1, namespace, *args)


class Line:
    """One connection used by one thread, opened on first use and again after an error.

    Nothing is repeated by itself: after an error the caller cannot know whether Redis has done
    what it was asked, and decides.
    """

    def __init__(self, client: redis.Redis) -> None:
        pool = client.connection_pool
        kwargs = {
            name: value
            for name, value in pool.connection_kwargs.items()
            if not name.startswith("maint_notifications")
            and name != "oss_cluster_maint_notifications_handler"
        }
        kwargs.update(
            decode_responses=False,
            health_check_interval=0,  # the heartbeat is one
            protocol=2,  # no pushed frames between our answers
            retry=Retry(NoBackoff(), 0),
            socket_timeout=SOCKET_TIMEOUT_S,
        )
        if "path" not in kwargs:  # a socket in the file system has no such options
            kwargs.update(_keep_alive(), socket_connect_timeout=CONNECT_TIMEOUT_S)
        # redis-py types few of a connection's methods.
        self._connection: Any = pool.connection_class(**kwargs)

    def run(self, script: Script, namespace: str, *args: Any) -> Any:
        """Run a script and return its answer.

        Raises:
            redis.RedisError: the line is closed then, and opens again on the next use.
        """
        try:
            return self._ask("EVALSHA", script.sha, 1, namespace, *args)
        except NoScriptError:
            return self._ask("EVAL", script.source, 1, namespace, *args)

    def ask(self, *command: Any) -> Any:
        """Send one command and return its answer; raises as ``run`` does."""
        return self._ask(*command)

    def send(self, *command: Any) -> None:
        """Send a command whose answer is read later; raises as ``run`` does."""
        try:
            self._connection.send_command(*command)
        except BaseException:
            self.close()
            raise

    def read(self) -> Any:
        """Read the answer of ``send``; raises as ``run`` does."""
        try:
            return self._connection.read_response()
        except redis.ResponseError:
            raise
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """What to poll until the answer of ``send`` is there."""
        # redis-py has no public way to the socket, and its can_read() cannot wait for two things.
        sock: socket.socket = self._connection._sock  # noqa: SLF001
        return sock.fileno()

    def close(self) -> None:
        """Close; idempotent."""
        self._connection.disconnect()

    def _ask(self, *command: Any) -> Any:
        self.send(*command)
        return self.read()
