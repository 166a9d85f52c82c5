"""One request of YouTube's data host, as the calls see it."""

from dataclasses import dataclass
from typing import Any

from engine.sandbox.state import Account, SeenRequest, World
from engine.sandbox.youtube_errors import YouTubeError


@dataclass(slots=True)
class YouTubeRequest:
    """One request of the data host."""

    world: World
    query: dict[str, str]
    body: dict[str, Any]
    account: Account
    seen: SeenRequest

    def parts(self) -> list[str]:
        """What ``part`` asks for.

        Raises:
            YouTubeError: it is missing.
        """
        names = [name for name in self.query.get("part", "").split(",") if name]
        if not names:
            raise YouTubeError("missingRequiredParameter", message="No filter selected: part")
        return names

    def number(self, name: str, default: int, limit: int) -> int:
        """A whole number of the query, from 0 to ``limit``.

        Raises:
            YouTubeError: it is none.
        """
        text = self.query.get(name, str(default))
        if not text.isdecimal() or int(text) > limit:
            raise YouTubeError("invalidParameter", message=f"Invalid value for {name}: {text}")
        return int(text)
