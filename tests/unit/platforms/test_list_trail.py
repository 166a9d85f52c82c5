"""The trail of a list: it leads on, and notices every circle, however long its tail."""

import pytest

from engine.errors import RetryLater
from engine.platforms.list_trail import onward, place_of


def test_list_begins_without_a_place():
    assert place_of(None) is None


def test_trail_gives_the_cursor_back_whatever_is_in_it():
    trail = None
    for cursor in ["a:b:c", "", "커서", "\ud800", "=="]:
        trail = onward(trail, cursor)
        assert place_of(trail) == cursor


def test_last_page_leads_nowhere():
    assert onward(None, None) is None
    assert onward(onward(None, "a"), None) is None


def test_long_list_without_a_circle_is_followed():
    trail = None
    for number in range(1000):
        trail = onward(trail, f"cursor {number}")
    assert place_of(trail) == "cursor 999"


@pytest.mark.parametrize("tail", [0, 1, 5, 40])
@pytest.mark.parametrize("length", [1, 2, 3, 8, 50])
def test_circle_is_noticed_within_a_few_rounds(tail, length):
    trail, pages = None, 0

    def follow() -> None:
        nonlocal trail, pages
        for _ in range(4 * (tail + length) + 4):
            place = pages if pages < tail else tail + (pages - tail) % length
            trail = onward(trail, f"cursor {place}")
            pages += 1

    with pytest.raises(RetryLater, match="circle"):
        follow()
    assert pages >= length
