"""The platform double pushes over HTTP to a real edge, as badly as Meta may; the inbox is right."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.platforms.meta_webhooks import read_delivery
from engine.services.hearing import take_webhook
from models.database import open_database
from models.people import ClientMember
from models.words import Platform
from tests.factories import Factory
from tests.integration.collecting.conftest import Inbox
from tests.running_edge import Edge, running
from tests.running_sandbox import RunningSandbox

SECRET = "the app secret of Meta"


@dataclass
class Street:
    """A platform, an edge that hears it, and the inbox of one account."""

    sandbox: RunningSandbox
    edge: Edge
    inbox: Inbox
    post: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def subscribe(self, **how: Any) -> None:
        url = f"http://127.0.0.1:{self.edge.port}/webhooks/meta"
        self.sandbox.ask("PUT", "/sandbox/webhooks", {"url": url, "secret": SECRET, **how})

    def write(self, text: str, **details: Any) -> str:
        number = next(self._numbers)
        said = {
            "post": self.post,
            "text": text,
            "author": f"손님{number}",
            "author_id": f"u{number}",
        }
        id_: str = self.sandbox.ask("POST", "/sandbox/comments", said | details)["id"]
        return id_

    def change(self, id_: str, **details: Any) -> None:
        self.sandbox.advance(2)  # the platform pushes whole seconds
        self.sandbox.ask("PATCH", f"/sandbox/comments/{id_}", details)

    def delete(self, id_: str) -> None:
        self.sandbox.advance(2)
        self.sandbox.ask("DELETE", f"/sandbox/comments/{id_}")

    async def hear(self, deliveries: int) -> None:
        """Take as many as are to come, in the order in which they did."""
        query = "SELECT id FROM webhook_deliveries WHERE processed_at IS NULL ORDER BY id"
        async with asyncio.timeout(20):
            while deliveries > 0:
                for row in await self.inbox.rows(query):
                    await take_webhook(self.inbox.database, delivery_id=row.id, read=read_delivery)
                    deliveries -= 1
                await asyncio.sleep(0.02)

    async def assert_right(self) -> None:
        """What is alive in the inbox is what is alive on the platform."""
        listed = self.sandbox.ask("GET", "/sandbox/comments", query={"post": self.post})
        alive = {one["id"]: one for one in listed["comments"] if not one["is_deleted"]}
        rows = {
            row.platform_comment_id: row
            for row in await self.inbox.comments()
            if row.deleted_at is None
        }
        assert rows.keys() == alive.keys()
        for id_, row in rows.items():
            one = alive[id_]
            assert (row.message, row.is_hidden, row.author_name, row.is_own) == (
                one["text"],
                one["is_hidden"],
                one["author"],
                one["is_own"],
            )
            assert row.parent_comment_id == one["parent"]
            assert row.thread_id == (one["parent"] or id_)
            assert abs(row.commented_at.timestamp() - one["at"]) < 2
        notes = await self.inbox.rows("SELECT note FROM webhook_deliveries WHERE note IS NOT NULL")
        assert notes == []


@pytest.fixture(params=[Platform.INSTAGRAM, Platform.FACEBOOK])
async def street(
    request: pytest.FixtureRequest, database_url: str, redis_url: str, sandbox: RunningSandbox
) -> AsyncIterator[Street]:
    platform: Platform = request.param
    database = open_database(database_url)
    make = Factory(database)
    account, operator = await make.account(platform=platform), await make.user()
    await make.add(ClientMember(client_id=account.client_id, user_id=operator.id))
    sandbox.add_account(account.platform_user_id, username=account.username)
    shown = {"account": account.platform_user_id, "platform": platform.value}
    [post] = sandbox.ask("POST", "/sandbox/posts", shown)["ids"]
    own = {"database_url": database_url, "edge_webhook_secrets": f"another app's, {SECRET}"}
    async with running(1, redis_url, **own) as [edge]:
        yield Street(sandbox, edge, Inbox(database, make, account, operator), post)
    sandbox.ask("PUT", "/sandbox/webhooks", {"url": None})
    await database.dispose()


@pytest.mark.parametrize("shape", ["changes", "bare", "list"])
async def test_comments_come_in_every_shape(street: Street, shape: str) -> None:
    street.subscribe(shape=shape)
    first = street.write("예뻐요 😀")
    street.write("저도요", parent=first)
    await street.hear(2)
    await street.assert_right()
    assert len(await street.inbox.events()) == 2


async def test_late_doubled_and_overtaken_deliveries_end_in_what_is_on_the_platform(
    street: Street,
) -> None:
    is_page = street.inbox.account.platform is Platform.FACEBOOK
    street.subscribe(duplicates=2, reorder=True)
    ids = [street.write(f"댓글 {number}") for number in range(6)]
    if is_page:  # Instagram tells of new ones alone
        for id_ in ids[:4]:
            street.change(id_, text=f"고침 {id_}")
        street.change(ids[0], text="또 고침")
        street.change(ids[1], is_hidden=True)
        street.change(ids[2], is_hidden=True)
        street.change(ids[2], is_hidden=False)
        street.delete(ids[3])
        street.delete(ids[5])
    await street.hear(16 if is_page else 6)
    await street.assert_right()
    events = await street.inbox.events()
    assert len({event["comment_id"] for event in events}) == len(events)


async def test_what_happened_while_the_edge_was_away_comes_when_it_is_back(street: Street) -> None:
    street.subscribe(batch=10)
    await street.edge.kill()
    said = [{"post": street.post, "text": f"댓글 {number}"} for number in range(10)]
    street.sandbox.ask("POST", "/sandbox/comments/batch", {"comments": said})
    await street.edge.start()
    await street.hear(1)
    await street.assert_right()
    assert len(await street.inbox.events()) == 10


async def test_what_somebody_else_signs_is_never_heard(street: Street) -> None:
    street.subscribe(bad_signature=True)
    street.write("속임수")
    async with asyncio.timeout(20):
        while 'outcome="refused"' not in await street.edge.metrics():
            await asyncio.sleep(0.02)
    assert await street.inbox.rows("SELECT 1 FROM webhook_deliveries") == []
