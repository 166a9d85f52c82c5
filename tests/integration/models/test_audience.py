"""Who is told, by one statement, on a real database."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.services import outboxing
from models import outgoing
from models.accounts import PlatformAccount
from models.audience import Audience
from models.database import open_database
from models.events import CrisisAlert
from models.people import Client, ClientMember, Role, User
from models.words import Severity
from tests.factories import Factory

pytestmark = pytest.mark.integration

ALERT = CrisisAlert(
    client_id=1, severity=Severity.HIGH, message="부정 댓글이 급증했습니다", comment_ids=[1]
)


class Team:
    """One client with a member of each role, and another client with an operator."""

    client: Client
    account: PlatformAccount
    members: dict[Role, User]
    stranger: User


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    database = open_database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
async def team(database: AsyncEngine) -> Team:
    make, team = Factory(database), Team()
    team.client = await make.client()
    team.account = await make.account(client=team.client)
    team.members = {role: await make.user(role=role) for role in Role}
    for user in team.members.values():
        await make.add(ClientMember(client_id=team.client.id or 0, user_id=user.id or 0))
    team.stranger = await make.user(role=Role.OPERATOR)
    elsewhere = await make.client()
    await make.add(ClientMember(client_id=elsewhere.id or 0, user_id=team.stranger.id or 0))
    return team


async def told(database: AsyncEngine, audience: Audience) -> list[int]:
    async with database.begin() as connection:
        return await outboxing.tell(connection, audience, key="k", event=ALERT, trace_id="t")


async def test_each_audience_is_who_it_says(database: AsyncEngine, team: Team) -> None:
    ids = {role: user.id for role, user in team.members.items()}
    client, account = team.client.id or 0, team.account.id or 0
    for audience, expected in (
        (Audience.assigned_to(client), sorted(ids.values())),  # type: ignore[type-var]
        (Audience.reviewers_of(client), sorted([ids[Role.MANAGER], ids[Role.CLIENT]])),  # type: ignore[type-var]
        (Audience.operators_of(account), [ids[Role.OPERATOR]]),
        (Audience.with_role(Role.OPERATOR), [ids[Role.OPERATOR], team.stranger.id]),
        (Audience.assigned_to(999), []),
    ):
        async with database.connect() as connection:
            assert expected == await outboxing.tell(
                connection, audience, key="k", event=ALERT, trace_id="t"
            )
            await connection.rollback()


async def test_telling_again_reaches_only_who_has_joined(database: AsyncEngine, team: Team) -> None:
    everyone = Audience.assigned_to(team.client.id or 0)
    assert len(await told(database, everyone)) == 4
    await Factory(database).add(
        ClientMember(client_id=team.client.id or 0, user_id=team.stranger.id or 0)
    )
    assert await told(database, everyone) == [team.stranger.id]


async def test_engine_and_edge_write_the_same_rows(
    database: AsyncEngine, database_url: str, team: Team
) -> None:
    """SQLAlchemy on one side, bare asyncpg on the other."""
    everyone = Audience.assigned_to(team.client.id or 0)
    async with database.begin() as engine_side:
        await outboxing.tell(engine_side, everyone, key="engine", event=ALERT, trace_id="t")
    edge_side = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await outgoing.tell(edge_side, everyone, key="edge", event=ALERT, trace_id="t")
    rows = await edge_side.fetch(
        "SELECT key, kind, user_id, actor, payload::text, trace_id FROM outbox ORDER BY id"
    )
    await edge_side.close()

    by_engine, by_edge = rows[:4], rows[4:]
    assert [row["key"].partition(":")[2] for row in rows] == [str(row["user_id"]) for row in rows]
    assert [tuple(row)[1:] for row in by_engine] == [tuple(row)[1:] for row in by_edge]


async def test_event_for_roles_says_so_for_whoever_reads_it_later(
    database: AsyncEngine, team: Team
) -> None:
    await told(database, Audience.reviewers_of(team.client.id or 0))
    async with database.connect() as connection:
        payloads = (await connection.execute(text("SELECT payload FROM outbox"))).scalars().all()

    assert [payload["audience"] for payload in payloads] == [["manager", "client"]] * 2
