"""An inbox on a database of its own."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.ports import FoundComment
from engine.services.storing import InboxAccount, Stored, store
from models.accounts import PlatformAccount
from models.database import open_database
from models.people import ClientMember, User
from tests.factories import Factory

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def found(number: int, message: str | None = None, **details: Any) -> FoundComment:
    """Comment ``number`` of a post, a second after the one before."""
    id_ = f"c{number:05d}"
    return FoundComment(
        **{
            "comment_id": id_,
            "post_id": "p1",
            "thread_id": id_,
            "parent_id": None,
            "text": f"댓글 {number}" if message is None else message,
            "commented_at": NOON + timedelta(seconds=number),
            "author_id": f"u{number}",
            "author_name": f"손님{number}",
            **details,
        }
    )


@dataclass
class Inbox:
    """One account, its operators, and what is in the database of them."""

    database: AsyncEngine
    make: Factory
    account: PlatformAccount
    operator: User

    @property
    def of(self) -> InboxAccount:
        return InboxAccount(
            self.account.id,
            self.account.client_id,
            self.account.platform,
            self.account.platform_user_id,
        )

    async def store(self, *comments: FoundComment) -> Stored:
        async with self.database.begin() as connection:
            return await store(connection, self.of, comments)

    async def rows(self, query: str, **arguments: Any) -> Sequence[Any]:
        async with self.database.connect() as connection:
            return (await connection.execute(text(query), arguments)).all()

    async def comments(self) -> Sequence[Any]:
        return await self.rows("SELECT * FROM comments_inbox ORDER BY id")

    async def events(self) -> list[dict[str, Any]]:
        rows = await self.rows("SELECT payload FROM outbox WHERE kind = 'event' ORDER BY id")
        return [row.payload for row in rows]

    async def analyses(self) -> list[str]:
        rows = await self.rows(
            "SELECT key FROM outbox WHERE actor = 'analyze_sentiment' ORDER BY id"
        )
        return [row.key for row in rows]


@pytest.fixture
async def inbox(database_url: str) -> AsyncIterator[Inbox]:
    database = open_database(database_url)
    make = Factory(database)
    account, operator = await make.account(), await make.user()
    await make.add(ClientMember(client_id=account.client_id, user_id=operator.id))
    yield Inbox(database, make, account, operator)
    await database.dispose()
