"""Webhooks in any order end in the same comment, and never in an older one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ports import FoundComment, PushedChange, PushedVerb
from engine.rules.hearing import Known, Settled, Told, settle
from models.words import Platform

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ADD, EDIT, REMOVE = PushedVerb.ADD, PushedVerb.EDIT, PushedVerb.REMOVE
HIDE, UNHIDE = PushedVerb.HIDE, PushedVerb.UNHIDE


def second(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


def change(verb: PushedVerb, at: float, text: str = "") -> PushedChange:
    comment = FoundComment("c", "p", "c", None, text, second(0))
    return PushedChange(Platform.FACEBOOK, "1", verb, comment, second(at))


class Inbox:
    """One comment's place, without a database."""

    def __init__(self) -> None:
        self.told = Told()
        self.known: Known | None = None
        self.text: str | None = None
        self.wall = second(100)  # deliveries come late

    def hear(self, *changes: PushedChange) -> Settled:
        self.wall += timedelta(seconds=1)
        settled = settle(self.told, self.known, changes, received_at=self.wall)
        self.told = settled.told
        if settled.found is not None:
            self.store(settled.found)
        if self.known is not None and settled.differs(self.known):
            assert settled.commented_at is not None
            self.known = replace(
                self.known,
                is_hidden=settled.is_hidden,
                commented_at=settled.commented_at,
                deleted_at=settled.deleted_at,
                updated_at=self.wall,
            )
        return settled

    def see(self, text: str, *, at: float, is_hidden: bool = False) -> None:
        """A list shows it."""
        self.wall = second(at)
        self.store(FoundComment("c", "p", "c", None, text, second(0), is_hidden=is_hidden))

    def store(self, found: FoundComment) -> None:
        """As ``engine.services.storing`` does."""
        at = found.commented_at or self.wall
        if self.known is None:
            self.known = Known(found.is_hidden, at, found.edited_at, None, self.wall, self.wall)
        else:
            edited_at = found.edited_at or self.known.edited_at
            if found.text != self.text:
                edited_at = found.edited_at or self.wall
            self.known = replace(
                self.known,
                is_hidden=found.is_hidden,
                commented_at=at,
                edited_at=edited_at,
                deleted_at=None,
                updated_at=self.wall,
            )
        self.text = found.text

    @property
    def shown(self) -> tuple[str | None, bool] | None:
        """Text and whether it is hidden; None when nobody sees it."""
        if self.known is None or self.known.deleted_at is not None:
            return None
        return self.text, self.known.is_hidden


STORY = [
    change(ADD, 0, "처음"),
    change(EDIT, 10, "고침"),
    change(HIDE, 20),
    change(EDIT, 30, "또 고침"),
    change(UNHIDE, 40),
    change(HIDE, 50),
]


@pytest.mark.parametrize("order", list(permutations(range(5))))
def test_every_order_ends_in_the_same_comment(order: tuple[int, ...]) -> None:
    inbox = Inbox()
    for at in order:
        inbox.hear(STORY[at])
    assert inbox.shown == ("또 고침", False)
    assert inbox.known is not None
    assert inbox.known.commented_at == second(0)


@given(
    st.lists(st.sampled_from([*STORY, change(REMOVE, 60)]), max_size=30),
    st.permutations(STORY),
    st.lists(st.integers(1, 4), min_size=40, max_size=40),
    st.booleans(),
)
def test_repeats_and_parcels_change_nothing(
    repeated: list[PushedChange],
    once: list[PushedChange],
    sizes: list[int],
    is_removed: bool,
) -> None:
    told = [one for one in repeated if one.verb is not REMOVE or is_removed]
    told += once + ([change(REMOVE, 60)] if is_removed else [])
    told += repeated[::-1] if is_removed else []
    inbox, start = Inbox(), 0
    for size in sizes:
        inbox.hear(*told[start : start + size])
        start += size
    inbox.hear(*told[start:])
    assert inbox.shown == (None if is_removed else ("또 고침", True))


@pytest.mark.parametrize("order", list(permutations([0, 1, 4, 6])))
def test_a_removed_comment_is_never_alive_again_whenever_it_was_removed(
    order: tuple[int, ...],
) -> None:
    story = [*STORY, change(REMOVE, 60)]
    inbox, was_removed = Inbox(), False
    for at in order:
        inbox.hear(story[at])
        was_removed |= story[at].verb is REMOVE
        assert not (was_removed and inbox.shown)
    assert was_removed


def test_an_addition_does_not_restore_the_text_before_an_edit() -> None:
    inbox = Inbox()
    inbox.hear(change(EDIT, 10, "고침"))
    inbox.hear(change(ADD, 0, "처음"))
    assert inbox.shown == ("고침", False)


def test_a_comment_that_is_hidden_before_it_is_told_of_comes_hidden() -> None:
    inbox = Inbox()
    assert inbox.hear(change(HIDE, 20)).found is None
    inbox.hear(change(ADD, 0, "처음"))
    assert inbox.shown == ("처음", True)


def test_an_edit_from_before_a_list_was_read_changes_nothing_but_has_it_read_again() -> None:
    inbox = Inbox()
    inbox.see("새 글", at=50)
    settled = inbox.hear(change(EDIT, 10, "옛 글"))
    assert inbox.shown == ("새 글", False)
    assert settled.is_doubtful


def test_an_edit_from_before_a_list_showed_another_text_changes_nothing() -> None:
    inbox = Inbox()
    inbox.hear(change(ADD, 0, "처음"))
    inbox.see("새 글", at=200)
    settled = inbox.hear(change(EDIT, 150, "옛 글"))
    assert inbox.shown == ("새 글", False)
    assert settled.is_doubtful


def test_an_edit_from_after_a_list_was_read_counts_within_the_same_second_too() -> None:
    inbox = Inbox()
    inbox.see("처음", at=50.9)
    inbox.hear(change(EDIT, 50, "고침"))
    assert inbox.shown == ("고침", False)


def test_a_list_that_shows_a_comment_again_outweighs_an_older_hiding() -> None:
    inbox = Inbox()
    inbox.hear(change(ADD, 0, "처음"))
    inbox.hear(change(HIDE, 20))
    assert inbox.shown == ("처음", True)
    inbox.see("처음", at=200, is_hidden=False)
    settled = inbox.hear(change(HIDE, 90))
    assert inbox.shown == ("처음", False)
    assert settled.is_doubtful
    inbox.hear(change(HIDE, 300))
    assert inbox.shown == ("처음", True)


def test_a_list_that_shows_a_removed_comment_is_not_undone_by_the_repeated_removal() -> None:
    inbox = Inbox()
    inbox.hear(change(ADD, 0, "처음"), change(REMOVE, 60))
    assert inbox.shown is None
    inbox.see("처음", at=200)
    inbox.hear(change(REMOVE, 60))
    assert inbox.shown == ("처음", False)


def test_a_change_without_a_time_counts_from_when_it_was_received() -> None:
    inbox = Inbox()
    inbox.hear(change(ADD, 0, "처음"))
    inbox.hear(replace(change(EDIT, 0, "고침"), at=None))
    assert inbox.shown == ("고침", False)
