"""The folder of one stack: where its data, logs, sockets and secrets are, and who may use it."""

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from engine.cli.faults import CommandFailed
from engine.cli.servers import LONGEST_SOCKET_FOLDER

DEFAULT = Path("var")


@dataclass(frozen=True)
class Folder:
    """Everything that one stack keeps. ``root`` is absolute."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> "Folder":
        """The stack's folder at ``path``, which need not exist yet."""
        return cls(path.expanduser().resolve())

    @property
    def postgres(self) -> Path:
        """PostgreSQL's cluster."""
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        """Valkey's configuration and append-only file."""
        return self.root / "valkey"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.root / "logs"

    @property
    def secrets_file(self) -> Path:
        """Keys made on the first start and kept; readable by the owner only."""
        return self.root / "secrets.env"

    @property
    def addresses_file(self) -> Path:
        """Where the servers of the last start are, for the other commands."""
        return self.root / "stack.env"

    @property
    def run(self) -> Path:
        """Sockets and the supervisor's files; under the temporary folder if ``root`` is too long.

        A Unix socket's path has room for about 100 characters.
        """
        inside = self.root / "run"
        if len(os.fsencode(inside / "postgres")) <= LONGEST_SOCKET_FOLDER:
            return inside
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"sns-{os.geteuid()}-{name}"

    def prepare(self) -> None:
        """Make what is missing.

        Raises:
            CommandFailed: it cannot be written, or its place for sockets belongs to another user.
        """
        try:
            for path in (self.root, self.logs, self.run):
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandFailed(
                f"cannot write to {self.root} ({error.strerror}); choose another folder with --data"
            ) from error
        if self.run.stat().st_uid != os.geteuid():
            raise CommandFailed(f"{self.run} belongs to another user; choose a shorter --data")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process; the kernel lets go of it however the process ends.

        Raises:
            CommandFailed: another ``sns up`` holds it.
        """
        with (self.root / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise CommandFailed(
                    f"a stack is already running on {self.root} (process {file.read().strip()}); "
                    "stop it with Ctrl-C, or choose another folder with --data"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def is_locked(self) -> bool:
        """Whether a stack runs on this folder now."""
        try:
            with (self.root / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def secrets(self) -> dict[str, str]:
        """The stack's keys; those that it does not have yet are made."""
        from cryptography.fernet import Fernet

        made = {
            "SNS_TOKEN_KEYS": Fernet.generate_key().decode(),
            "SNS_JWT_SECRET": secrets.token_urlsafe(48),
            "SNS_EDGE_WEBHOOK_SECRETS": secrets.token_hex(24),
            "SNS_EDGE_WEBHOOK_VERIFY_TOKEN": secrets.token_urlsafe(24),
        }
        found = _read(self.secrets_file)
        if made.keys() - found.keys():
            _write_private(self.secrets_file, {**made, **found})
        return _read(self.secrets_file)

    def write_addresses(self, addresses: dict[str, str]) -> None:
        """Tell the other commands where this start put the servers."""
        _write_private(self.addresses_file, addresses)

    def settings(self) -> dict[str, str]:
        """What the last start wrote: addresses and keys. Empty when there was none."""
        return {**_read(self.addresses_file), **_read(self.secrets_file)}


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {key: value for key, value in dotenv_values(path).items() if value is not None}


def _write_private(path: Path, values: dict[str, str]) -> None:
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{key}={value}\n" for key, value in values.items())
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
