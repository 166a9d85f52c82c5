"""Which TCP ports a stack uses, all of them on loopback."""

import socket
from dataclasses import asdict, dataclass, fields

from engine.cli.faults import CommandFailed


@dataclass(frozen=True)
class Ports:
    """One port per listener. Metrics ports are the defaults of the settings."""

    edge: int = 8000
    sandbox: int = 8009
    valkey: int = 8379
    metrics_critical: int = 9191
    metrics_high: int = 9192
    metrics_medium: int = 9193
    metrics_low: int = 9194
    metrics_scheduler: int = 9195

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody listens on now."""
        # All are held until all are known, or the same one could be given out twice.
        held = [socket.create_server(("127.0.0.1", 0)) for _ in fields(cls)]
        try:
            return cls(*(listener.getsockname()[1] for listener in held))
        finally:
            for listener in held:
                listener.close()

    def check(self) -> None:
        """Prove that every port is free.

        Raises:
            CommandFailed: names those that are taken, and what to do.
        """
        taken = [f"{port} ({name})" for name, port in asdict(self).items() if is_taken(port)]
        if taken:
            raise CommandFailed(
                f"port {', '.join(taken)} already in use; stop what listens there, "
                "pass --edge-port, --sandbox-port or --valkey-port, or let me choose: --ports auto"
            )


def is_taken(port: int) -> bool:
    """Whether something listens on this port of the loopback address."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False
