"""An approved reply is sent once, and nobody guesses what became of it."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.cli.stack import sandbox_addresses
from engine.clock import SystemClock
from engine.errors import InvalidCommand, ReconnectNeeded, Unsupported
from engine.platforms.registry import open_inboxes
from engine.ports import FoundComment
from engine.services.moderating import Action, moderate
from engine.services.replying import Replier, ask_to_send
from engine.services.storing import InboxAccount, store
from engine.settings import Settings
from models.accounts import Platform, PlatformAccount
from models.comments import REPLY_STEPS, CommentReply
from models.database import open_database
from models.words import ReplyStatus
from tests.factories import TOKEN_KEY, VAULT, Factory
from tests.running_sandbox import RunningSandbox

ALL = tuple(Platform)
WORDS = "고객님, 불편을 드려 죄송합니다."


class Desk:
    """An operator who answers one comment."""

    def __init__(self, database: AsyncEngine, sandbox: RunningSandbox) -> None:
        self.database = database
        self.sandbox = sandbox
        self.make = Factory(database)
        self.inboxes = open_inboxes(
            Settings.load(
                {
                    **sandbox_addresses(sandbox.base_url),
                    "SNS_TOKEN_KEYS": TOKEN_KEY,
                    "SNS_JWT_SECRET": "x" * 32,
                    "SNS_PUBLISH_TIMEOUT_S": "1",
                    "SNS_CIRCUIT_OPEN_S": "0.2",
                }
            )
        )

    def replier(self, **details: Any) -> Replier:
        return Replier(
            **{
                "database": self.database,
                "inboxes": self.inboxes,
                "vault": VAULT,
                "clock": SystemClock(),
                "owner": f"test-{id(details)}",
                "publish_timeout_s": 1.0,
                "retry_max": 3,
                "give_up_s": 1.0,
                "retry_base_s": 0.1,
                "random": Random(1),
                **details,
            }
        )

    async def comment(self, platform: Platform) -> tuple[PlatformAccount, int, str]:
        """A comment of a stranger, on the platform and in the inbox."""
        account = await self.make.account(platform=platform)
        self.sandbox.add_account(account.platform_user_id, username=account.username)
        (post,) = self.sandbox.ask(
            "POST",
            "/sandbox/posts",
            {"account": account.platform_user_id, "platform": platform},
        )["ids"]
        comment = self.sandbox.ask("POST", "/sandbox/comments", {"post": post, "text": "배송?"})
        found = FoundComment(comment["id"], post, comment["id"], None, "배송?", None)
        of = InboxAccount(account.id, account.client_id, platform, account.platform_user_id)
        async with self.database.begin() as connection:
            (id_,) = (await store(connection, of, [found])).new
        return account, id_, post

    async def reply(
        self, comment_id: int, message: str = WORDS, status: ReplyStatus = ReplyStatus.APPROVED
    ) -> int:
        author = await self.make.default_author()
        row = await self.make.add(
            CommentReply(
                comment_id=comment_id,
                message=message,
                status=status,
                created_by=author.id,
                trace_id="t",
            )
        )
        return row.id

    async def ask(self, reply_id: int) -> None:
        await ask_to_send(self.database, reply_id=reply_id, message_key=None)

    async def work(self, *, until: tuple[str, ...], reply_id: int, replier: Replier) -> Any:
        """Let a worker act until the reply has one of these states."""
        async with asyncio.timeout(15):
            while True:
                await replier.work_once()
                row = await self.row(reply_id)
                if row.status in until:
                    return row
                await asyncio.sleep(0.05)

    async def send(self, reply_id: int, *, until: tuple[str, ...] = ("success",)) -> Any:
        await self.ask(reply_id)
        return await self.work(until=until, reply_id=reply_id, replier=self.replier())

    async def row(self, reply_id: int) -> Any:
        [row] = await self.rows("SELECT * FROM comment_replies WHERE id = :id", id=reply_id)
        return row

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.database.begin() as connection:
            result = await connection.execute(text(query), values)
            return list(result.all()) if result.returns_rows else []

    def said(self, post: str) -> list[str]:
        """What the account wrote under a post, as the platform knows it."""
        known = self.sandbox.ask("GET", "/sandbox/comments", query={"post": post})["comments"]
        return [one["text"] for one in known if one["is_own"]]


@pytest.fixture
async def desk(database_url: str, sandbox: RunningSandbox) -> AsyncIterator[Desk]:
    database = open_database(database_url)
    desk = Desk(database, sandbox)
    yield desk
    for inbox in desk.inboxes.values():
        await inbox.close()
    await database.dispose()


@pytest.mark.parametrize("platform", ALL)
async def test_an_approved_reply_is_sent_once_however_often_it_is_asked_for(
    desk: Desk, platform: Platform
) -> None:
    _, comment, post = await desk.comment(platform)
    reply = await desk.reply(comment)
    for _ in range(3):
        await desk.ask(reply)
    row = await desk.send(reply)
    await desk.replier().work_once()
    assert desk.said(post) == [WORDS]
    own = await desk.rows("SELECT * FROM comments_inbox WHERE is_own")
    assert [one.platform_comment_id for one in own] == [row.platform_comment_id]
    attempts = await desk.rows("SELECT outcome FROM reply_attempts")
    assert [one.outcome for one in attempts] == ["accepted"]


async def test_two_workers_at_once_send_it_once(desk: Desk) -> None:
    _, comment, post = await desk.comment(Platform.INSTAGRAM)
    replies = [await desk.reply(comment, f"답글 {number}") for number in range(8)]
    for reply in replies:
        await desk.ask(reply)
    await asyncio.gather(*(desk.replier(owner=f"w{n}").work_once() for n in range(3)))
    for reply in replies:
        await desk.work(until=("success",), reply_id=reply, replier=desk.replier())
    assert sorted(desk.said(post)) == [f"답글 {number}" for number in range(8)]


@pytest.mark.parametrize("platform", ALL)
async def test_a_lost_answer_is_in_doubt_and_the_reply_is_found(
    desk: Desk, platform: Platform
) -> None:
    _, comment, post = await desk.comment(platform)
    reply = await desk.reply(comment)
    call = "create_comment" if platform is Platform.THREADS else "create_reply"
    desk.sandbox.fault("close", call=call, carry_out=1)
    await desk.send(reply)
    assert desk.said(post) == [WORDS]
    attempts = await desk.rows("SELECT outcome FROM reply_attempts")
    assert [one.outcome for one in attempts] == ["unknown"]


@pytest.mark.parametrize("platform", ALL)
async def test_a_request_that_was_lost_is_sent_again_only_when_reads_say_so(
    desk: Desk, platform: Platform
) -> None:
    _, comment, post = await desk.comment(platform)
    reply = await desk.reply(comment)
    call = "create_comment" if platform is Platform.THREADS else "create_reply"
    desk.sandbox.fault("close", call=call, carry_out=0)
    row = await desk.send(reply)
    assert desk.said(post) == [WORDS]
    assert row.retry_count == 1


async def test_a_worker_that_dies_in_the_call_leaves_a_doubt_and_no_double(desk: Desk) -> None:
    _, comment, post = await desk.comment(Platform.FACEBOOK)
    reply = await desk.reply(comment)
    await desk.ask(reply)
    desk.sandbox.fault("normal", call="create_reply", carry_out=1, delay_after_s=0.6)
    dying = asyncio.create_task(desk.replier().work_once())
    async with asyncio.timeout(5):
        while not desk.said(post):
            await asyncio.sleep(0.02)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await desk.rows(
        "UPDATE comment_replies SET lease_expires_at = now() - interval '1 s' WHERE id = :id",
        id=reply,
    )
    await desk.work(until=("success",), reply_id=reply, replier=desk.replier())
    assert desk.said(post) == [WORDS]


async def test_the_same_words_in_one_thread_are_two_replies(desk: Desk) -> None:
    _, comment, post = await desk.comment(Platform.INSTAGRAM)
    first, second = await desk.reply(comment), await desk.reply(comment)
    await desk.send(first)
    desk.sandbox.fault("close", call="create_reply", carry_out=1)
    row = await desk.send(second)
    assert desk.said(post) == [WORDS, WORDS]
    assert row.platform_comment_id != (await desk.row(first)).platform_comment_id


@pytest.mark.parametrize("platform", ALL)
async def test_of_two_doubts_in_the_same_words_each_ends_with_a_reply_of_its_own(
    desk: Desk, platform: Platform
) -> None:
    _, comment, post = await desk.comment(platform)
    replies = [await desk.reply(comment), await desk.reply(comment)]
    call = "create_comment" if platform is Platform.THREADS else "create_reply"
    desk.sandbox.fault("close", call=call, carry_out=1)
    desk.sandbox.fault("close", call=call, carry_out=0, nth=2)
    for reply in replies:
        await desk.ask(reply)
    await desk.replier().work_once()
    assert {(await desk.row(reply)).status for reply in replies} == {"in_doubt"}
    assert desk.said(post) == [WORDS]
    await desk.rows("UPDATE comment_replies SET act_at = now()")
    await asyncio.gather(desk.replier(owner="a").work_once(), desk.replier(owner="b").work_once())
    rows = [
        await desk.work(until=("success",), reply_id=reply, replier=desk.replier())
        for reply in replies
    ]
    assert desk.said(post) == [WORDS, WORDS]
    assert len({row.platform_comment_id for row in rows}) == 2


async def test_a_reply_is_not_bound_while_another_of_its_thread_is_on_the_wire(desk: Desk) -> None:
    _, comment, post = await desk.comment(Platform.FACEBOOK)
    lost, slow = await desk.reply(comment), await desk.reply(comment)
    desk.sandbox.fault("close", call="create_reply", carry_out=0)
    await desk.ask(lost)
    await desk.replier().work_once()
    desk.sandbox.fault("normal", call="create_reply", carry_out=1, delay_after_s=0.7)
    await desk.rows("UPDATE comment_replies SET act_at = now() + interval '1 hour'")
    await desk.ask(slow)
    sending = asyncio.create_task(desk.replier(owner="slow", give_up_s=9.0).work_once())
    async with asyncio.timeout(5):
        while not desk.said(post):
            await asyncio.sleep(0.02)
    await desk.rows("UPDATE comment_replies SET act_at = now() WHERE id = :id", id=lost)
    await desk.replier(owner="look", give_up_s=9.0).work_once()
    assert (await desk.row(lost)).status == "in_doubt"
    await sending
    assert (await desk.row(slow)).status == "success"
    await desk.rows("UPDATE comment_replies SET act_at = now() WHERE id = :id", id=lost)
    await desk.work(until=("success",), reply_id=lost, replier=desk.replier())
    assert desk.said(post) == [WORDS, WORDS]


async def test_several_replies_that_may_be_it_are_shown_to_a_person(desk: Desk) -> None:
    _, comment, post = await desk.comment(Platform.INSTAGRAM)
    reply = await desk.reply(comment)
    desk.sandbox.fault("close", call="create_reply", carry_out=2)
    await desk.ask(reply)
    row = await desk.work(until=("needs_person",), reply_id=reply, replier=desk.replier())
    assert row.error_code == "reply_undecidable"
    assert desk.said(post) == [WORDS, WORDS]
    [told] = await desk.rows("SELECT title FROM notifications")
    assert told.title == "답글을 확인해 주세요"


async def test_a_restricted_account_is_stopped_and_its_replies_wait(desk: Desk) -> None:
    account, comment, post = await desk.comment(Platform.INSTAGRAM)
    first, second = await desk.reply(comment, "하나"), await desk.reply(comment, "둘")
    desk.sandbox.fault("error", call="create_reply", code=368, carry_out=0)
    await desk.ask(first)
    await desk.replier().work_once()
    await desk.ask(second)
    await desk.replier().work_once()
    row = await desk.row(first)
    assert (row.status, row.error_code, row.retry_count) == ("approved", "368", 0)
    assert (await desk.row(second)).status == "approved"
    [stopped] = await desk.rows(
        "SELECT status FROM platform_accounts WHERE id = :id", id=account.id
    )
    assert stopped.status == "stopped"
    assert desk.said(post) == []


@pytest.mark.parametrize(
    ("is_hidden", "message", "code"),
    [(True, WORDS, "comment_hidden"), (False, "가" * 2201, "reply_too_long")],
)
async def test_what_the_platform_would_refuse_is_not_sent_and_is_said(
    desk: Desk, is_hidden: bool, message: str, code: str
) -> None:
    _, comment, post = await desk.comment(Platform.INSTAGRAM)
    await desk.rows(
        "UPDATE comments_inbox SET is_hidden = :is_hidden WHERE id = :id",
        id=comment,
        is_hidden=is_hidden,
    )
    reply = await desk.reply(comment, message)
    row = await desk.send(reply, until=("failed",))
    assert row.error_code == code
    assert len(await desk.rows("SELECT 1 FROM notifications")) == 1
    assert desk.said(post) == []


async def test_a_refusal_for_good_ends_it_and_a_passing_one_does_after_three_retries(
    desk: Desk,
) -> None:
    _, comment, post = await desk.comment(Platform.INSTAGRAM)
    refused, unlucky = await desk.reply(comment, "하나"), await desk.reply(comment, "둘")
    desk.sandbox.fault("error", call="create_reply", code=100, carry_out=0)
    assert (await desk.send(refused, until=("failed",))).error_code == "100"
    desk.sandbox.fault("error", call="create_reply", code=9004, carry_out=0, times=None)
    row = await desk.send(unlucky, until=("failed",))
    assert (row.error_code, row.retry_count) == ("retries_exhausted", 3)
    assert desk.said(post) == []


async def test_asking_again_shortens_no_wait_and_trying_anew_begins_at_the_beginning(
    desk: Desk,
) -> None:
    _, comment, _ = await desk.comment(Platform.INSTAGRAM)
    reply = await desk.reply(comment)
    await desk.ask(reply)
    await desk.rows("UPDATE comment_replies SET act_at = now() + interval '1 hour'")
    before = (await desk.row(reply)).act_at
    await desk.ask(reply)
    assert (await desk.row(reply)).act_at == before
    await desk.rows("UPDATE comment_replies SET status = 'failed', retry_count = 3")
    await desk.rows("UPDATE comment_replies SET status = 'approved'")
    row = await desk.row(reply)
    assert (row.is_asked, row.retry_count) == (False, 0)


async def test_a_throttled_account_puts_it_off_at_no_cost(desk: Desk) -> None:
    account, comment, post = await desk.comment(Platform.INSTAGRAM)
    reply = await desk.reply(comment)
    desk.sandbox.fault("error", call="create_reply", code=17, carry_out=0)
    await desk.ask(reply)
    await desk.replier().work_once()
    row = await desk.row(reply)
    assert (row.status, row.retry_count, row.error_code) == ("approved", 0, "17")
    [held] = await desk.rows(
        "SELECT held_until > now() AS is_held FROM platform_accounts WHERE id = :id", id=account.id
    )
    assert held.is_held
    assert desk.said(post) == []


async def test_a_dead_token_lets_it_wait_until_the_account_is_connected_again(desk: Desk) -> None:
    account, comment, post = await desk.comment(Platform.INSTAGRAM)
    admin_reply = await desk.reply(comment)
    desk.sandbox.change_token(account.platform_user_id, subcode=460)
    await desk.ask(admin_reply)
    await desk.replier().work_once()
    assert (await desk.row(admin_reply)).status == "approved"
    [row] = await desk.rows("SELECT status FROM platform_accounts WHERE id = :id", id=account.id)
    assert row.status == "reconnect_needed"
    desk.sandbox.change_token(account.platform_user_id, subcode=None)
    await desk.rows("UPDATE platform_accounts SET status = 'active' WHERE id = :id", id=account.id)
    await desk.rows("UPDATE comment_replies SET act_at = now()")
    await desk.work(until=("success",), reply_id=admin_reply, replier=desk.replier())
    assert desk.said(post) == [WORDS]


async def test_what_was_not_approved_is_not_sent(desk: Desk) -> None:
    _, comment, post = await desk.comment(Platform.INSTAGRAM)
    draft = await desk.reply(comment, status=ReplyStatus.DRAFT)
    with pytest.raises(InvalidCommand, match="only an approved one is sent"):
        await desk.ask(draft)
    with pytest.raises(InvalidCommand, match="no reply 999"):
        await desk.ask(999)
    approved_but_not_asked = await desk.reply(comment)
    await desk.replier().work_once()
    assert (await desk.row(approved_but_not_asked)).status == "approved"
    assert desk.said(post) == []


async def test_a_comment_that_is_gone_is_said_to_whoever_answered_it(desk: Desk) -> None:
    _, comment, _ = await desk.comment(Platform.INSTAGRAM)
    await desk.rows("UPDATE comments_inbox SET deleted_at = now() WHERE id = :id", id=comment)
    reply = await desk.reply(comment)
    row = await desk.send(reply, until=("failed",))
    assert row.error_code == "comment_deleted"
    [told] = await desk.rows("SELECT title, message, reference FROM notifications")
    assert told.title == "답글을 보내지 못했습니다"
    assert "이미 삭제" in told.message
    assert told.reference == {"kind": "reply", "id": reply}


async def test_the_database_takes_the_steps_of_the_code_and_no_other(desk: Desk) -> None:
    _, comment, _ = await desk.comment(Platform.INSTAGRAM)
    for before in ReplyStatus:
        for after in ReplyStatus:
            reply = await desk.reply(comment, status=before)
            step = desk.rows(
                "UPDATE comment_replies SET status = :after WHERE id = :id", id=reply, after=after
            )
            if before is after or (before, after) in REPLY_STEPS:
                await step
            else:
                with pytest.raises(DBAPIError, match="cannot go from"):
                    await step


async def test_words_that_were_approved_stay(desk: Desk) -> None:
    _, comment, _ = await desk.comment(Platform.INSTAGRAM)
    reply = await desk.reply(comment)
    with pytest.raises(DBAPIError, match="keeps its words"):
        await desk.rows("UPDATE comment_replies SET message = '다른 말' WHERE id = :id", id=reply)


@pytest.mark.parametrize("platform", ALL)
async def test_a_comment_is_hidden_and_shown_again(desk: Desk, platform: Platform) -> None:
    _, comment, post = await desk.comment(platform)

    async def do(action: Action) -> tuple[bool, bool]:
        for _ in range(2):  # said twice, done once
            await moderate(
                desk.database,
                comment_id=comment,
                action=action,
                user_id=None,
                inboxes=desk.inboxes,
                vault=VAULT,
            )
        [row] = await desk.rows("SELECT is_hidden FROM comments_inbox WHERE id = :id", id=comment)
        [known] = desk.sandbox.ask("GET", "/sandbox/comments", query={"post": post})["comments"]
        return row.is_hidden, known["is_hidden"]

    assert await do("hide") == (True, True)
    assert await do("unhide") == (False, False)


async def test_a_dead_token_met_by_moderating_marks_the_account_and_is_said(desk: Desk) -> None:
    account, comment, _ = await desk.comment(Platform.INSTAGRAM)
    user = await desk.make.user()
    desk.sandbox.change_token(account.platform_user_id, subcode=460)
    with pytest.raises(ReconnectNeeded):
        await moderate(
            desk.database,
            comment_id=comment,
            action="hide",
            user_id=user.id,
            inboxes=desk.inboxes,
            vault=VAULT,
        )
    [row] = await desk.rows("SELECT status FROM platform_accounts WHERE id = :id", id=account.id)
    assert row.status == "reconnect_needed"
    [told] = await desk.rows("SELECT message FROM notifications WHERE user_id = :id", id=user.id)
    assert "다시 연결" in told.message


@pytest.mark.parametrize("platform", ALL)
async def test_a_strangers_comment_is_deleted_or_whoever_asked_learns_why_not(
    desk: Desk, platform: Platform
) -> None:
    _, comment, post = await desk.comment(platform)
    user = await desk.make.user()

    async def delete() -> None:
        await moderate(
            desk.database,
            comment_id=comment,
            action="delete",
            user_id=user.id,
            inboxes=desk.inboxes,
            vault=VAULT,
        )

    if desk.inboxes[platform].traits.can_delete:
        await delete()
    else:
        with pytest.raises(Unsupported):
            await delete()
    [row] = await desk.rows("SELECT deleted_at FROM comments_inbox WHERE id = :id", id=comment)
    [known] = desk.sandbox.ask("GET", "/sandbox/comments", query={"post": post})["comments"]
    told = await desk.rows("SELECT title FROM notifications WHERE user_id = :id", id=user.id)
    assert (row.deleted_at is not None) == known["is_deleted"] == (not told)
