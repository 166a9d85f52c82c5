"""What a media file is, by its own bytes rather than by its name or declared type.

The decoders run in a process of their own (``decoder``), because a thread can neither be stopped
nor survive a crash of native code, and a worker holds secrets. That process has no network: this
side answers its questions for bytes, through the guarded source. To start one costs ten times
the CPU of a picture, so a process that has read a picture well reads the next ones too; one that
met a video or a fault ends.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import IO, Any, Final, Protocol

import orjson

from engine.errors import MediaTooLarge, MediaUnreachable, MediaUnreadable
from engine.media import decoder
from engine.media.source import HttpMediaSource, Version
from engine.ports import MediaFacts, MediaHead

DEADLINE_S: Final = 90.0  # for one file, the network included
AT_ONCE: Final = 2  # processes; each may use a core
PICTURES_EACH: Final = 200  # of one process: what its libraries leak stays small
BLOCK_BYTES: Final = 1024 * 1024
BLOCKS_KEPT: Final = 8
READ_LIMIT: Final = 96 * 1024 * 1024  # bytes of one file; an index of hours of video is 20 MiB
DOWNLOAD_LIMIT: Final = 512 * 1024 * 1024  # bytes put on disk when a server gives no parts
REMEMBERED: Final = 512  # files
REMEMBERED_S: Final = 900.0  # between an approval and the checks that follow it
ANSWER_LIMIT: Final = 64 * 1024  # bytes of facts

ENVIRONMENT_KEPT: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")

REASONS: Final = {
    "empty": "the file is empty",
    "heic": "this is an iPhone picture (HEIC); convert it to JPEG",
    "web_page": "this is a web page and not a media file; give the file's own address",
    "too_many_pixels": f"it has more than {decoder.PIXELS:,} pixels",
    "memory": "it needs too much memory",
    "no_video": "there is no picture in this file",
    "no_frame": "not a single frame of this video can be read",
    "cut_short": "the end of the file is missing; upload it again",
    "broken": "the file is broken, or of a kind that nobody takes",
    "crashed": "the file is broken: its reader crashed or ran out of time",
    "slow": "the file takes too long to read",
}


class Prober:
    """``engine.ports.MediaProbe``: facts of media, remembered for minutes.

    Args:
        source: where bytes come from.
        deadline_s: seconds for one file.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        source: HttpMediaSource,
        *,
        deadline_s: float = DEADLINE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._deadline_s = deadline_s
        self._monotonic = monotonic
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._idle: list[_Decoder] = []
        self._known: OrderedDict[tuple[str, str], tuple[float, MediaFacts]] = OrderedDict()

    async def probe(self, url: str) -> MediaFacts:
        """See the port."""
        head = await self._source.head(url)
        known = self._recall(url, head.version)
        if known is not None:
            return known
        async with self._gate:
            facts = self._recall(url, head.version) or await self._within_deadline(url, head)
        self._remember(url, facts)
        return facts

    async def close(self) -> None:
        """End the processes. Idempotent."""
        while self._idle:
            await self._idle.pop().end()

    async def _within_deadline(self, url: str, head: MediaHead) -> MediaFacts:
        progress = _Progress()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._read(url, head, progress)
        except TimeoutError:
            if progress.is_fetching:
                raise MediaUnreachable(
                    "the server is too slow", code="timeout", is_retryable=True
                ) from None
            raise _unreadable("slow") from None

    async def _read(self, url: str, head: MediaHead, progress: "_Progress") -> MediaFacts:
        if head.accepts_ranges and head.size_bytes is not None:
            blocks = _Blocks(self._source, url, head.size_bytes, head.version)
            facts, size_bytes = await self._decode(blocks, progress), head.size_bytes
        else:
            with tempfile.TemporaryFile() as file:
                with progress:
                    size_bytes = await self._download(url, file, head.version)
                facts = await self._decode(_Copy(file, size_bytes), progress)
        return MediaFacts(**facts, size_bytes=size_bytes, version=head.version)

    async def _decode(self, content: "_Content", progress: "_Progress") -> dict[str, Any]:
        """The facts that a decoder process tells of ``content``.

        Raises:
            MediaUnreadable: it told a fault, or a fresh one ended without a word.
        """
        facts: dict[str, Any] | None = None
        while self._idle and facts is None:
            # One that waited may have been ended by others: that says nothing of this file.
            facts = await self._ask(self._idle.pop(), content, progress)
        if facts is None:
            facts = await self._ask(await _Decoder.start(), content, progress)
        if facts is None:
            raise _unreadable("crashed")
        if "unreadable" in facts:
            raise _unreadable(str(facts["unreadable"]))
        return facts

    async def _ask(
        self, process: "_Decoder", content: "_Content", progress: "_Progress"
    ) -> dict[str, Any] | None:
        """The process's answer; None when it ended before it gave one."""
        is_reusable = False
        try:
            facts = await process.facts_of(content, progress)
            is_reusable = facts.get("kind") == "image" and process.files < PICTURES_EACH
            return facts
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        finally:
            if is_reusable:
                self._idle.append(process)
            else:
                await process.end()

    async def _download(self, url: str, file: IO[bytes], version: str) -> int:
        size_bytes = 0
        async with aclosing(self._source.stream(url, version=version)) as chunks:
            async for chunk in chunks:
                size_bytes += len(chunk)
                if size_bytes > DOWNLOAD_LIMIT:
                    raise MediaTooLarge(
                        "the server gives no parts of the file, and the whole is too large",
                        code="too_large",
                        evidence={"limit": DOWNLOAD_LIMIT},
                    )
                file.write(chunk)
        return size_bytes

    def _recall(self, url: str, version: str) -> MediaFacts | None:
        found = self._known.get((url, version))
        if found is None or self._monotonic() - found[0] > REMEMBERED_S:
            return None
        return found[1]

    def _remember(self, url: str, facts: MediaFacts) -> None:
        if not Version.parse(facts.version).is_telling:
            return
        key = (url, facts.version)
        if self._recall(*key) is None:  # a memory does not grow younger by being used
            self._known[key] = (self._monotonic(), facts)
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


class _Progress:
    """Whether the time is being spent on the server."""

    def __init__(self) -> None:
        self.is_fetching = False

    def __enter__(self) -> None:
        self.is_fetching = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:  # after a fault it still says where the time went
            self.is_fetching = False


class _Content(Protocol):
    size_bytes: int

    async def part(self, start: int, length: int) -> bytes:
        """Up to ``length`` bytes; shorter only at the end."""
        ...


class _Blocks:
    """A file behind HTTP ranges, in blocks; the last few are kept."""

    def __init__(self, source: HttpMediaSource, url: str, size_bytes: int, version: str) -> None:
        self.size_bytes = size_bytes
        self._source, self._url, self._version = source, url, version
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._read_bytes = 0

    async def part(self, start: int, length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            position = start + len(found)
            number, inside = divmod(position, BLOCK_BYTES)
            piece = (await self._block(number))[inside : inside + length - len(found)]
            if not piece:
                break
            found += piece
        return bytes(found)

    async def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if self._read_bytes >= READ_LIMIT:
                raise _unreadable("slow")
            block = await self._source.read_part(
                self._url, number * BLOCK_BYTES, BLOCK_BYTES, version=self._version
            )
            self._read_bytes += len(block)
            self._blocks[number] = block
            while len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]


class _Copy:
    """A file that was fetched whole, on disk."""

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._file = file

    async def part(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)


class _Decoder:
    """A decoder process, for one file at a time. It ends with its parent: its input ends then."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.files = 0
        self._process = process

    @classmethod
    async def start(cls) -> "_Decoder":
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(Path(decoder.__file__))),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={name: os.environ[name] for name in ENVIRONMENT_KEPT if name in os.environ},
            )
        )

    async def facts_of(self, content: _Content, progress: _Progress) -> dict[str, Any]:
        """What it tells of a file.

        Raises:
            asyncio.IncompleteReadError: it ended; so does a ``ConnectionError`` say.
        """
        questions, answers = self._process.stdout, self._process.stdin
        if questions is None or answers is None:
            raise RuntimeError("a process without pipes")
        self.files += 1
        answers.write(decoder.SIZE.pack(content.size_bytes))
        while True:
            question = await questions.readexactly(decoder.HEADER.size)
            word, start, length = decoder.HEADER.unpack(question)
            if word == b"=":
                if length > ANSWER_LIMIT:
                    raise _unreadable("broken")
                return dict(orjson.loads(await questions.readexactly(length)))
            with progress:
                data = await content.part(start, min(length, decoder.READ_AHEAD * 4))
            answers.write(decoder.LENGTH.pack(len(data)) + data)
            await answers.drain()

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


def _unreadable(code: str) -> MediaUnreadable:
    return MediaUnreadable(REASONS.get(code, REASONS["broken"]), code=code)
