"""What was prepared, kept in memory; and a container in one step."""

from typing import Any

from engine.ports import AccountAccess, Container, PlatformClient, Post


class MemoryParts:
    """``engine.ports.Parts`` that outlives nothing but its test.

    Attributes:
        kept: by name; what a new object is given is what a crash left.
        history: names in the order in which they were kept.
    """

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        self.kept = dict(kept or {})
        self.history: list[str] = []

    def get(self, name: str) -> Any:
        return self.kept.get(name)

    async def keep(self, **parts: Any) -> None:
        self.history.extend(parts)
        merged = {**self.kept, **parts}
        self.kept = {name: value for name, value in merged.items() if value is not None}


async def prepared(client: PlatformClient, access: AccountAccess, post: Post) -> Container:
    """The container of a post, made from nothing."""
    container_id = await client.prepare(access, post, MemoryParts())
    return Container(container_id, client.kind_of(post))
