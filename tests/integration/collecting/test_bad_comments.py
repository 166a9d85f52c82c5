"""Whatever people write is kept readable, and hurts neither its neighbours nor a browser."""

import hashlib
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from engine.platforms.meta_webhooks import read_delivery
from engine.services.announcing import NAMELESS
from engine.services.hearing import take_webhook
from models.accounts import PlatformAccount
from models.database import open_database
from models.events import NewComment
from models.people import ClientMember
from models.words import Platform
from tests.factories import Factory
from tests.integration.collecting.conftest import Inbox, found
from tests.meta_pushes import POST, entry, envelope, facebook_comment, instagram_comment, written

MOST_EVENT_BYTES = 64 * 1024
SHRUG = "🤷🏽‍♀️"  # five characters that show as one
FLAG = "🇰🇷"


@dataclass(frozen=True)
class Bad:
    """A text as it comes, and as it is to be kept."""

    name: str
    said: str
    kept: str

    def __str__(self) -> str:
        return self.name


TEXTS = [
    Bad("50,000 characters", "가나다 abc\n" * 6250, "가나다 abc\n" * 6250),
    Bad("50,000 emoji", SHRUG * 10_000, SHRUG * 10_000),
    Bad("50,000 quotes", '"\\' * 25_000, '"\\' * 25_000),
    Bad("a NUL", "앞\x00뒤", "앞�뒤"),
    Bad("nothing but NULs", "\x00" * 3, "���"),
    Bad("a lone high surrogate", "앞\ud83d뒤", "앞�뒤"),
    Bad("a lone low surrogate", "\ude00", "�"),
    Bad("a pair the wrong way round", "\ude00\ud83d", "��"),
    Bad("a right-to-left override", "할인 \u202eexe.jpg", "할인 \u202eexe.jpg\u202c"),
    Bad("an isolate never ended", "\u2067שלם", "\u2067שלם\u2069"),
    Bad("40 emoji", "😀" * 40, "😀" * 40),
    Bad("joined emoji and flags", (SHRUG + FLAG) * 20, (SHRUG + FLAG) * 20),
    Bad("letters in pieces", unicodedata.normalize("NFD", "한글 각꺆 é"), "한글 각꺆 é"),
    Bad("controls", "벨\x07 지움\x7f 줄\r\n끝\t.", "벨 지움 줄\n끝\t."),
    Bad("nothing", "", ""),
    Bad("blanks", " \n ", " \n "),
    Bad("marks without end", "z" + "\u0301" * 5000, "ź" + "\u0301" * 4999),
    Bad("markup", "<script>alert(1)</script>{{7*7}}", "<script>alert(1)</script>{{7*7}}"),
    Bad("a statement", "'); DROP TABLE comments_inbox; --", "'); DROP TABLE comments_inbox; --"),
    Bad("JSON of ours", '{"type":"hello"}', '{"type":"hello"}'),
]

_parcels = count()
Bring = Callable[[Inbox, list[str]], Awaitable[None]]


async def by_list(inbox: Inbox, texts: list[str]) -> None:
    await inbox.store(*(found(number, said) for number, said in enumerate(texts)))


async def by_webhook(inbox: Inbox, texts: list[str]) -> None:
    # A list's comments are a second apart, and so are these: rows rise with their time.
    entries = [
        entry(
            inbox.account.platform_user_id,
            instagram_comment(number, said),
            at=datetime.now(UTC) + timedelta(seconds=number),
        )
        for number, said in enumerate(texts)
    ]
    await push(inbox, envelope("instagram", *entries))


async def push(inbox: Inbox, whole: Any) -> str | None:
    """Take a delivery, another one each time; gives its note."""
    body = written(whole) + b" " * next(_parcels)
    async with inbox.database.begin() as connection:
        id_ = await connection.scalar(
            text(
                "INSERT INTO webhook_deliveries (digest, body) VALUES (:digest, :body) RETURNING id"
            ),
            {"digest": hashlib.sha256(body).hexdigest(), "body": body},
        )
    await take_webhook(inbox.database, delivery_id=id_, read=read_delivery)
    (row,) = await inbox.rows("SELECT note FROM webhook_deliveries WHERE id = :id", id=id_)
    note: str | None = row.note
    return note


@pytest.fixture
async def page(database_url: str) -> AsyncIterator[Inbox]:
    """The inbox of a Page."""
    database = open_database(database_url)
    make = Factory(database)
    account: PlatformAccount = await make.account(platform=Platform.FACEBOOK)
    operator = await make.user()
    await make.add(ClientMember(client_id=account.client_id, user_id=operator.id))
    yield Inbox(database, make, account, operator)
    await database.dispose()


async def assert_events_are_fit_for_browsers(inbox: Inbox, count: int) -> list[NewComment]:
    """Each is JSON that any parser takes, of the contract's form, and small."""
    payloads = await inbox.events()
    assert len(payloads) == count
    events = []
    for payload in payloads:
        event = NewComment.model_validate(payload)
        wire = orjson.dumps(event.to_wire())  # takes no half characters
        assert len(wire) < MOST_EVENT_BYTES
        assert orjson.loads(wire)["message"] == event.message
        events.append(event)
    return events


@pytest.mark.parametrize("bring", [by_list, by_webhook])
@pytest.mark.parametrize("bad", TEXTS, ids=str)
async def test_a_bad_text_is_kept_readable_and_its_neighbours_as_they_are(
    inbox: Inbox, bring: Bring, bad: Bad
) -> None:
    await bring(inbox, ["앞 사람", bad.said, "뒷사람"])
    assert [row.message for row in await inbox.comments()] == ["앞 사람", bad.kept, "뒷사람"]
    before, event, after = await assert_events_are_fit_for_browsers(inbox, 3)
    assert (before.message, after.message) == ("앞 사람", "뒷사람")
    assert len(event.message) <= 1000
    assert len(await inbox.analyses()) == 3


@pytest.mark.parametrize("bring", [by_list, by_webhook])
async def test_all_bad_texts_at_once_are_each_kept(inbox: Inbox, bring: Bring) -> None:
    await bring(inbox, [bad.said for bad in TEXTS])
    assert [row.message for row in await inbox.comments()] == [bad.kept for bad in TEXTS]
    await assert_events_are_fit_for_browsers(inbox, len(TEXTS))


@pytest.mark.parametrize("bring", [by_list, by_webhook])
async def test_a_bad_text_that_comes_again_changes_nothing(inbox: Inbox, bring: Bring) -> None:
    await bring(inbox, [bad.said for bad in TEXTS])
    before = await inbox.comments()
    await bring(inbox, [bad.said for bad in TEXTS])
    after = await inbox.comments()
    assert [(row.id, row.message, row.edited_at) for row in after] == [
        (row.id, row.message, row.edited_at) for row in before
    ]
    assert len(await inbox.events()) == len(await inbox.analyses()) == len(TEXTS)


async def test_a_long_text_is_cut_for_browsers_and_kept_whole(inbox: Inbox) -> None:
    await inbox.store(found(1, SHRUG * 10_000))
    (event,) = await assert_events_are_fit_for_browsers(inbox, 1)
    assert event.message.endswith("…")
    assert event.message[:-1] == SHRUG * (len(event.message[:-1]) // len(SHRUG))  # none in two
    (row,) = await inbox.comments()
    assert len(row.message) == 50_000


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (None, None),
        ("", None),
        (" \n ", None),
        ("\x00\x00", "��"),
        ("김\ud83d철", "김�철"),
        ("\u202enoitca", "noitca"),
        ("한 줄\n두 줄", "한 줄 두 줄"),
        (unicodedata.normalize("NFD", "김철수"), "김철수"),
        ("가" * 50_000, "가" * 99 + "…"),
    ],
)
async def test_an_author_without_a_name_or_with_a_bad_one_is_shown_as_one(
    inbox: Inbox, page: Inbox, name: str | None, kept: str | None
) -> None:
    await inbox.store(found(1, author_name=name, author_id=None))
    change = facebook_comment(number=9, **{"from": {"name": name}})
    if name is None:
        del change["value"]["from"]
    await push(page, envelope("page", entry(page.account.platform_user_id, change, at=NOW)))
    rows = await inbox.comments()
    assert [row.author_name for row in rows] == [kept, kept]
    assert [row.author_id for row in rows] == [None, None]
    for event in await assert_events_are_fit_for_browsers(inbox, 2):
        assert event.author == (kept or NAMELESS)


NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.mark.parametrize("off", [timedelta(minutes=-10), timedelta(minutes=10)])
async def test_a_clock_ten_minutes_off_loses_no_comment_and_no_order(
    inbox: Inbox, page: Inbox, off: timedelta
) -> None:
    """Theirs or ours: all that is compared is what the platform says itself."""
    await inbox.store(found(1, commented_at=NOW + off))
    page_id = page.account.platform_user_id
    seconds = int((NOW + off).timestamp())
    for change, at in (
        (facebook_comment("edited", text="고침", created_time=seconds), NOW + off + A_MINUTE),
        (facebook_comment("add", text="처음", created_time=seconds), NOW + off),
        (facebook_comment("hide", text=None, created_time=seconds), NOW + off + A_MINUTE),
    ):
        await push(page, envelope("page", entry(page_id, change, at=at)))
    by_list_, by_webhook_ = await inbox.comments()
    assert by_list_.commented_at == by_webhook_.commented_at == NOW + off
    assert (by_webhook_.message, by_webhook_.is_hidden) == ("고침", True)
    await assert_events_are_fit_for_browsers(inbox, 2)


A_MINUTE = timedelta(minutes=1)


async def test_a_malformed_change_is_noted_and_the_others_are_stored(page: Inbox) -> None:
    good = [facebook_comment(number=number, text=f"댓글 {number}") for number in range(8)]
    broken = [
        facebook_comment(number=90, comment_id=None),
        facebook_comment(number=91, comment_id={"id": "91"}),
        facebook_comment(number=92, post_id=[POST]),
        facebook_comment(number=93, text=None, message={"text": "예뻐요"}),
        facebook_comment(number=94, **{"from": ["u1"]}),
        {"field": "feed", "value": None},
        "nothing at all",
        facebook_comment(number=95, comment_id="9" * 100_000),
    ]
    mixed = [one for pair in zip(broken, good, strict=True) for one in pair]
    whole = envelope("page", entry(page.account.platform_user_id, *mixed, at=NOW), "no entry", None)
    note = await push(page, whole)
    assert [row.message for row in await page.comments()] == [f"댓글 {n}" for n in range(8)]
    await assert_events_are_fit_for_browsers(page, 8)
    assert note is not None
    assert set(note.split("; ")) == {
        "malformed: comment_id: 3",
        "malformed: post_id: 1",
        "malformed: message: 1",
        "malformed: from: 1",
        "no change: 2",
        "malformed: entry: 2",
    }


async def test_a_fault_of_the_database_tells_no_log_what_people_wrote(inbox: Inbox) -> None:
    with pytest.raises(DBAPIError) as fault:
        await inbox.rows("SELECT 1 / length(CAST(:said AS text)) / 0", said="비밀 이야기")
    assert "비밀" not in str(fault.value)


async def test_what_stands_in_a_note_is_never_what_was_sent(page: Inbox) -> None:
    hostile = "비밀\x00<b>"
    note = await push(
        page,
        [
            envelope(hostile, entry(page.account.platform_user_id, instagram_comment(), at=NOW)),
            envelope("page", entry(hostile, facebook_comment(), at=NOW)),
        ],
    )
    assert note == "? comments: 1; malformed: id: 1"
