"""The database takes the steps of a content's life that are drawn, from whoever writes."""

from collections.abc import AsyncIterator
from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from models.approving import CONTENT_STEPS
from models.contents import ContentStatus
from models.database import open_database
from tests.factories import Factory

ENGINE = (ContentStatus.APPROVED, ContentStatus.PUBLISHED)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    database = open_database(database_url)
    yield database
    await database.dispose()


async def refusal_of(
    database: AsyncEngine, before: ContentStatus, after: ContentStatus
) -> str | None:
    """SQLSTATE by which a content is kept from this step; None if it is taken."""
    content = await Factory(database).content(status=before)
    try:
        async with database.begin() as connection:
            await connection.execute(
                text("UPDATE contents SET status = :after WHERE id = :id"),
                {"after": after, "id": content.id},
            )
    except DBAPIError as error:
        return str(getattr(error.orig, "sqlstate", "unknown"))
    return None


async def test_the_database_takes_the_steps_of_the_code_and_no_other(
    database: AsyncEngine,
) -> None:
    taken = set()
    for before, after in product(ContentStatus, ContentStatus):
        refusal = await refusal_of(database, before, after)
        assert refusal in (None, "SN004")
        if refusal is None:
            taken.add((before, after))
    staying = {(status, status) for status in ContentStatus}
    assert taken == CONTENT_STEPS.keys() | {ENGINE} | staying
