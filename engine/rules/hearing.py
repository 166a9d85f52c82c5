"""What a late, repeated or overtaken webhook may still change of a comment, and what not.

Webhooks tell what came to pass; lists tell what is. Both arrive when they like. So each part of a
comment is changed by news alone:

- A removal is for good: platforms give no id twice. One that comes before its comment is kept, and
  the comment is then never shown.
- Whoever adds a comment that is known adds nothing: what is known is at least as new.
- An edit changes the text unless the one we have is younger; hiding and showing alike.

The same changes in any order, in one delivery or in many, end in the same comment, or in none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from engine.ports import FoundComment, PushedChange, PushedVerb

GRAIN: Final = timedelta(seconds=1)
"""Platforms push whole seconds: what they say came to pass at a second did so until its end."""


@dataclass(frozen=True, slots=True)
class Told:
    """The newest that webhooks told of a comment; see ``models.comments.PushedComment``."""

    text_at: datetime | None = None
    is_hidden: bool = False
    hidden_at: datetime | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A comment as the inbox has it, whoever brought it."""

    is_hidden: bool
    commented_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    first_seen_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be done.

    Attributes:
        told: what to hold the next webhook against.
        found: to be stored as the truth; None when neither new nor edited.
        is_hidden: of the comment from now on.
        commented_at: the same; None when it is not in the inbox and does not come into it.
        deleted_at: the same.
        is_doubtful: a list has been read since, by a clock that may not be the platform's; the
            post should be read again.
    """

    told: Told
    found: FoundComment | None
    is_hidden: bool
    commented_at: datetime | None
    deleted_at: datetime | None
    is_doubtful: bool

    def differs(self, known: Known | None) -> bool:
        """Whether a known comment has to be changed besides its text."""
        return known is not None and (known.is_hidden, known.commented_at, known.deleted_at) != (
            self.is_hidden,
            self.commented_at,
            self.deleted_at,
        )


def settle(
    told: Told, known: Known | None, changes: Sequence[PushedChange], *, received_at: datetime
) -> Settled:
    """Put changes of one comment, in the order in which they came, upon what we have of it.

    Args:
        told: by earlier webhooks.
        known: as the inbox has it; None when it does not.
        changes: all of this comment.
        received_at: stands for the time of a change that does not say one.
    """
    view = _View(told, known)
    for change in changes:
        at = change.at or received_at
        if change.verb is PushedVerb.REMOVE:
            view.remove(at)
        elif change.verb is PushedVerb.ADD:
            view.add(change.comment, at)
        elif change.verb is PushedVerb.EDIT:
            view.edit(change.comment, at)
        else:
            view.hide(at, is_hidden=change.verb is PushedVerb.HIDE)
    return view.settled()


class _View:
    """A comment while changes are put upon it."""

    def __init__(self, told: Told, known: Known | None) -> None:
        self._told = told
        self._known = known
        self._found: FoundComment | None = None
        self._is_doubtful = False
        self._commented_at = known.commented_at if known else None
        self._deleted_at = known.deleted_at if known else None
        self._is_hidden = known.is_hidden if known else told.is_hidden
        self._text_since = _text_since(told, known)
        self._hidden_since = _hidden_since(told, known)

    def add(self, comment: FoundComment, at: datetime) -> None:
        if self._told.removed_at is not None and self._known is None:
            return
        if self._commented_at is not None:
            # An edit that came first may have had no other time than its own.
            self._commented_at = min(self._commented_at, comment.commented_at or at)
            return
        self._bring(comment, at)
        self._commented_at = comment.commented_at or at

    def edit(self, comment: FoundComment, at: datetime) -> None:
        if self._told.removed_at is not None:
            return
        if self._commented_at is None:
            self._commented_at = comment.commented_at or at
        elif self._deleted_at is not None and at + GRAIN < self._deleted_at:
            return
        elif self._text_since is not None and at < self._text_since:
            self._is_doubtful |= self._text_since != self._told.text_at  # a list said it
            return
        self._bring(replace(comment, edited_at=at), at)
        self._deleted_at = None

    def hide(self, at: datetime, *, is_hidden: bool) -> None:
        if self._told.hidden_at is None or at >= self._told.hidden_at:
            self._told = replace(self._told, is_hidden=is_hidden, hidden_at=at)
        if self._hidden_since is not None and at < self._hidden_since:
            is_of_a_list = self._hidden_since != self._told.hidden_at
            self._is_doubtful |= is_of_a_list and is_hidden is not self._is_hidden
            return
        self._is_hidden, self._hidden_since = is_hidden, at

    def remove(self, at: datetime) -> None:
        if self._told.removed_at is not None:
            return  # should a list have shown it since, that list is right
        self._told = replace(self._told, removed_at=at)
        self._found = None
        if self._known is None:
            self._commented_at = None
        elif self._deleted_at is None:
            self._deleted_at = at

    def settled(self) -> Settled:
        found = self._found
        if found is not None:
            found = replace(found, is_hidden=self._is_hidden, commented_at=self._commented_at)
        return Settled(
            self._told,
            found,
            self._is_hidden,
            self._commented_at,
            self._deleted_at,
            self._is_doubtful,
        )

    def _bring(self, comment: FoundComment, at: datetime) -> None:
        self._found = comment
        self._text_since = at
        self._told = replace(self._told, text_at=at)


def _text_since(told: Told, known: Known | None) -> datetime | None:
    """Up to when the text that we have is known to be the newest."""
    if known is None:
        return None
    since = known.first_seen_at - GRAIN if told.text_at is None else told.text_at
    return since if known.edited_at is None else max(since, known.edited_at)


def _hidden_since(told: Told, known: Known | None) -> datetime | None:
    """Up to when ``is_hidden`` as we have it is known to be the newest; None: anything is newer."""
    if known is None or (told.hidden_at is not None and told.is_hidden is known.is_hidden):
        return told.hidden_at
    if told.hidden_at is not None or (told.text_at is not None and known.is_hidden):
        return known.updated_at - GRAIN  # a list said otherwise
    if told.text_at is not None:
        return None  # a webhook brought it, and none says whether it is hidden
    return known.first_seen_at - GRAIN
