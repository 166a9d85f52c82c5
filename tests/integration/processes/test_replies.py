"""Replies through the critical worker as a command starts it, also when that is killed."""

import signal

import psutil
from dramatiq import Message
from sqlalchemy import text

from engine.brokers import Tiers, connect
from engine.ports import FoundComment
from engine.services.storing import InboxAccount, store
from models.accounts import Platform
from models.comments import CommentReply
from models.words import ReplyStatus
from tests.factories import Factory
from tests.integration.processes.conftest import CRITICAL, Start
from tests.integration.processes.test_critical_worker import until
from tests.running_sandbox import RunningSandbox

COUNT = 6


async def approved_replies(make: Factory, sandbox: RunningSandbox) -> list[int]:
    """One to each of some comments of strangers under one post."""
    account, author = await make.account(), await make.default_author()
    sandbox.add_account(account.platform_user_id, username=account.username)
    wanted = {"account": account.platform_user_id, "platform": "instagram"}
    (post,) = sandbox.ask("POST", "/sandbox/posts", wanted)["ids"]
    of = InboxAccount(account.id, account.client_id, Platform.INSTAGRAM, account.platform_user_id)
    replies = []
    for number in range(COUNT):
        said = sandbox.ask("POST", "/sandbox/comments", {"post": post, "text": f"질문 {number}"})
        found = FoundComment(said["id"], post, said["id"], None, f"질문 {number}", None)
        async with make.database.begin() as connection:
            (comment,) = (await store(connection, of, [found])).new
        row = await make.add(
            CommentReply(
                comment_id=comment,
                message=f"답글 {number}",
                status=ReplyStatus.APPROVED,
                created_by=author.id,
                trace_id="t",
            )
        )
        replies.append(row.id)
    return replies


async def test_a_worker_killed_with_replies_on_the_wire_loses_and_doubles_none(
    start: Start, make: Factory, sandbox: RunningSandbox, redis_url: str
) -> None:
    replies = await approved_replies(make, sandbox)
    sandbox.switch(answer_ms=400)
    master = start(*CRITICAL)
    await master.until_said("worker is up")
    [worker] = psutil.Process(master.process.pid).children()
    tiers = Tiers(connect=lambda: connect(redis_url))
    for reply in replies:
        tiers["critical"].enqueue(
            Message(
                queue_name="critical", actor_name="send_reply", args=(reply,), kwargs={}, options={}
            )
        )
    tiers.close()
    await until(make, "SELECT count(*) > 0 FROM comment_replies WHERE status = 'sending'", True)
    worker.send_signal(signal.SIGKILL)
    assert psutil.wait_procs([worker], timeout=10)[1] == []
    async with make.database.begin() as connection:  # rather than to wait for the lease's end
        await connection.execute(
            text("UPDATE comment_replies SET lease_expires_at = now() - interval '1 second'")
        )
    successor = start(*CRITICAL, SNS_DOUBT_GIVE_UP_S="2")
    # Those whose call was never made are looked for, and then due again after a minute.
    await until(
        make,
        "SELECT count(*) FROM comment_replies WHERE status IN ('sending', 'in_doubt')",
        0,
        within_s=30,
    )
    async with make.database.begin() as connection:
        await connection.execute(
            text("UPDATE comment_replies SET act_at = now() WHERE status = 'approved'")
        )
    await until(make, "SELECT count(*) FROM comment_replies WHERE status = 'success'", COUNT)
    known = sandbox.ask("GET", "/sandbox/comments")["comments"]
    own = sorted(one["text"] for one in known if one["is_own"])
    assert own == [f"답글 {number}" for number in range(COUNT)]
    assert successor.stop() == 0
