"""The process that opens a stranger's file: it can crash, hang or swell without harm to a worker.

Run as a script, alone with the standard library, Pillow and PyAV: no setting, no secret and no
network of ours. It serves one file after the other, for as long as its parent lets it live:

- to the child: the file's size (8 bytes)
- to the parent: ``r`` + offset (8 bytes) + length (4): bytes, please
- to the child: length (4) + so many bytes; fewer than asked for means the file's end
- to the parent: ``=`` + 8 zero bytes + length (4) + JSON: facts, or ``{"unreadable": code}``
"""

import io
import json
import math
import os
import resource
import struct
import sys
import time
import warnings
from typing import Any, BinaryIO, Final

HEADER: Final = struct.Struct(">cQI")
LENGTH: Final = struct.Struct(">I")
SIZE: Final = struct.Struct(">Q")

MEMORY_BYTES: Final = 1536 * 1024 * 1024  # of address space; libraries alone take about 500 MB
CPU_S: Final = 20  # seconds for one file; the slowest honest file takes about one
PIXELS: Final = 64_000_000  # of a picture or frame; 8K video has 33 million
READ_AHEAD: Final = 256 * 1024  # bytes; the parent reads in larger blocks

PICTURES: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
# FFmpeg also reads play lists (HLS, concat), which name other files and URLs: never those.
CONTAINERS: Final = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,3gp"
TURNED: Final = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}  # by EXIF orientation, clockwise
GIVEN_NAMES: Final = {"JPEG": "jpeg", "MPO": "jpeg"}


class Unreadable(Exception):
    """The file is nothing that can be read; the text is a code."""


class RemoteFile(io.RawIOBase):
    """The file behind the parent; every read is a question and an answer."""

    def __init__(self, size: int, questions: BinaryIO, answers: BinaryIO) -> None:
        self._size, self._questions, self._answers = size, questions, answers
        self._position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; nothing is asked for yet."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill as much of ``buffer`` as the file has left."""
        wanted = min(len(buffer), max(self._size - self._position, 0))
        if wanted == 0:
            return 0
        self._questions.write(HEADER.pack(b"r", self._position, wanted))
        self._questions.flush()
        (given,) = LENGTH.unpack(_exactly(self._answers, LENGTH.size))
        buffer[:given] = _exactly(self._answers, given)
        self._position += given
        return int(given)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        os._exit(3)  # the parent is gone
    return data


def facts_of(file: BinaryIO, size: int) -> dict[str, Any]:
    """The facts of a picture or video.

    Raises:
        Unreadable: it is neither, or broken.
    """
    start = file.read(4096)
    file.seek(0)
    if not start:
        raise Unreadable("empty")
    brand = start[8:12] if start[4:8] == b"ftyp" else b""
    if brand in (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx"):
        raise Unreadable("heic")
    if _is_picture(start, brand):
        return _picture(file)
    if start.lstrip()[:1] in (b"<", b"{"):
        raise Unreadable("web_page")
    return _video(file, start, size)


def _is_picture(start: bytes, brand: bytes) -> bool:
    return (
        start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\0", b"MM\0*"))
        or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")
        or brand in (b"avif", b"avis")
    )


def _picture(file: BinaryIO) -> dict[str, Any]:
    from PIL import Image

    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = PIXELS
    try:
        with Image.open(file, formats=PICTURES) as picture:
            width, height = picture.size
            if width * height > PIXELS:
                raise Unreadable("too_many_pixels")
            name = picture.format or ""
            color = _color(picture)
            rotation = TURNED.get(picture.getexif().get(274, 1), 0)
            picture.draft(None, (1, 1))  # a JPEG at an eighth of its size: broken shows as well
            picture.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Unreadable("too_many_pixels") from None
    if rotation in (90, 270):
        width, height = height, width
    return {
        "kind": "image",
        "format": GIVEN_NAMES.get(name, name.lower()),
        "width": width,
        "height": height,
        "color": color,
        "rotation": rotation,
    }


def _color(picture: Any) -> str | None:
    """The colour space, as far as the file says."""
    if picture.mode == "CMYK":
        return "cmyk"
    profile = picture.info.get("icc_profile")
    if profile:
        from PIL import ImageCms

        try:
            name = ImageCms.getProfileDescription(
                ImageCms.ImageCmsProfile(io.BytesIO(profile))
            ).strip()
        except (ImageCms.PyCMSError, OSError):
            return None
        return "srgb" if "srgb" in name.lower() else name[:100] or None
    if picture.mode in ("1", "L", "LA", "I", "I;16"):
        return "gray"
    return "srgb" if picture.info.get("srgb") is not None else None


def _video(file: BinaryIO, start: bytes, size: int) -> dict[str, Any]:
    import av

    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
    with av.open(file, "r", container_options=options, metadata_errors="replace") as container:
        if not container.streams.video:
            raise Unreadable("no_video" if container.streams.audio else "broken")
        stream = container.streams.video[0]
        width, height = stream.width, stream.height
        if width <= 0 or height <= 0:
            raise Unreadable("broken")
        if width * height > PIXELS:
            raise Unreadable("too_many_pixels")
        if any(_ends_behind(size, each) for each in container.streams):
            raise Unreadable("cut_short")
        stream.thread_type = "NONE"
        frame = next(container.decode(stream), None)
        if frame is None:
            raise Unreadable("no_frame")
        rotation = int(round(-frame.rotation / 90) * 90 % 360)  # FFmpeg counts the other way
        pixel_aspect = float(stream.sample_aspect_ratio or 1) or 1.0
        if rotation in (90, 270):
            width, height, pixel_aspect = height, width, 1 / pixel_aspect
        duration_s = _duration_s(container, stream)
        rate = stream.average_rate or stream.guessed_rate
        facts = {
            "kind": "video",
            "format": _container_name(container, start),
            "codec": stream.codec_context.codec.canonical_name,
            "width": width,
            "height": height,
            "pixel_aspect": pixel_aspect,
            "duration_s": duration_s,
            "fps": float(rate) if rate else None,
            "bit_rate": int(size * 8 / duration_s) if duration_s else None,
            "rotation": rotation,
        }
        if container.streams.audio:
            audio = container.streams.audio[0]
            facts["audio_codec"] = audio.codec_context.codec.canonical_name
            facts["audio_sample_rate"] = audio.sample_rate
            facts["audio_channels"] = audio.channels
        return facts


def _ends_behind(size: int, stream: Any) -> bool:
    """Whether the index names bytes that the file does not have: its end was lost on the way."""
    entries = stream.index_entries
    return len(entries) > 0 and entries[-1].pos + entries[-1].size > size


def _duration_s(container: Any, stream: Any) -> float | None:
    if container.duration:
        return float(container.duration / 1_000_000)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return None


def _container_name(container: Any, start: bytes) -> str:
    names = container.format.name.split(",")
    if "mp4" in names:
        brand = container.metadata.get("major_brand", "qt  ")
        return "mov" if brand == "qt  " else "3gp" if brand.startswith("3g") else "mp4"
    if "webm" in names:
        return "webm" if b"webm" in start[:64] else "matroska"
    return str(names[0])


def _say(questions: BinaryIO, value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    questions.write(HEADER.pack(b"=", 0, len(body)) + body)
    questions.flush()


def main() -> None:
    """Read files until the parent has no more of them."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What a library prints must not get between the questions.
    questions = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while len(asked := sys.stdin.buffer.read(SIZE.size)) == SIZE.size:
        (size,) = SIZE.unpack(asked)
        _limit_cpu()
        remote = RemoteFile(size, questions, sys.stdin.buffer)
        _say(questions, _facts_or_fault(io.BufferedReader(remote, READ_AHEAD), size))


def _limit_cpu() -> None:
    """Let the system end this process if the next file takes too long."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    end_s = math.ceil(time.process_time()) + CPU_S
    if most != resource.RLIM_INFINITY:
        end_s = min(end_s, most)
    resource.setrlimit(resource.RLIMIT_CPU, (end_s, most))


def _facts_or_fault(file: BinaryIO, size: int) -> dict[str, Any]:
    try:
        return facts_of(file, size)
    except Unreadable as fault:
        return {"unreadable": str(fault)}
    except MemoryError:
        return {"unreadable": "memory"}
    except Exception:  # noqa: BLE001 - a decoder may throw anything
        return {"unreadable": "broken"}


if __name__ == "__main__":
    main()
