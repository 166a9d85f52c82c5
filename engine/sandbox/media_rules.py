"""What each platform takes as a picture or video, and what it says about the rest."""

import io
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import IO, Any, Final

import av
import av.error
from PIL import Image, UnidentifiedImageError

from engine.sandbox.graph_errors import GraphError

MIB: Final = 1024 * 1024  # bytes
RATIO_TOLERANCE: Final = 0.01  # of the ratio: pixels are whole
DURATION_TOLERANCE_S: Final = 0.1  # the last frame and the last audio packet end apart
VIDEO_CODECS: Final = ("h264", "hevc")
AUDIO_RATE_MOST: Final = 48_000  # Hz

TOO_LARGE: Final = (36000, 2207004)
BAD_FORMAT: Final = (36001, 2207005)
BAD_RATIO: Final = (36003, 2207009)
BAD_VIDEO: Final = (352, 2207026)
BAD_THUMBNAIL: Final = (1, 2207057)
NOT_FETCHED: Final = (9004, 2207052)


class MediaFault(GraphError):
    """A file that the platform does not take.

    Args:
        code: Graph's code and subcode.
        reason: what a container of Threads says in its ``error_message``.
        page_code: what a video of a Facebook Page says in its ``processing_phase``.
    """

    def __init__(
        self, code: tuple[int, int | None], reason: str = "UNKNOWN", page_code: int = 1363024
    ) -> None:
        super().__init__(*code)
        self.reason = reason
        self.page_code = page_code


@dataclass(frozen=True, slots=True)
class PictureRules:
    """Limits of a picture; ratios are width by height."""

    narrowest: float
    widest: float
    size_limit: int = 8 * MIB
    formats: tuple[str, ...] = ("JPEG", "PNG")

    def inspect(self, file: IO[bytes]) -> None:
        """Raise the fault of a picture, by its own bytes rather than by its declared type."""
        try:
            with Image.open(file) as picture:
                kind, (width, height) = picture.format, picture.size
        except UnidentifiedImageError:
            raise MediaFault(NOT_FETCHED) from None
        except Image.DecompressionBombError:
            raise MediaFault(TOO_LARGE) from None
        if kind not in self.formats:
            raise MediaFault(BAD_FORMAT)
        if not self.narrowest - RATIO_TOLERANCE <= width / height <= self.widest + RATIO_TOLERANCE:
            raise MediaFault(BAD_RATIO, "INVALID_ASPEC_RATIO")


@dataclass(frozen=True, slots=True)
class VideoRules:
    """Limits of a video: seconds, bytes, pixels, frames in a second."""

    shortest_s: float
    longest_s: float
    size_limit: int
    widest_px: int = 1920
    slowest_fps: float = 23
    fastest_fps: float = 60
    narrowest: float = 0.01
    widest: float = 10.0
    thumbnail_s: float = 0.0  # which moment is to be the cover

    def with_thumbnail(self, at_s: float) -> "VideoRules":
        """The same rules for a video that must reach to this moment."""
        return replace(self, thumbnail_s=at_s)

    def inspect(self, file: IO[bytes]) -> None:
        """Raise the fault of a video by its own bytes. Takes milliseconds: in a thread."""
        try:
            with av.open(file, "r") as video:
                self._judge(video)
        except av.error.FFmpegError:
            raise MediaFault(BAD_VIDEO, "FAILED_PROCESSING_VIDEO", 6000) from None

    def _judge(self, video: Any) -> None:
        if not video.streams.video or not {"mp4", "mov"} & set(video.format.name.split(",")):
            raise MediaFault(BAD_VIDEO, "FAILED_PROCESSING_VIDEO", 1363024)
        pictures = video.streams.video[0]
        if pictures.codec_context.name not in VIDEO_CODECS:
            raise MediaFault(BAD_VIDEO, "FAILED_PROCESSING_VIDEO", 1363032)
        for sound in video.streams.audio:
            if sound.codec_context.name != "aac" or sound.rate > AUDIO_RATE_MOST:
                raise MediaFault(BAD_VIDEO, "FAILED_PROCESSING_AUDIO", 1363032)
        duration_s = (video.duration or 0) / av.time_base
        if duration_s < self.shortest_s - DURATION_TOLERANCE_S:
            raise MediaFault(BAD_VIDEO, "INVALID_DURATION", 1363025)
        if duration_s > self.longest_s + DURATION_TOLERANCE_S:
            raise MediaFault(BAD_VIDEO, "INVALID_DURATION", 1363026)
        if self.thumbnail_s > duration_s:
            raise MediaFault(BAD_THUMBNAIL)
        rate = float(pictures.average_rate or Fraction(0))
        if not self.slowest_fps <= rate <= self.fastest_fps:
            raise MediaFault(BAD_VIDEO, "INVALID_FRAME_RATE", 1363032)
        ratio = pictures.width / max(1, pictures.height)
        if pictures.width > self.widest_px or not self.narrowest <= ratio <= self.widest:
            raise MediaFault(BAD_VIDEO, "INVALID_ASPEC_RATIO", 1363032)


Rules = PictureRules | VideoRules

# https://developers.facebook.com/docs/instagram-platform/content-publishing and the reference of
# ig-user/media, read 2026-11-23
INSTAGRAM_PICTURE: Final = PictureRules(4 / 5, 1.91)
STORY_PICTURE: Final = PictureRules(0.01, 10.0)  # shown whole, on a ground of colour
REEL: Final = VideoRules(3, 15 * 60, 300 * MIB)
CAROUSEL_VIDEO: Final = VideoRules(3, 60, 300 * MIB)
STORY_VIDEO: Final = VideoRules(3, 60, 100 * MIB)
# https://developers.facebook.com/docs/threads/overview, read 2026-11-23; no bytes of a picture
# are said to be too few, nor seconds of a video.
THREADS_PICTURE: Final = PictureRules(0.01, 10.0)
THREADS_VIDEO: Final = VideoRules(0, 5 * 60, 1024 * MIB)
# https://developers.facebook.com/docs/video-api/guides/reels-publishing and the reference of
# page/photos and page/videos, read 2026-11-23. The 10 GB of a video are cut to what a test sends.
PAGE_PICTURE: Final = PictureRules(
    0.01, 100.0, 10 * MIB, ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
)
PAGE_REEL: Final = VideoRules(3, 90, 1024 * MIB)
PAGE_VIDEO: Final = VideoRules(1, 240 * 60, 1024 * MIB, 4096, 1, 120)


def inspect_bytes(rules: Rules, body: bytes) -> None:
    """Raise the fault of a file that came with the request."""
    if len(body) > rules.size_limit:
        raise MediaFault(TOO_LARGE, "UNKNOWN", 1363023)
    rules.inspect(io.BytesIO(body))
