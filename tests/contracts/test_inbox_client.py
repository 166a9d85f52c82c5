"""What every InboxClient promises: the fake in both orders, and each adapter over HTTP."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.errors import OutcomeUnknown, ReconnectNeeded, RetryLater, Unsupported
from engine.ports import AccountAccess, FoundComment, SeenPost
from models.accounts import AccessToken
from tests.contracts.inbox_levers import ACCOUNT, PLATFORMS, FakeComments, InboxLevers
from tests.fakes.inbox_client import TRAITS, FakeInbox
from tests.fakes.parts import MemoryParts
from tests.running_sandbox import RunningSandbox

FAKES = {"fake by thread": TRAITS, "fake by time": replace(TRAITS, lists_by_time=True)}


@pytest.fixture(params=[*FAKES, *PLATFORMS])
async def inbox(request: pytest.FixtureRequest) -> AsyncIterator[InboxLevers]:
    if request.param in FAKES:
        yield FakeComments(FakeInbox(traits=FAKES[request.param]))
        return
    sandbox: RunningSandbox = request.getfixturevalue("sandbox")
    sandbox.switch(container_ready_s=0)
    async with PLATFORMS[request.param](sandbox) as opened:
        yield opened


def minutes_ago(inbox: InboxLevers, minutes: float = 2) -> datetime:
    return inbox.now() - timedelta(minutes=minutes)


async def watched(
    inbox: InboxLevers, since: datetime, known: tuple[str, ...] = ()
) -> dict[str, SeenPost]:
    """Every post that is listed, by id; none is listed twice."""
    pages = inbox.client.watched_posts(inbox.access(), since=since, known=known)
    async with aclosing(pages):
        seen = [post async for page in pages for post in page]
    assert len({post.post_id for post in seen}) == len(seen)
    return {post.post_id: post for post in seen}


async def all_comments(inbox: InboxLevers, post_id: str) -> dict[str, FoundComment]:
    """Every comment of a post, by id, and the replies that did not come along."""
    found: list[FoundComment] = []
    cursor: str | None = None
    while True:
        page = await inbox.client.read_comments(inbox.access(), post_id, cursor)
        found += page.comments
        cursor = page.cursor
        if cursor is None:
            break
    for thread in [one for one in found if not one.has_all_replies]:
        cursor = None
        while True:
            page = await inbox.client.read_replies(
                inbox.access(), post_id, thread.comment_id, cursor
            )
            found += page.comments
            cursor = page.cursor
            if cursor is None:
                break
    return {one.comment_id: one for one in found}


async def test_live_post_is_watched_and_an_older_one_is_not(inbox):
    older = inbox.add_post()
    inbox.age(7200)
    younger = inbox.add_post()
    seen = await watched(inbox, minutes_ago(inbox))
    assert younger in seen
    assert older not in seen
    assert seen[younger].posted_at.tzinfo is not None
    assert not seen[younger].is_closed


async def test_known_post_and_new_one_are_both_watched(inbox):
    known, new = inbox.add_post(), inbox.add_post()
    assert set(await watched(inbox, minutes_ago(inbox), (known,))) == {known, new}


async def test_mark_changes_when_a_comment_comes_and_when_it_goes(inbox):
    post_id = inbox.add_post()
    before = (await watched(inbox, minutes_ago(inbox)))[post_id]
    assert before.mark is not None
    assert before.comment_count == 0
    (comment_id,) = inbox.add_comments(post_id, ["안녕하세요"])
    after = (await watched(inbox, minutes_ago(inbox)))[post_id]
    assert after.mark is None or after.mark != before.mark
    inbox.remove_comment(comment_id)
    assert (await watched(inbox, minutes_ago(inbox)))[post_id].mark == before.mark


async def test_mark_stays_while_nothing_happens(inbox):
    post_id = inbox.add_post()
    inbox.add_comments(post_id, ["가", "나"])
    first = (await watched(inbox, minutes_ago(inbox)))[post_id]
    assert (await watched(inbox, minutes_ago(inbox)))[post_id] == first


async def test_mark_changes_when_a_reply_comes(inbox):
    post_id = inbox.add_post()
    (thread_id,) = inbox.add_comments(post_id, ["질문"])
    before = (await watched(inbox, minutes_ago(inbox)))[post_id].mark
    inbox.add_comments(post_id, ["답"], thread_id)
    after = (await watched(inbox, minutes_ago(inbox)))[post_id].mark
    assert after is None or after != before


async def test_post_without_comments_has_one_empty_page(inbox):
    page = await inbox.client.read_comments(inbox.access(), inbox.add_post(), None)
    assert page.comments == ()
    assert page.cursor is None


async def test_comment_is_read_with_text_author_and_time(inbox):
    post_id, text = inbox.add_post(), "가격이 얼마예요? 👩‍👩‍👧 <b>&amp;"
    (comment_id,) = inbox.add_comments(post_id, [text])
    comment = (await all_comments(inbox, post_id))[comment_id]
    assert (comment.text, comment.post_id) == (text, post_id)
    assert (comment.thread_id, comment.parent_id) == (comment_id, None)
    assert comment.author_name == "손님"
    assert (comment.author_id is not None) == inbox.names_authors
    assert not comment.is_own
    assert not comment.is_hidden
    assert comment.commented_at.tzinfo is not None
    assert abs(comment.commented_at - inbox.now()) < timedelta(minutes=1)


async def test_newest_comment_comes_first(inbox):
    post_id = inbox.add_post()
    ids = inbox.add_comments(post_id, ["하나", "둘", "셋"])
    page = await inbox.client.read_comments(inbox.access(), post_id, None)
    assert [one.comment_id for one in page.comments] == ids[::-1]


async def test_reply_names_its_thread_and_what_it_answers(inbox):
    post_id = inbox.add_post()
    (thread_id,) = inbox.add_comments(post_id, ["질문"])
    (reply_id,) = inbox.add_comments(post_id, ["답"], thread_id)
    found = await all_comments(inbox, post_id)
    assert (found[reply_id].thread_id, found[reply_id].parent_id) == (thread_id, thread_id)
    assert found[thread_id].thread_id == thread_id


async def test_new_reply_to_an_old_thread_stands_where_the_traits_say(inbox):
    post_id = inbox.add_post()
    (thread_id,) = inbox.add_comments(post_id, ["오래된 질문"])
    inbox.add_comments(post_id, [f"댓글 {number}" for number in range(5)])
    (reply_id,) = inbox.add_comments(post_id, ["새 답"], thread_id)
    page = await inbox.client.read_comments(inbox.access(), post_id, None)
    ids = [one.comment_id for one in page.comments]
    if inbox.client.traits.lists_by_time:
        assert ids[0] == reply_id
    else:
        assert ids[-2:] == [thread_id, reply_id]


async def test_every_comment_of_many_comes_once_over_several_pages(inbox):
    post_id = inbox.add_post()
    ids = inbox.add_comments(post_id, [f"댓글 {number}" for number in range(130)])
    seen: list[str] = []
    cursor, pages = None, 0
    while True:
        page = await inbox.client.read_comments(inbox.access(), post_id, cursor)
        seen += [one.comment_id for one in page.comments]
        pages += 1
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(ids)
    assert pages > 1


async def test_every_reply_of_a_long_thread_can_be_read(inbox):
    post_id = inbox.add_post()
    (thread_id,) = inbox.add_comments(post_id, ["질문"])
    ids = inbox.add_comments(post_id, [f"답 {number}" for number in range(70)], thread_id)
    found = await all_comments(inbox, post_id)
    assert set(found) == {thread_id, *ids}
    assert {found[one].thread_id for one in ids} == {thread_id}
    assert found[thread_id].reply_count in (None, 70)
    seen, cursor = set(), None
    while True:
        page = await inbox.client.read_replies(inbox.access(), post_id, thread_id, cursor)
        seen |= {one.comment_id for one in page.comments}
        cursor = page.cursor
        if cursor is None:
            break
    assert seen - {thread_id} == set(ids)


async def test_comment_that_its_author_deleted_is_no_longer_listed(inbox):
    post_id = inbox.add_post()
    stays, goes = inbox.add_comments(post_id, ["남는 댓글", "지울 댓글"])
    inbox.remove_comment(goes)
    assert set(await all_comments(inbox, post_id)) == {stays}


async def test_reply_stands_in_the_thread_and_is_known_as_our_own(inbox):
    access, post_id, parts = inbox.access(), inbox.add_post(), MemoryParts()
    since = minutes_ago(inbox)
    (comment_id,) = inbox.add_comments(post_id, ["질문"])
    inbox.add_comments(post_id, ["다른 손님의 답"], comment_id)
    reply_id = await inbox.client.reply(access, post_id, comment_id, "감사합니다", parts)
    (own,) = await inbox.client.own_replies(access, post_id, comment_id, since, parts)
    assert (own.comment_id, own.text) == (reply_id, "감사합니다")
    assert own.posted_at.tzinfo is not None
    found = await all_comments(inbox, post_id)
    assert found[reply_id].is_own
    assert found[reply_id].thread_id == comment_id


async def test_answer_to_a_reply_lands_in_the_same_thread_and_is_found_there(inbox):
    access, post_id, parts = inbox.access(), inbox.add_post(), MemoryParts()
    (thread_id,) = inbox.add_comments(post_id, ["질문"])
    (answered,) = inbox.add_comments(post_id, ["덧붙인 질문"], thread_id)
    reply_id = await inbox.client.reply(access, post_id, answered, "답입니다", parts)
    own = await inbox.client.own_replies(access, post_id, answered, minutes_ago(inbox), parts)
    assert [one.comment_id for one in own] == [reply_id]
    assert (await all_comments(inbox, post_id))[reply_id].thread_id == thread_id


async def test_reply_whose_answer_was_lost_is_in_doubt_and_is_found(inbox):
    access, post_id, parts = inbox.access(), inbox.add_post(), MemoryParts()
    (comment_id,) = inbox.add_comments(post_id, ["질문"])
    inbox.lose_answer("reply")
    with pytest.raises(OutcomeUnknown):
        await inbox.client.reply(access, post_id, comment_id, "한 번만", parts)
    own = await inbox.client.own_replies(access, post_id, comment_id, minutes_ago(inbox), parts)
    assert [one.text for one in own] == ["한 번만"]


async def test_reply_whose_request_was_lost_is_in_doubt_and_is_not_found(inbox):
    access, post_id, parts = inbox.access(), inbox.add_post(), MemoryParts()
    (comment_id,) = inbox.add_comments(post_id, ["질문"])
    inbox.lose_request("reply")
    with pytest.raises(OutcomeUnknown):
        await inbox.client.reply(access, post_id, comment_id, "다시 보낼 답", parts)
    since = minutes_ago(inbox)
    assert not await inbox.client.own_replies(access, post_id, comment_id, since, parts)
    await inbox.client.reply(access, post_id, comment_id, "다시 보낼 답", parts)
    own = await inbox.client.own_replies(access, post_id, comment_id, since, parts)
    assert [one.text for one in own] == ["다시 보낼 답"]


async def test_own_replies_from_before_are_left_out(inbox):
    access, post_id, parts = inbox.access(), inbox.add_post(), MemoryParts()
    (comment_id,) = inbox.add_comments(post_id, ["질문"])
    await inbox.client.reply(access, post_id, comment_id, "예전 답", parts)
    inbox.age(600)
    since = minutes_ago(inbox)
    assert not await inbox.client.own_replies(access, post_id, comment_id, since, MemoryParts())


async def test_comment_is_hidden_and_shown_again_however_often_it_is_said(inbox):
    access, post_id = inbox.access(), inbox.add_post()
    (comment_id,) = inbox.add_comments(post_id, ["광고"])
    for _ in range(2):
        await inbox.client.set_hidden(access, comment_id, is_hidden=True)
    found = await all_comments(inbox, post_id)
    assert (comment_id in found) == inbox.lists_hidden
    assert all(one.is_hidden for one in found.values())
    for _ in range(2):
        await inbox.client.set_hidden(access, comment_id, is_hidden=False)
    assert not (await all_comments(inbox, post_id))[comment_id].is_hidden


async def test_lost_answer_to_hiding_is_no_doubt_but_a_reason_to_say_it_again(inbox):
    access, post_id = inbox.access(), inbox.add_post()
    (comment_id,) = inbox.add_comments(post_id, ["광고"])
    inbox.lose_answer("set_hidden")
    with pytest.raises(RetryLater):
        await inbox.client.set_hidden(access, comment_id, is_hidden=True)
    await inbox.client.set_hidden(access, comment_id, is_hidden=True)


async def test_own_reply_is_deleted_however_often_it_is_said(inbox):
    access, post_id, parts = inbox.access(), inbox.add_post(), MemoryParts()
    (comment_id,) = inbox.add_comments(post_id, ["질문"])
    reply_id = await inbox.client.reply(access, post_id, comment_id, "지울 답", parts)
    for _ in range(2):
        await inbox.client.delete_comment(access, reply_id)
    assert set(await all_comments(inbox, post_id)) == {comment_id}


async def test_comment_of_another_is_deleted_only_where_the_platform_can(inbox):
    access, post_id = inbox.access(), inbox.add_post()
    (comment_id,) = inbox.add_comments(post_id, ["욕설"])
    if inbox.client.traits.can_delete:
        await inbox.client.delete_comment(access, comment_id)
        assert not await all_comments(inbox, post_id)
    else:
        with pytest.raises(Unsupported):
            await inbox.client.delete_comment(access, comment_id)
        assert set(await all_comments(inbox, post_id)) == {comment_id}


@pytest.mark.parametrize("lose", ["lose_answer", "lose_request"])
async def test_lost_read_may_be_asked_again(inbox, lose):
    post_id = inbox.add_post()
    (comment_id,) = inbox.add_comments(post_id, ["질문"])
    getattr(inbox, lose)("read_comments")
    with pytest.raises(RetryLater):
        await all_comments(inbox, post_id)
    assert set(await all_comments(inbox, post_id)) == {comment_id}


async def test_bad_token_asks_for_a_new_connection(inbox):
    inbox.access()
    post_id = inbox.add_post()
    (comment_id,) = inbox.add_comments(post_id, ["질문"])
    access, parts = AccountAccess(ACCOUNT, AccessToken("wrong")), MemoryParts()
    since = minutes_ago(inbox)
    with pytest.raises(ReconnectNeeded):
        async with aclosing(
            inbox.client.watched_posts(access, since=since, known=(post_id,))
        ) as pages:
            await anext(pages)
    with pytest.raises(ReconnectNeeded):
        await inbox.client.read_comments(access, post_id, None)
    with pytest.raises(ReconnectNeeded):
        await inbox.client.reply(access, post_id, comment_id, "답", parts)
    with pytest.raises(ReconnectNeeded):
        await inbox.client.own_replies(access, post_id, comment_id, since, parts)
    with pytest.raises(ReconnectNeeded):
        await inbox.client.set_hidden(access, comment_id, is_hidden=True)
    with pytest.raises(ReconnectNeeded):
        await inbox.client.delete_comment(access, comment_id)


async def test_client_is_closed_twice_without_harm(inbox):
    await inbox.client.close()
    await inbox.client.close()
