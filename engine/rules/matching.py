"""Which live post is ours, when the answer to our request was lost.

Source: platforms document no idempotency key, so a post is recognised by what everybody sees of
it: its text, its kind and its time. Captions come back with changed newlines and, without some
permissions, without ``@`` (Instagram Platform documentation, IG Media, read 2026-11-23).
"""

import unicodedata
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from engine.ports import LivePost

CLOCK_MARGIN = timedelta(seconds=120)
"""A platform's clock may run this far behind ours."""


def normalise(text: str) -> str:
    """The text as it compares: NFC, one kind of white space, no ``@``, no outer blanks."""
    return " ".join(unicodedata.normalize("NFC", text).replace("@", "").split())


def matching_posts(
    posts: Iterable[LivePost],
    *,
    text: str | None,
    kind: str,
    sent_at: datetime,
    bound_ids: Collection[str],
) -> list[LivePost]:
    """The live posts that can be the one sent at ``sent_at``.

    Args:
        posts: what the account shows.
        text: what we sent; None where the platform shows none, as in stories.
        kind: such as ``"image"``.
        sent_at: when our request was about to leave.
        bound_ids: posts that belong to another of our rows already.
    """
    wanted = None if text is None else normalise(text)
    return [
        post
        for post in posts
        if post.kind == kind
        and post.posted_at >= sent_at - CLOCK_MARGIN
        and post.post_id not in bound_ids
        and (wanted is None or normalise(post.text) == wanted)
    ]
