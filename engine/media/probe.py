"""What a picture or video is, read off its own bytes.

Of a picture only the header is parsed, of a video the index and its first frame, which alone tells
how a phone was held: by Pillow, and by FFmpeg through PyAV. Both read through :class:`RangeFile`,
which fetches the parts they ask for, so that a film whose index lies at its end costs a few
megabytes. They run in a thread; a hostile file can waste a bounded number of bytes and seconds
there, and a crash of FFmpeg's parser would end the worker, which its supervisor starts again: what
is being published survives that.
"""

import asyncio
import io
from collections import OrderedDict
from typing import Any, Final, Protocol

from engine.errors import MediaFault, MediaTooLarge, MediaUnreachable, MediaUnreadable
from engine.ports import MediaFacts, MediaHead

BLOCK: Final = 256 * 1024  # bytes fetched at once
BLOCKS_KEPT: Final = 16
BUDGET: Final = 64 * 1024 * 1024  # bytes; an index of a long film has a few megabytes
DEADLINE_S: Final = 30.0
WITHOUT_RANGES_LIMIT: Final = 64 * 1024 * 1024  # bytes; then the whole file is fetched
PICTURES: Final = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM")
PIXEL_LIMIT: Final = 200_000_000


class Ranges(Protocol):
    """What a probe needs of a source."""

    async def read_range(self, url: str, start: int, size: int) -> bytes:
        """At most ``size`` bytes from ``start``."""
        ...

    async def read(self, url: str, limit_bytes: int) -> bytes:
        """The whole file."""
        ...


class RangeFile(io.RawIOBase):
    """A remote file as a seekable one, for libraries that block; used from one other thread.

    Args:
        source: fetches parts, on ``loop``.
        url: of the file.
        size: bytes.
        loop: where the source lives.
    """

    def __init__(
        self, source: Ranges, url: str, size: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._source = source
        self._url = url
        self._size = size
        self._loop = loop
        self._position = 0
        self._fetched = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.fault: MediaFault | None = None

    def readable(self) -> bool:
        """See ``io``."""
        return True

    def seekable(self) -> bool:
        """See ``io``."""
        return True

    def tell(self) -> int:
        """See ``io``."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See ``io``."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """See ``io``."""
        wanted = min(len(buffer), max(0, self._size - self._position))
        if not wanted:
            return 0
        number, within = divmod(self._position, BLOCK)
        piece = self._block(number)[within : within + wanted]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if self._fetched >= BUDGET:
                self.fault = MediaUnreadable("its index is larger than that of any film")
                raise OSError("too much was read")
            asked = self._source.read_range(self._url, number * BLOCK, BLOCK)
            try:
                body = asyncio.run_coroutine_threadsafe(asked, self._loop).result(DEADLINE_S)
            except MediaFault as fault:
                self.fault = fault
                raise OSError(str(fault)) from None
            self._fetched += len(body)
            self._blocks[number] = body
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return self._blocks[number]


async def probe(source: Ranges, url: str, head: MediaHead) -> MediaFacts:
    """Look at what is at ``url``.

    Raises:
        MediaUnreadable: it is no picture or video that can be read.
        MediaFault: it cannot be fetched.
    """
    if head.size_bytes is None or not head.accepts_ranges:
        if (head.size_bytes or 0) > WITHOUT_RANGES_LIMIT:
            raise MediaTooLarge("the media host offers no parts of this large file")
        body = await source.read(url, WITHOUT_RANGES_LIMIT)
        file: io.RawIOBase | io.BytesIO = io.BytesIO(body)
        size = len(body)
    else:
        size = head.size_bytes
        file = RangeFile(source, url, size, asyncio.get_running_loop())
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await asyncio.to_thread(_look, file, size)
    except TimeoutError:
        raise MediaUnreachable("the media host is too slow to look at the file") from None


def _look(file: io.RawIOBase | io.BytesIO, size: int) -> MediaFacts:
    try:
        start = file.read(12) or b""
        file.seek(0)
        return _picture(file, size) if start.startswith(PICTURES) else _video(file, size)
    except MediaFault:
        raise
    except Exception as error:
        fault = getattr(file, "fault", None)
        raise fault or MediaUnreadable(
            f"its bytes are no picture or video ({type(error).__name__})"
        ) from error


def _picture(file: Any, size: int) -> MediaFacts:
    from PIL import Image

    with Image.open(io.BufferedReader(file) if isinstance(file, RangeFile) else file) as picture:
        width, height = picture.size
        if width * height > PIXEL_LIMIT:
            raise MediaUnreadable("it has more pixels than any camera makes")
        if picture.getexif().get(0x0112, 1) >= 5:  # EXIF orientation: lying on its side
            width, height = height, width
        return MediaFacts("image", picture.format or "", size, width, height)


def _video(file: Any, size: int) -> MediaFacts:
    import av

    with av.open(file, mode="r", metadata_errors="ignore") as container:
        if not container.streams.video:
            raise MediaUnreadable("it has no picture track")
        video = container.streams.video[0]
        sound = container.streams.audio[0] if container.streams.audio else None
        width, height = video.codec_context.width, video.codec_context.height
        if _is_on_its_side(container):
            width, height = height, width
        duration_s = None if container.duration is None else container.duration / av.time_base
        rate = video.average_rate or video.guessed_rate
        return MediaFacts(
            kind="video",
            format=container.format.name,
            size_bytes=size,
            width=width,
            height=height,
            codec=video.codec_context.name,
            audio_codec=None if sound is None else sound.codec_context.name,
            duration_s=duration_s,
            fps=None if rate is None else float(rate),
            sample_rate_hz=None if sound is None else sound.codec_context.sample_rate,
        )


def _is_on_its_side(container: Any) -> bool:
    """Whether a player has to turn the track by a quarter."""
    frame = next(container.decode(video=0), None)
    return frame is not None and abs(frame.rotation) % 180 == 90
