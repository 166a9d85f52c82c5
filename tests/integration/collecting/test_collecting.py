"""Every comment once, whatever the platforms do while they are read."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.cli.stack import sandbox_addresses
from engine.clock import SystemClock
from engine.platforms.registry import open_inboxes
from engine.services.collecting import Collector, ask_for_account, ask_for_all
from engine.services.reading import CollectingRules
from engine.settings import Settings
from models.accounts import Platform, PlatformAccount
from models.database import open_database
from models.people import Client, ClientMember
from tests.factories import TOKEN_KEY, VAULT, Factory
from tests.running_sandbox import RunningSandbox

ALL = tuple(Platform)
WITH_THREADS = (Platform.INSTAGRAM, Platform.YOUTUBE)  # replies stand under their thread only


class LaterClock(SystemClock):
    """The present, and some more."""

    later = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.later


class World:
    """The sandbox's people, and what the inbox holds of them."""

    def __init__(self, database: AsyncEngine, sandbox: RunningSandbox) -> None:
        self.database = database
        self.sandbox = sandbox
        self.make = Factory(database)
        self.clock = LaterClock()
        self.rules = CollectingRules()
        self.settings = Settings.load(
            {
                **sandbox_addresses(sandbox.base_url),
                "SNS_TOKEN_KEYS": TOKEN_KEY,
                "SNS_JWT_SECRET": "x" * 32,
                "SNS_CIRCUIT_OPEN_S": "0.2",
            }
        )

    async def account(self, platform: Platform, *, client: Client | None = None) -> PlatformAccount:
        account = await self.make.account(platform=platform, client=client)
        self.sandbox.add_account(account.platform_user_id, username=account.username)
        return account

    def post(self, account: PlatformAccount, count: int = 1) -> list[str]:
        made = self.sandbox.ask(
            "POST",
            "/sandbox/posts",
            {"account": account.platform_user_id, "platform": account.platform, "count": count},
        )
        return made["ids"]

    def say(self, post: str, words: str, **details: Any) -> str:
        given = {"post": post, "text": words, "author": "손님", **details}
        return self.sandbox.ask("POST", "/sandbox/comments", given)["id"]

    def say_many(self, post: str, count: int, **details: Any) -> list[str]:
        comments = [
            {"post": post, "text": f"댓글 {number}", "author": "손님", **details}
            for number in range(count)
        ]
        return self.sandbox.ask("POST", "/sandbox/comments/batch", {"comments": comments})["ids"]

    def edit(self, comment: str, **details: Any) -> None:
        self.sandbox.ask("PATCH", f"/sandbox/comments/{comment}", details)

    def delete(self, comment: str) -> None:
        self.sandbox.ask("DELETE", f"/sandbox/comments/{comment}")

    @asynccontextmanager
    async def collector(self) -> AsyncIterator[Collector]:
        inboxes = open_inboxes(self.settings)
        try:
            yield Collector(
                database=self.database,
                inboxes=inboxes,
                vault=VAULT,
                clock=self.clock,
                rules=self.rules,
            )
        finally:
            for inbox in inboxes.values():
                await inbox.close()

    async def collect(self, *accounts: PlatformAccount) -> None:
        async with self.collector() as collector:
            for account in accounts:
                await ask_for_account(self.database, account_id=account.id, message_key=None)
            await collector.collect_all()

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.database.connect() as connection:
            return list((await connection.execute(text(query), values)).all())

    async def inbox(self) -> dict[str, Any]:
        rows = await self.rows("SELECT * FROM comments_inbox ORDER BY id")
        found = {row.platform_comment_id: row for row in rows}
        assert len(found) == len(rows)
        return found

    async def state(self, account: PlatformAccount) -> Any:
        [row] = await self.rows(
            "SELECT * FROM collection_states WHERE platform_account_id = :id", id=account.id
        )
        return row

    def calls(self, account: PlatformAccount) -> int:
        return len(self.sandbox.requests(account=account.platform_user_id))


@pytest.fixture
async def world(database_url: str, sandbox: RunningSandbox) -> AsyncIterator[World]:
    database = open_database(database_url)
    yield World(database, sandbox)
    await database.dispose()


@pytest.mark.parametrize("platform", ALL)
async def test_every_comment_and_reply_is_in_the_inbox_once(
    world: World, platform: Platform
) -> None:
    account = await world.account(platform)
    first, second = world.post(account, 2)
    ids = world.say_many(first, 120) + world.say_many(second, 3)
    ids += [world.say(first, f"답글 {n}", parent=ids[0]) for n in range(12)]
    await world.collect(account)
    await world.collect(account)
    inbox = await world.inbox()
    assert set(inbox) == set(ids)
    assert {inbox[id_].thread_id for id_ in ids[-12:]} == {ids[0]}
    assert inbox[ids[0]].author_name == "손님"
    assert (await world.state(account)).error_code is None


@pytest.mark.parametrize("platform", ALL)
async def test_what_is_written_later_is_found_without_reading_everything_again(
    world: World, platform: Platform
) -> None:
    account = await world.account(platform)
    (post,) = world.post(account)
    world.say_many(post, 250)
    await world.collect(account)
    before = world.calls(account)
    new = world.say(post, "방금 쓴 댓글")
    await world.collect(account)
    assert (await world.inbox())[new].message == "방금 쓴 댓글"
    assert world.calls(account) - before <= 5


@pytest.mark.parametrize("platform", ALL)
async def test_a_reply_to_an_old_thread_is_found(world: World, platform: Platform) -> None:
    account = await world.account(platform)
    (post,) = world.post(account)
    old, *_ = world.say_many(post, 150)
    await world.collect(account)
    reply = world.say(post, "오래된 글에 답글", parent=old)
    await world.collect(account)
    assert (await world.inbox())[reply].thread_id == old


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.FACEBOOK, Platform.YOUTUBE])
async def test_a_comment_that_is_approved_late_is_found(world: World, platform: Platform) -> None:
    account = await world.account(platform)
    (post,) = world.post(account)
    held = world.say(post, "검토를 기다린 댓글", is_held=True)
    world.say_many(post, 150)
    await world.collect(account)
    assert held not in await world.inbox()
    world.edit(held, is_held=False)
    await world.collect(account)
    assert (await world.inbox())[held].message == "검토를 기다린 댓글"


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.FACEBOOK, Platform.YOUTUBE])
async def test_a_deletion_is_seen_and_nothing_else_is_called_deleted(
    world: World, platform: Platform
) -> None:
    account = await world.account(platform)
    (post,) = world.post(account)
    ids = world.say_many(post, 130)
    await world.collect(account)
    world.delete(ids[7])
    for _ in range(2):
        await world.collect(account)
    inbox = await world.inbox()
    assert [id_ for id_ in ids if inbox[id_].deleted_at is not None] == [ids[7]]


@pytest.mark.parametrize("platform", [Platform.FACEBOOK, Platform.THREADS, Platform.YOUTUBE])
async def test_an_edit_is_seen_by_the_hourly_reading(world: World, platform: Platform) -> None:
    account = await world.account(platform)
    (post,) = world.post(account)
    ids = world.say_many(post, 120)
    await world.collect(account)
    world.edit(ids[3], text="고친 댓글")
    await world.collect(account)
    world.clock.later = timedelta(hours=1, minutes=1)
    await world.collect(account)
    row = (await world.inbox())[ids[3]]
    assert row.message == "고친 댓글"
    assert row.edited_at is not None


@pytest.mark.parametrize("platform", ALL)
async def test_items_that_move_between_pages_are_neither_lost_nor_doubled(
    world: World, platform: Platform
) -> None:
    account = await world.account(platform)
    (post,) = world.post(account)
    ids = world.say_many(post, 230)
    world.sandbox.switch(comment_pages_shift=True)
    await world.collect(account)
    world.sandbox.switch(comment_pages_shift=False)
    for _ in range(2):
        await world.collect(account)
    truth = world.sandbox.ask("GET", "/sandbox/comments", query={"post": post})["comments"]
    inbox = await world.inbox()
    assert set(ids) <= set(inbox)
    assert set(inbox) == {one["id"] for one in truth}
    assert not [row for row in inbox.values() if row.deleted_at is not None]


@pytest.mark.parametrize("platform", ALL)
async def test_an_empty_page_with_more_behind_it_ends_nothing(
    world: World, platform: Platform
) -> None:
    account = await world.account(platform)
    (post,) = world.post(account)
    ids = world.say_many(post, 70)
    world.sandbox.switch(comment_empty_page=True)
    await world.collect(account)
    assert set(await world.inbox()) == set(ids)


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.FACEBOOK, Platform.YOUTUBE])
async def test_an_idle_round_costs_one_call_and_a_page_of_posts(
    world: World, platform: Platform
) -> None:
    account = await world.account(platform)
    posts = world.post(account, 60)
    for post in posts[:5]:
        world.say_many(post, 3)
    async with world.collector() as collector:
        await ask_for_account(world.database, account_id=account.id, message_key=None)
        await collector.collect_all()
        before = world.calls(account)
        await ask_for_account(world.database, account_id=account.id, message_key=None)
        await collector.collect_all()
    assert world.calls(account) - before <= 1 + -(-60 // 50)


async def test_two_overlapping_runs_are_one(world: World) -> None:
    account = await world.account(Platform.INSTAGRAM)
    operator = await world.make.user()
    await world.make.add(ClientMember(client_id=account.client_id, user_id=operator.id))
    (post,) = world.post(account)
    ids = world.say_many(post, 200)
    async with world.collector() as one, world.collector() as other:
        await ask_for_account(world.database, account_id=account.id, message_key=None)
        running = asyncio.create_task(one.collect_all())
        await asyncio.sleep(0.05)
        async with world.database.begin() as connection:  # as if the first one's lease had run out
            await connection.execute(
                text("UPDATE collection_states SET lease_expires_at = now() - interval '1 s'")
            )
        await other.collect_all()
        await running
    assert set(await world.inbox()) == set(ids)
    told = await world.rows("SELECT key FROM outbox WHERE key LIKE 'new_comment:%'")
    assert len(told) == 200


async def test_an_account_that_is_asked_for_while_it_is_read_is_read_once_more(
    world: World,
) -> None:
    account = await world.account(Platform.INSTAGRAM)
    first, *others = world.post(account, 30)
    world.say_many(first, 60)
    for post in others:
        world.say(post, "하나")
    async with world.collector() as collector:
        await ask_for_account(world.database, account_id=account.id, message_key=None)
        await collector.claim()
        while len(await world.inbox()) < 80:
            await asyncio.sleep(0.01)
        late = world.say(others[-1], "이미 읽은 글에 달린 댓글")
        assert await ask_for_all(world.database, key="again", message_key=None) == 1
        await ask_for_account(world.database, account_id=account.id, message_key=None)
        await asyncio.gather(*collector._running)
        await collector.collect_all()
    assert late in await world.inbox()
    assert (await world.state(account)).queued_at is None


async def test_a_worker_that_dies_leaves_the_account_to_the_next(world: World) -> None:
    account = await world.account(Platform.INSTAGRAM)
    (post,) = world.post(account)
    ids = world.say_many(post, 300)
    async with world.collector() as dying:
        await ask_for_account(world.database, account_id=account.id, message_key=None)
        await dying.claim()
        while not await world.inbox():
            await asyncio.sleep(0.01)
        for task in dying._running:
            task.cancel()
        await asyncio.gather(*dying._running, return_exceptions=True)
    async with world.database.begin() as connection:
        await connection.execute(
            text("UPDATE collection_states SET lease_expires_at = now() - interval '1 s'")
        )
    async with world.collector() as next_one:
        await next_one.collect_all()
    assert set(await world.inbox()) == set(ids)


async def test_a_backlog_of_ten_thousand_holds_up_no_other_client(world: World) -> None:
    busy = await world.account(Platform.INSTAGRAM)
    other_client = await world.make.client()
    small = await world.account(Platform.FACEBOOK, client=other_client)
    (crowded,), (quiet,) = world.post(busy), world.post(small)
    world.say_many(crowded, 10_000)
    async with world.collector() as collector:
        await ask_for_account(world.database, account_id=busy.id, message_key=None)
        await collector.claim()
        await asyncio.sleep(0.3)
        new = world.say(quiet, "다른 고객사의 새 댓글")
        asked_at = time.monotonic()
        await ask_for_account(world.database, account_id=small.id, message_key=None)
        await collector.claim()
        while new not in await world.inbox():
            assert time.monotonic() - asked_at < 2.0
            await asyncio.sleep(0.02)
        assert len(await world.inbox()) < 10_000, "the backlog is over: nothing was shown"


async def test_the_messages_go_round_the_clients_by_weight(world: World) -> None:
    heavy, light = await world.make.client(), await world.make.client()
    async with world.database.begin() as connection:
        await connection.execute(
            text("UPDATE clients SET collect_weight = 2 WHERE id = :id"), {"id": heavy.id}
        )
    accounts = {
        (await world.make.account(client=client)).id: client.id
        for client in (heavy, light)
        for _ in range(4)
    }
    asked = await ask_for_all(world.database, key="round", message_key=None)
    rows = await world.rows("SELECT payload FROM outbox WHERE actor = 'sync_account' ORDER BY id")
    order = [accounts[row.payload["args"][0]] for row in rows]
    assert asked == len(order) == 8
    assert order[:3].count(heavy.id) == 2
    assert order[3:6].count(heavy.id) == 2


async def test_accounts_that_cannot_be_asked_are_not(world: World) -> None:
    usable = await world.make.account()
    await world.make.account(token=None)
    held = await world.make.account()
    async with world.database.begin() as connection:
        await connection.execute(
            text(
                "UPDATE platform_accounts SET held_until = now() + interval '1 hour' WHERE id = :id"
            ),
            {"id": held.id},
        )
    assert await ask_for_all(world.database, key="r", message_key=None) == 1
    rows = await world.rows("SELECT payload FROM outbox WHERE actor = 'sync_account'")
    assert [row.payload["args"] for row in rows] == [[usable.id]]


BROKEN: list[dict[str, Any]] = [
    {"answer": "html", "status": 502, "carry_out": 0},
    {"answer": "truncated", "carry_out": 1},
    {"answer": "wrong_json", "status": 200, "carry_out": 0},
    {"answer": "error", "status": 500, "code": 2, "carry_out": 0},
]


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: fault["answer"])
@pytest.mark.parametrize("platform", ALL)
async def test_an_answer_that_cannot_be_read_costs_one_run_of_one_account(
    world: World, platform: Platform, fault: dict[str, Any]
) -> None:
    account, other = await world.account(platform), await world.account(platform)
    (post,), (others,) = world.post(account), world.post(other)
    lost, found = world.say(post, "막힌 글"), world.say(others, "열린 글")
    world.sandbox.fault(**{**fault, "account": account.platform_user_id, "times": None})
    await world.collect(account, other)
    assert set(await world.inbox()) == {found}
    state = await world.state(account)
    assert (state.failures, state.queued_at) == (1, None)
    assert state.error_code
    world.sandbox.clear_faults()
    await asyncio.sleep(0.3)  # the circuit looks again
    await world.collect(account, other)
    assert set(await world.inbox()) == {lost, found}
    assert (await world.state(account)).failures == 0


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.FACEBOOK, Platform.THREADS])
async def test_a_throttled_account_is_held_as_long_as_the_platform_says(
    world: World, platform: Platform
) -> None:
    account, other = await world.account(platform), await world.account(platform)
    (post,), (others,) = world.post(account), world.post(other)
    world.say(post, "막힌 글")
    found = world.say(others, "열린 글")
    world.sandbox.fault(
        "error", account=account.platform_user_id, code=17, status=429, times=None, carry_out=0
    )
    await world.collect(account, other)
    assert set(await world.inbox()) == {found}
    [row] = await world.rows(
        "SELECT held_until > now() AS is_held FROM platform_accounts WHERE id = :id", id=account.id
    )
    assert row.is_held


async def test_a_post_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    account = await world.account(Platform.INSTAGRAM)
    first, second = world.post(account, 2)
    lost, found = world.say(first, "막힌 글"), world.say(second, "열린 글")
    world.sandbox.fault(
        "error", path=f"*{first}/comments*", code=100, subcode=33, times=None, carry_out=0
    )
    await world.collect(account)
    assert set(await world.inbox()) == {found}
    world.sandbox.clear_faults()
    await world.collect(account)
    assert set(await world.inbox()) == {lost, found}


async def test_a_sweep_can_be_switched_to_any_pace(world: World) -> None:
    account = await world.account(Platform.THREADS)
    (post,) = world.post(account)
    comment = world.say(post, "처음 글")
    await world.collect(account)
    world.edit(comment, text="바뀐 글")
    world.rules = replace(world.rules, sweep_s=0)
    await world.collect(account)
    assert (await world.inbox())[comment].message == "바뀐 글"
