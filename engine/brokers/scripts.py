"""The Lua scripts of the brokers, each with the shared prelude in front of it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script, and the name by which Redis knows it once it has run it."""

    source: bytes
    sha: str


def _read(name: str) -> Script:
    source = b"\n".join((FOLDER / f"{part}.lua").read_bytes() for part in ("prelude", name))
    # SHA-1 is how Redis names scripts; nothing secret depends on it.
    return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())


ENQUEUE = _read("enqueue")
EXCHANGE = _read("exchange")
BEAT = _read("beat")
LEAVE = _read("leave")
REPLAY = _read("replay")
