"""Real comments, played through the sandbox as if people wrote them.

Light to import: the demo uses it too.
"""

import asyncio
import csv
import gzip
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx

from engine.cli.faults import CommandFailed

SAMPLE: Final = Path(__file__).with_name("sample_comments.tsv")
NAMES: Final = ("text", "document", "comment", "sentence")
"""Columns that hold what people wrote, in the public sets of Korean comments."""

PEOPLE: Final = 60
SECOND_THOUGHTS_S: Final = (4.0, 8.0)  # after which somebody edits or deletes
EDITED: Final = " (수정)"
FIELD_LIMIT: Final = 10 * 1024 * 1024  # bytes of one text


@dataclass(frozen=True, slots=True)
class LivePost:
    """A post to comment on. Instagram's comments cannot be edited, so its platform counts."""

    id: str
    platform: str


@dataclass(slots=True)
class Replayed:
    """What was played so far."""

    sent: int = 0
    replies: int = 0
    edited: int = 0
    deleted: int = 0
    seconds: float = 0.0

    def listed(self) -> dict[str, Any]:
        """For the last line."""
        return {**asdict(self), "seconds": round(self.seconds, 1)}


@dataclass(frozen=True, slots=True)
class Manners:
    """How people behave; each a share from 0 to 1 of what they write."""

    edits: float = 0.05
    deletions: float = 0.05
    replies: float = 0.2


def sample_texts() -> list[str]:
    """The project's own sample of Korean comments."""
    return read_texts(SAMPLE)


def read_texts(path: Path) -> list[str]:
    """The texts of a tab-separated file, in order; ``.gz`` is opened too.

    With a header, the column named text, document, comment or sentence; otherwise the one that
    holds the longest texts. Rows without a text are left out, and a header of other names.

    Raises:
        CommandFailed: it cannot be read, or there is no text in it.
    """
    open_text = gzip.open if path.suffix == ".gz" else open
    try:
        # With a mark of byte order, as spreadsheets write it, or without.
        with open_text(path, "rt", encoding="utf-8-sig") as file:
            csv.field_size_limit(FIELD_LIMIT)
            rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise CommandFailed(
            f"cannot read {path} ({error}); it should be a .tsv or .tsv.gz"
        ) from None
    if not rows:
        raise CommandFailed(f"{path} is empty")
    header = [name.strip().lower() for name in rows[0]]
    named = next((header.index(name) for name in NAMES if name in header), None)
    body = rows[1:] if named is not None or _is_header(rows) else rows
    column = _longest_column(body) if named is None else named
    texts = [row[column].strip() for row in body if len(row) > column and row[column].strip()]
    if not any(character.isalpha() for text in texts for character in text):
        raise CommandFailed(f"{path} has no texts; a column is expected to be called text")
    return texts


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is of bare names, such as ``sentence1``, and those below are not."""
    first, *others = rows
    are_names = all(value.strip().isascii() and value.strip().isidentifier() for value in first)
    return are_names and any(not value.isascii() for row in others[:100] for value in row)


def _longest_column(rows: Sequence[Sequence[str]]) -> int:
    lengths: dict[int, int] = {}
    for row in rows[:1000]:
        for place, value in enumerate(row):
            lengths[place] = lengths.get(place, 0) + len(value)
    return max(lengths, key=lambda place: lengths[place])


async def live_posts(
    client: httpx.AsyncClient, *, account: str | None = None, post: str | None = None
) -> list[LivePost]:
    """What can be commented on in the sandbox.

    Raises:
        CommandFailed: nothing can.
    """
    answer = await client.get("/sandbox/truth", params={"account": account} if account else {})
    answer.raise_for_status()
    found = [
        LivePost(one["id"], one["platform"])
        for one in answer.json()["posts"]
        if not one["is_deleted"] and one["kind"] != "story" and post in (None, one["id"])
    ]
    if not found:
        what = f"no live post {post}" if post else "no live post to comment on; publish one first"
        raise CommandFailed(f"there is {what}")
    return found


async def replay(
    texts: Sequence[str],
    *,
    client: httpx.AsyncClient,
    posts: Sequence[LivePost],
    rate: float,
    manners: Manners,
    random: Random,
    so_far: Replayed | None = None,
    on_sent: Callable[[Replayed], None] = lambda _: None,
) -> Replayed:
    """Write ``texts`` as comments of many people, ``rate`` a second, evenly.

    Args:
        texts: in order.
        client: to the sandbox, with its address as base URL.
        posts: what they are written under.
        rate: comments a second.
        manners: how many are edited, deleted, or answer another.
        random: decides who does what.
        so_far: counted in, so that whoever interrupts knows how far it came.
        on_sent: told after each.

    Raises:
        httpx.HTTPError: the sandbox is away, or refuses.
    """
    done = so_far or Replayed()
    started = time.monotonic()
    tops: dict[str, list[str]] = {}
    later: list[asyncio.Task[None]] = []
    try:
        for number, words in enumerate(texts):
            wait_s = started + number / rate - time.monotonic()
            await asyncio.sleep(max(0.0, wait_s))
            post = random.choice(posts)
            wanted: dict[str, Any] = {"post": post.id, "text": words, **_somebody(random)}
            answered = tops.get(post.id)
            is_reply = bool(answered) and random.random() < manners.replies
            if is_reply and answered:
                wanted["parent"] = random.choice(answered)
            answer = await client.post("/sandbox/comments", json=wanted)
            answer.raise_for_status()
            id_ = answer.json()["id"]
            done.sent += 1
            done.replies += is_reply
            second = _second_thought(random, manners, post)
            if second is not None:
                later.append(asyncio.create_task(_change(client, id_, words, second, done, random)))
            if not is_reply and second != "delete":  # what is answered does not go away
                tops.setdefault(post.id, []).append(id_)
            done.seconds = time.monotonic() - started
            on_sent(done)
        await asyncio.gather(*later)
    finally:
        for task in later:
            task.cancel()
        await asyncio.gather(*later, return_exceptions=True)
        done.seconds = time.monotonic() - started
    return done


def _somebody(random: Random) -> dict[str, str]:
    number = random.randrange(PEOPLE)
    return {"author": f"손님{number:02d}", "author_id": f"7700{number:06d}"}


def _second_thought(random: Random, manners: Manners, post: LivePost) -> str | None:
    draw = random.random()
    if draw < manners.deletions:
        return "delete"
    if draw < manners.deletions + manners.edits and post.platform != "instagram":
        return "edit"
    return None


async def _change(
    client: httpx.AsyncClient, id_: str, words: str, what: str, done: Replayed, random: Random
) -> None:
    await asyncio.sleep(random.uniform(*SECOND_THOUGHTS_S))
    if what == "delete":
        answer = await client.delete(f"/sandbox/comments/{id_}")
        answer.raise_for_status()
        done.deleted += 1
    else:
        answer = await client.patch(f"/sandbox/comments/{id_}", json={"text": words + EDITED})
        answer.raise_for_status()
        done.edited += 1
