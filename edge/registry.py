"""Who is connected to this process, by user and by role."""

from collections.abc import Collection
from typing import Protocol, TypeVar

from edge.auth import Identity
from edge.close_codes import CloseCode
from models.channels import Position


class Connected(Protocol):
    """A connection whose user is known."""

    connection_id: str

    @property
    def identity(self) -> Identity:
        """Who is at the other end."""

    @property
    def is_live(self) -> bool:
        """Whether it has read all the history that it knows of, and now takes pushes."""

    def push(self, position: Position, text: str, size_bytes: int) -> None:
        """An event with an id was published."""

    def push_unkept(self, text: str, size_bytes: int) -> None:
        """A frame without an id was published: now or never."""

    def compare(self, head: Position) -> None:
        """This is the newest event of the user's history, now or a moment ago."""

    def close(self, code: CloseCode) -> None:
        """End it from this side."""


class Registry:
    """Connections of this process."""

    def __init__(self) -> None:
        self._by_user: dict[int, set[Connected]] = {}
        self._by_role: dict[str, set[Connected]] = {}

    def add(self, connection: Connected) -> tuple[bool, list[str]]:
        """Take a connection in.

        Returns:
            Whether it is the first of its user, and its roles that nobody had before.
        """
        identity = connection.identity
        is_first = identity.user_id not in self._by_user
        new_roles = [role for role in identity.roles if role not in self._by_role]
        self._by_user.setdefault(identity.user_id, set()).add(connection)
        for role in identity.roles:
            self._by_role.setdefault(role, set()).add(connection)
        return is_first, new_roles

    def remove(self, connection: Connected) -> tuple[bool, list[str]]:
        """Let a connection go.

        Returns:
            Whether it was the last of its user, and its roles that nobody has any more.
        """
        identity = connection.identity
        is_last = _discard(self._by_user, identity.user_id, connection)
        old_roles = [role for role in identity.roles if _discard(self._by_role, role, connection)]
        return is_last, old_roles

    def of_user(self, user_id: int) -> Collection[Connected]:
        """Connections of one user; do not change it while going through it."""
        return self._by_user.get(user_id, ())

    def with_role(self, role: str) -> Collection[Connected]:
        """Connections whose token has a role."""
        return self._by_role.get(role, ())

    @property
    def everyone(self) -> list[Connected]:
        """All connections."""
        return [connection for group in self._by_user.values() for connection in group]

    @property
    def user_ids(self) -> list[int]:
        """Users with a connection here."""
        return list(self._by_user)


K = TypeVar("K")


def _discard(groups: dict[K, set[Connected]], key: K, connection: Connected) -> bool:
    group = groups[key]
    group.discard(connection)
    if group:
        return False
    del groups[key]
    return True
