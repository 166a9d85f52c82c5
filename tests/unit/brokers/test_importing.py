"""The main API imports actors to send to them; that must stay light."""

import subprocess
import sys


def test_importing_the_brokers_opens_nothing_and_reads_no_setting() -> None:
    """The main API imports actors; it may have none of the engine's settings."""
    code = """
import socket, sys
def refuse(*args, **kwargs): raise AssertionError("opened a socket")
socket.socket.connect = refuse
import threading
from engine.brokers import critical
@critical.actor
def publish(content_id): ...
assert publish.message(1).queue_name == "critical"
assert threading.active_count() == 1
assert not {"torch", "asyncpg", "httpx"} & sys.modules.keys()
"""
    environment = {"SNS_NO_SUCH_SETTING": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=30)


def test_importing_every_actor_loads_no_model_library() -> None:
    """Models are loaded when the high worker boots; the others never do."""
    code = """
import sys
import engine.workers
assert not {"torch", "transformers", "safetensors", "numpy"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
