"""The account of the crash matrix has to find what it claims to look for."""

from typing import Any

import pytest

from tests.chaos.publishing.accounting import Books, Tally
from tests.chaos.publishing.intents import Intent
from tests.chaos.publishing.kinds import KINDS, Kind

IMAGE: Kind = KINDS[0]


def intent(cancel: str | None = None) -> Intent:
    return Intent(1, 7, 3, "1784", IMAGE, "오늘의 소식", cancel)


def post(id_: str = "p1", *, request: str = "A1", words: str = "오늘의 소식") -> dict[str, Any]:
    return {
        "id": id_,
        "platform": "instagram",
        "kind": "image",
        "account": "1784",
        "caption": words,
        "request_id": request,
        "posted_at": 100.0,
    }


def log(status: str, **values: Any) -> dict[str, Any]:
    is_live = status == "success"
    return {
        "id": 5,
        "content_id": 7,
        "account_id": 3,
        "status": status,
        "post_id": "p1" if is_live else None,
        "error_code": None,
        "error_message": None,
        "success_events": int(is_live),
        "was_in_doubt": False,
        **values,
    }


REASON = {"error_code": "input_invalid", "error_message": "사진이 너무 큽니다."}


def settled(intent: Intent, posts: list[Any], row: dict[str, Any] | None) -> Tally:
    return Books(posts, [] if row is None else [row], [], []).account([intent])


@pytest.mark.parametrize(
    ("given", "posts", "row", "expected"),
    [
        (intent(), [post()], log("success"), {"live": 1}),
        (intent(), [], log("failed", **REASON), {"failed": 1}),
        (intent("honoured"), [], log("cancelled"), {"cancelled": 1}),
        (intent("honoured"), [], None, {"cancelled": 1}),
        (
            intent(),
            [post(), post("p2")],
            log("needs_person"),
            {"live": 1, "platform_doubled": 1, "needs_person": 1},
        ),
        (
            intent(),
            [post(), post("p2")],
            log("success"),
            {"live": 1, "platform_doubled": 1, "doubled_unseen": 1},
        ),
        (
            intent(),
            [post()],
            log("success", was_in_doubt=True),
            {"live": 1, "in_doubt_resolved": 1},
        ),
    ],
)
def test_what_came_to_a_stated_end_is_not_lost(
    given: Intent, posts: list[Any], row: dict[str, Any] | None, expected: dict[str, int]
) -> None:
    account = settled(given, posts, row)
    figures = {name: getattr(account, name) for name in Tally.__slots__ if name != "reasons"}
    figures.pop("complaints")
    assert {name: count for name, count in figures.items() if count} == {"intents": 1, **expected}


@pytest.mark.parametrize(
    ("given", "posts", "row", "complaint"),
    [
        (intent(), [], log("success"), "nobody can see it"),
        (intent(), [post("p9")], log("success"), "another post"),
        (intent(), [post()], log("success", success_events=2), "2 events"),
        (intent(), [post()], log("success", success_events=0), "0 events"),
        (intent(), [post()], log("failed", **REASON), "live, and its row says failed"),
        (intent(), [], log("failed"), "without a reason"),
        (intent(), [], None, "nobody withdrew it"),
        (intent("refused"), [], log("cancelled"), "nobody withdrew it"),
        (intent("honoured"), [post()], log("cancelled"), "live, and its row says cancelled"),
        (intent("honoured"), [post()], None, "live, and its row says none"),
        (intent(), [post()], log("in_doubt"), "still in_doubt"),
        (intent(), [], log("pending"), "still pending"),
    ],
)
def test_every_disagreement_counts_as_lost(
    given: Intent, posts: list[Any], row: dict[str, Any] | None, complaint: str
) -> None:
    account = settled(given, posts, row)
    assert account.lost == 1
    [(whose, words)] = account.complaints
    assert whose is given
    assert complaint in words


def test_two_of_our_requests_make_a_duplicate_whatever_the_row_says() -> None:
    twice = [post(), post("p2", request="A2")]
    assert settled(intent(), twice, log("success")).duplicates == 1
    assert settled(intent(), twice, log("needs_person")).duplicates == 1


def test_a_person_asked_without_need_is_pointed_out() -> None:
    account = settled(intent(), [post()], log("needs_person"))
    assert account.needs_person == account.unexplained == 1
    assert "though one read decides" in account.complaints[0][1]


def test_a_post_that_nobody_wanted_stops_the_account() -> None:
    with pytest.raises(RuntimeError, match="1 public posts belong to no intent"):
        settled(intent(), [post(), post("p2", words="스팸")], log("success"))
