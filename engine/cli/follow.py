"""What happens in the stack, line by line: the processes' logs, merged and made readable."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

from engine.cli.seoul import SEOUL, clock

# Said by the columns already, or of no use to somebody who watches.
QUIET_KEYS = frozenset({"event", "level", "timestamp", "logger", "trace_id", "process", "tier"})
SECRET = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+|((?:token|secret|password)=)[^\s&'\"]+", re.I)


class LogFollower:
    """Gives each line that is added to the logs after it was made, also across their rotation."""

    def __init__(self, logs: Mapping[str, Path]) -> None:
        self._tails = {name: _Tail(path) for name, path in logs.items()}

    def __enter__(self) -> "LogFollower":
        return self

    def __exit__(self, *_: object) -> None:
        for tail in self._tails.values():
            tail.close()

    def new_lines(self) -> Iterator[tuple[str, str]]:
        """``(program, line)`` for everything written since the last call."""
        for name, tail in self._tails.items():
            for line in tail.new_lines():
                yield name, line


class _Tail:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._file: BufferedReader | None = None
        if path.exists():
            self._file = path.open("rb")
            self._file.seek(0, 2)

    def new_lines(self) -> Iterator[str]:
        yield from self._drain()
        if self._was_replaced():
            self.close()
            self._file = self._path.open("rb")
            yield from self._drain()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _drain(self) -> Iterator[str]:
        if self._file is None:
            return
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            if line.strip():
                yield line.decode(errors="replace").rstrip()

    def _was_replaced(self) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        is_other_file = found.st_ino != os.fstat(self._file.fileno()).st_ino
        return is_other_file or found.st_size < self._file.tell()


def readable(program: str, line: str) -> str:
    """One log line for a person: time in Seoul, process, what happened, the details.

    A line that is not one of our JSON objects (a server's, a traceback) is passed on as it is.
    Anything that looks like a token is left out.
    """
    when, text = "", line
    if line.startswith("{"):
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if isinstance(fields, dict) and "event" in fields:
            when, text = _clock(fields.get("timestamp")), _sentence(fields)
    text = SECRET.sub(lambda match: (match.group(1) or "") + "…", text)
    return f"{when or clock(datetime.now(SEOUL))}  {program:<10} {text}"


def _sentence(fields: dict[str, Any]) -> str:
    level = str(fields.get("level", "info")).lower()
    loud = f"{level.upper()}: " if level in {"warning", "error", "critical"} else ""
    details = " ".join(
        f"{key}={value}"
        for key, value in fields.items()
        if key not in QUIET_KEYS and value is not None and key not in {"exception", "stack"}
    )
    trace = f"\n{fields['exception']}" if fields.get("exception") else ""
    return f"{loud}{fields['event']}  {details}".rstrip() + trace


def _clock(stamp: object) -> str:
    try:
        when = datetime.fromisoformat(str(stamp))
    except ValueError:
        return ""
    if when.tzinfo is None:
        return ""
    return clock(when)
