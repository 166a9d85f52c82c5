"""Every shape of a delivery is read, and nothing in one stops the rest of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.platforms.meta_webhooks import read_delivery
from engine.ports import Pushed, PushedVerb
from models.words import Platform
from tests.meta_pushes import (
    POST,
    entry,
    envelope,
    facebook_comment,
    instagram_comment,
    written,
)

NOON = datetime(2025, 11, 25, 12, tzinfo=UTC)
ACCOUNT = "17841400000000001"
PAGE = "1001"


def read(whole: Any) -> Pushed:
    return read_delivery(written(whole))


def of_page(*changes: Any, at: Any = NOON) -> Pushed:
    return read(envelope("page", entry(PAGE, *changes, at=at)))


def test_a_comment_on_instagram_has_the_time_of_its_entry() -> None:
    pushed = read(envelope("instagram", entry(ACCOUNT, instagram_comment(), at=NOON)))
    (change,) = pushed.changes
    assert (change.platform, change.platform_user_id) == (Platform.INSTAGRAM, ACCOUNT)
    assert (change.verb, change.at, change.author_username) == (PushedVerb.ADD, NOON, "guest.1")
    comment = change.comment
    assert (comment.comment_id, comment.post_id, comment.text) == ("17901", "1800", "예뻐요")
    assert (comment.thread_id, comment.parent_id) == ("17901", None)
    assert (comment.author_id, comment.author_name) == ("u1", "guest.1")
    assert (comment.commented_at, comment.is_own) == (NOON, False)
    assert pushed.left_out == {}


def test_every_documented_shape_says_the_same() -> None:
    whole = envelope("instagram", entry(ACCOUNT, instagram_comment(), at=NOON))
    flat = envelope(
        "instagram", {"id": ACCOUNT, "time": int(NOON.timestamp()), **instagram_comment()}
    )
    single = envelope("instagram", whole["entry"][0] | {"changes": instagram_comment()})
    bare = whole | {"entry": whole["entry"][0]}
    expected = read(whole)
    assert len(expected.changes) == 1
    for shape in (flat, single, bare, [whole], [flat]):
        assert read(shape) == expected


def test_an_answer_names_its_parent_and_a_first_comment_of_a_page_names_its_post() -> None:
    (answer,) = read(
        envelope("instagram", entry(ACCOUNT, instagram_comment(2, parent_id="17901"), at=NOON))
    ).changes
    assert (answer.comment.thread_id, answer.comment.parent_id) == ("17901", "17901")
    first, bare, reply = of_page(
        facebook_comment(parent_id=POST),
        facebook_comment(number=2, parent_id="2002"),
        facebook_comment(number=3, parent_id="2002_1"),
    ).changes
    assert [one.comment.parent_id for one in (first, bare, reply)] == [None, None, "2002_1"]


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("add", PushedVerb.ADD),
        ("edited", PushedVerb.EDIT),
        ("remove", PushedVerb.REMOVE),
        ("hide", PushedVerb.HIDE),
        ("unhide", PushedVerb.UNHIDE),
    ],
)
def test_a_page_tells_what_came_to_pass_and_when(verb: str, expected: PushedVerb) -> None:
    written_at = NOON - timedelta(hours=1)
    (change,) = of_page(facebook_comment(verb, created_time=int(written_at.timestamp()))).changes
    assert change.verb is expected
    assert change.comment.commented_at == written_at
    assert change.at == (written_at if expected is PushedVerb.ADD else NOON)


def test_the_account_knows_its_own_comments_by_its_id() -> None:
    (page,) = of_page(facebook_comment(**{"from": {"id": PAGE, "name": "우리"}})).changes
    assert page.comment.is_own


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (1_764_072_000, datetime(2025, 11, 25, 12, tzinfo=UTC)),
        ("1764072000", datetime(2025, 11, 25, 12, tzinfo=UTC)),
        (1_764_072_000_123, datetime(2025, 11, 25, 12, tzinfo=UTC)),
        (0, None),
        (-1, None),
        (10**30, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("어제", None),
        ("²", None),
        (None, None),
    ],
)
def test_only_a_time_that_can_be_is_a_time(said: Any, expected: datetime | None) -> None:
    whole = envelope("instagram", {"id": ACCOUNT, "time": said, "changes": [instagram_comment()]})
    (change,) = read(whole).changes
    assert change.at == expected


def test_what_is_of_no_concern_to_an_inbox_is_counted_and_left_out() -> None:
    pushed = of_page(
        facebook_comment(),
        {"field": "feed", "value": {"item": "reaction", "verb": "add"}},
        {"field": "feed", "value": {"item": "reaction", "verb": "remove"}},
        {"field": "mention", "value": {"post_id": "1"}},
        facebook_comment("pinned"),
        {"field": "<script>", "value": {}},
    )
    assert len(pushed.changes) == 1
    assert pushed.left_out == {
        "page feed reaction": 2,
        "page mention": 1,
        "page feed comment pinned": 1,
        "page ?": 1,
    }


@pytest.mark.parametrize(
    "broken",
    [
        facebook_comment(comment_id=None),
        facebook_comment(comment_id=""),
        facebook_comment(comment_id=["2002_1"]),
        facebook_comment(comment_id=True),
        facebook_comment(comment_id="2002\x00_1"),
        facebook_comment(comment_id="9" * 3000),
        facebook_comment(post_id={}),
        facebook_comment(post_id=None),
        facebook_comment(text=None, message=["예뻐요"]),
        facebook_comment(**{"from": "u1"}),
        facebook_comment(**{"from": {"id": "u1", "name": 7}}),
        facebook_comment(parent_id=1.5),
        {"field": "feed", "value": ["comment"]},
        {"field": "feed"},
        "feed",
        None,
        7,
    ],
)
def test_a_malformed_change_is_left_out_and_its_neighbours_are_not(broken: Any) -> None:
    pushed = of_page(facebook_comment(number=1), broken, facebook_comment(number=2))
    assert [one.comment.comment_id for one in pushed.changes] == ["2002_1", "2002_2"]
    assert sum(pushed.left_out.values()) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[" * 200_000, b"null", b"7", b'"x"', b"[]", b"[[]]", b"{}"],
)
def test_a_body_that_is_no_delivery_holds_no_change(body: bytes) -> None:
    assert read_delivery(body).changes == ()


def test_a_comment_without_a_word_or_an_author_is_one() -> None:
    change = facebook_comment(text=None)
    del change["value"]["from"]
    (found,) = of_page(change).changes
    assert (found.comment.text, found.comment.author_id, found.comment.author_name) == (
        "",
        None,
        None,
    )


def test_a_thousand_changes_of_many_accounts_are_read_in_their_order() -> None:
    entries = [
        entry(str(page), *(facebook_comment(number=page * 100 + n) for n in range(100)), at=NOON)
        for page in range(1, 11)
    ]
    pushed = read(envelope("page", *entries))
    assert [one.comment.comment_id for one in pushed.changes] == [
        f"2002_{number}" for number in range(100, 1100)
    ]


def test_half_of_an_escaped_pair_is_read() -> None:
    body = written(envelope("page", entry(PAGE, facebook_comment(text="x"), at=NOON)))
    (change,) = read_delivery(body.replace(b'"x"', b'"\\ud83d"')).changes
    assert change.comment.text == "\ud83d"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KEYS = ["object", "entry", "id", "time", "changes", "field", "value", "comment_id", "item", "from"]
LIKELY = st.recursive(
    st.sampled_from(["page", "instagram", "feed", "comments", "comment", "add", 1, None, True]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
)


@given(JSON | LIKELY)
def test_no_json_at_all_breaks_the_reader(whole: Any) -> None:
    read_delivery(json.dumps(whole).encode())


@given(st.binary())
def test_no_bytes_at_all_break_the_reader(body: bytes) -> None:
    read_delivery(body)
