"""``python -m edge``: one edge in this process."""

import gc
import sys

from edge import logs
from edge.server import Server
from edge.settings import Settings, SettingsInvalid


def main() -> int:
    """Serve until a signal arrives; the exit code, 0 if that was why it stopped."""
    try:
        settings = Settings.load()
    except SettingsInvalid as error:
        sys.stderr.write(f"edge: {error}\n")
        return 1
    logs.configure(settings.log_format, settings.log_level)
    server = Server(settings)
    # What is loaded by now stays; to look through it again and again would stop every socket.
    gc.collect()
    gc.freeze()
    server.run()
    return 0 if server.started and not server.edge.has_failed.is_set() else 1


if __name__ == "__main__":
    sys.exit(main())
