"""The one thing that a shared state change needs of a database connection.

The engine reaches PostgreSQL through SQLAlchemy, the edge through bare asyncpg (see
``docs/decisions/0013-the-http-side-of-the-edge.md``). Steps that both make are therefore plain
PostgreSQL with ``$1``, which both pass on as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Row = Mapping[str, Any]


class Statements(Protocol):
    """A connection inside a transaction; asyncpg's own connection is one."""

    async def fetch(self, query: str, *arguments: Any) -> Sequence[Row]:
        """Run one statement with ``$1``, ``$2``, …; JSON travels as text."""
