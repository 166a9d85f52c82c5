"""What each platform takes of a picture or video, and what is wrong with one that it would refuse.

The limits are configuration: a platform changes them without notice. Each says where it is from;
"not verified" means general knowledge of the public documentation.

Sources, read 2026-11-25 unless a line says otherwise:
https://developers.facebook.com/docs/instagram-platform/content-publishing,
https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/media,
https://developers.google.com/youtube/v3/docs/videos/insert and .../thumbnails/set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from engine.ports import InputProblem, MediaFacts

MB: Final = 1_000_000
MIB: Final = 1024 * 1024
GB: Final = 1_000_000_000
GIB: Final = 1024 * MIB

ASPECT_TOLERANCE: Final = 0.01  # of the ratio: pixels are whole
DURATION_TOLERANCE_S: Final = 0.1  # the last frame and the sound rarely end together
FPS_TOLERANCE: Final = 0.05  # 60 frames a second are often 60.02


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken; None means anything. Bounds are inclusive.

    Attributes:
        kind: what the place is for.
        min_aspect: width by height.
        min_width: pixels, after rotation.
        max_sample_rate: Hz, of the sound.
    """

    kind: Literal["image", "video"] | None = None
    formats: frozenset[str] | None = None
    codecs: frozenset[str] | None = None
    audio_codecs: frozenset[str] | None = None
    max_bytes: int | None = None
    min_aspect: float | None = None
    max_aspect: float | None = None
    min_width: int | None = None
    max_width: int | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    min_fps: float | None = None
    max_fps: float | None = None
    max_sample_rate: int | None = None


MP4_OR_MOV: Final = frozenset({"mp4", "mov"})
H264_OR_HEVC: Final = frozenset({"h264", "hevc"})
AAC: Final = frozenset({"aac"})

# Widths of 320 to 1440 are in the documentation too, but Instagram scales what lies outside (not
# verified), and nearly every photograph is wider: to refuse it here would refuse good posts.
INSTAGRAM_IMAGE: Final = Limits(
    kind="image",
    formats=frozenset({"jpeg"}),
    max_bytes=8 * MIB,  # error 36000/2207004
    min_aspect=4 / 5,  # error 36003/2207009
    max_aspect=1.91,
)
INSTAGRAM_REEL: Final = Limits(
    kind="video",
    formats=MP4_OR_MOV,
    codecs=H264_OR_HEVC,
    audio_codecs=AAC,
    max_bytes=300 * MB,
    min_aspect=0.01,  # not verified, as max_aspect
    max_aspect=10.0,
    max_width=1920,
    min_duration_s=3,
    max_duration_s=15 * 60,
    min_fps=23,
    max_fps=60,
    max_sample_rate=48_000,
)
INSTAGRAM_CAROUSEL_VIDEO: Final = Limits(  # as a reel; length and size not verified
    kind="video",
    formats=MP4_OR_MOV,
    codecs=H264_OR_HEVC,
    audio_codecs=AAC,
    max_bytes=300 * MB,
    max_width=1920,
    min_duration_s=3,
    max_duration_s=60,
    min_fps=23,
    max_fps=60,
    max_sample_rate=48_000,
)
INSTAGRAM_STORY_IMAGE: Final = Limits(  # no aspect ratio is documented: it is fitted to 9:16
    kind="image", formats=frozenset({"jpeg"}), max_bytes=8 * MIB
)
INSTAGRAM_STORY_VIDEO: Final = Limits(
    kind="video",
    formats=MP4_OR_MOV,
    codecs=H264_OR_HEVC,
    audio_codecs=AAC,
    max_bytes=100 * MB,
    min_aspect=0.1,  # not verified, as max_aspect
    max_aspect=10.0,
    max_width=1920,
    min_duration_s=3,
    max_duration_s=60,
    min_fps=23,
    max_fps=60,
    max_sample_rate=48_000,
)

FACEBOOK_PHOTO: Final = Limits(  # not verified
    kind="image",
    formats=frozenset({"jpeg", "png", "gif", "bmp", "tiff"}),
    max_bytes=10 * MB,
)
FACEBOOK_VIDEO: Final = Limits(  # not verified
    kind="video",
    formats=frozenset(
        {"mp4", "mov", "avi", "matroska", "webm", "mpeg", "mpegts", "flv", "asf", "3gp"}
    ),
    max_bytes=10 * GB,
    max_duration_s=240 * 60,
)
FACEBOOK_REEL: Final = Limits(  # not verified
    kind="video",
    formats=MP4_OR_MOV,
    codecs=frozenset({"h264", "hevc", "vp9", "av1"}),
    audio_codecs=AAC,
    max_bytes=GB,
    min_aspect=9 / 16,
    max_aspect=9 / 16,
    min_width=540,
    min_duration_s=3,
    max_duration_s=90,
    min_fps=23,
    max_fps=60,
    max_sample_rate=48_000,
)

THREADS_IMAGE: Final = Limits(  # not verified
    kind="image",
    formats=frozenset({"jpeg", "png"}),
    max_bytes=8 * MIB,
    min_aspect=0.1,
    max_aspect=10.0,
)
THREADS_VIDEO: Final = Limits(  # not verified
    kind="video",
    formats=MP4_OR_MOV,
    codecs=H264_OR_HEVC,
    audio_codecs=AAC,
    max_bytes=GB,
    min_aspect=0.01,
    max_aspect=10.0,
    max_width=1920,
    max_duration_s=5 * 60,
    min_fps=23,
    max_fps=60,
    max_sample_rate=48_000,
)

YOUTUBE_VIDEO: Final = Limits(
    kind="video",
    max_bytes=256 * GIB,  # discovery document youtube.v3, revision 20261104
    max_duration_s=12 * 3600,  # not verified; 15 minutes for accounts that are not verified
)
YOUTUBE_SHORT: Final = Limits(  # not verified; else it would simply become an ordinary video
    kind="video", max_bytes=256 * GIB, max_aspect=1.0, max_duration_s=180
)
YOUTUBE_THUMBNAIL: Final = Limits(
    kind="image",
    formats=frozenset({"jpeg", "png"}),
    max_bytes=2 * MB,  # the guide, not verified; the discovery document has 50 MiB
    min_width=640,  # not verified
)

LIMITS: Final[Mapping[tuple[str, str, str], Limits]] = MappingProxyType(
    {
        ("instagram", "image", "image"): INSTAGRAM_IMAGE,
        ("instagram", "carousel", "image"): INSTAGRAM_IMAGE,
        ("instagram", "carousel", "video"): INSTAGRAM_CAROUSEL_VIDEO,
        ("instagram", "reel", "video"): INSTAGRAM_REEL,
        ("instagram", "story", "image"): INSTAGRAM_STORY_IMAGE,
        ("instagram", "story", "video"): INSTAGRAM_STORY_VIDEO,
        ("facebook", "photo", "image"): FACEBOOK_PHOTO,
        ("facebook", "photos", "image"): FACEBOOK_PHOTO,
        ("facebook", "video", "video"): FACEBOOK_VIDEO,
        ("facebook", "reel", "video"): FACEBOOK_REEL,
        ("threads", "image", "image"): THREADS_IMAGE,
        ("threads", "video", "video"): THREADS_VIDEO,
        ("threads", "carousel", "image"): THREADS_IMAGE,
        ("threads", "carousel", "video"): THREADS_VIDEO,
        ("youtube", "video", "video"): YOUTUBE_VIDEO,
        ("youtube", "short", "video"): YOUTUBE_SHORT,
        ("youtube", "video", "thumbnail"): YOUTUBE_THUMBNAIL,
        ("youtube", "short", "thumbnail"): YOUTUBE_THUMBNAIL,
    }
)
"""By platform, the platform's kind of post, and the media's place in it."""

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "jpeg": "JPEG",
        "png": "PNG",
        "gif": "GIF",
        "webp": "WebP",
        "bmp": "BMP",
        "tiff": "TIFF",
        "avif": "AVIF",
        "mp4": "MP4",
        "mov": "MOV",
        "webm": "WebM",
        "matroska": "MKV",
        "avi": "AVI",
        "h264": "H.264",
        "hevc": "HEVC",
        "vp9": "VP9",
        "av1": "AV1",
        "aac": "AAC",
    }
)


def problems_of_media(facts: MediaFacts, limits: Limits, field: str) -> list[InputProblem]:
    """Everything to fix in one file; what the file does not tell is no problem.

    Args:
        facts: of the file.
        limits: of the place that it is meant for, out of ``LIMITS``.
        field: where a person finds it, such as ``"media[0]"``.

    Returns:
        One problem per limit, each with the numbers; only that of the kind if that is wrong.
    """
    if limits.kind is not None and facts.kind != limits.kind:
        return [_wrong_kind(facts, limits.kind, field)]
    return [
        *_in_format(facts, limits, field),
        *_in_size(facts, limits, field),
        *_in_aspect(facts, limits, field),
        *_in_width(facts, limits, field),
        *_in_duration(facts, limits, field),
        *_in_fps(facts, limits, field),
        *_in_sample_rate(facts, limits, field),
    ]


def _wrong_kind(facts: MediaFacts, wanted: str, field: str) -> InputProblem:
    evidence = {"wanted": wanted, "found": facts.kind}
    if wanted == "image":
        return InputProblem(
            field,
            "이 자리에는 사진을 넣어 주세요. 지금 파일은 동영상입니다.",
            "Put a picture here; this file is a video.",
            evidence,
        )
    return InputProblem(
        field,
        "이 자리에는 동영상을 넣어 주세요. 지금 파일은 사진입니다.",
        "Put a video here; this file is a picture.",
        evidence,
    )


def _in_format(facts: MediaFacts, limits: Limits, field: str) -> list[InputProblem]:
    checks = (
        ("파일 형식", "the file", facts.format, limits.formats),
        ("영상 코덱", "the picture's codec", facts.codec, limits.codecs),
        ("음성 코덱", "the sound's codec", facts.audio_codec, limits.audio_codecs),
    )
    return [
        InputProblem(
            field,
            f"{korean}: {_either(wanted)} 중 하나로 변환해 주세요. 지금은 {_name(found)}입니다."
            if len(wanted) > 1
            else f"{korean}: {_either(wanted)} 형식으로 변환해 주세요."
            f" 지금은 {_name(found)}입니다.",
            f"Convert {english} to {_either(wanted, ' or ')}; it is {_name(found)}.",
            {"wanted": sorted(wanted), "found": found},
        )
        for korean, english, found, wanted in checks
        if wanted is not None and found is not None and found not in wanted
    ]


def _in_size(facts: MediaFacts, limits: Limits, field: str) -> list[InputProblem]:
    limit, found = limits.max_bytes, facts.size_bytes
    if limit is None or found is None or found <= limit:
        return []
    most, now = _megabytes(limit), _megabytes(found, is_rounded_up=True)
    return [
        InputProblem(
            field,
            f"파일 크기를 {most}MB 이하로 줄여 주세요. 지금은 {now}MB입니다.",
            f"Shrink the file to {most} MB; it has {now} MB.",
            {"limit": limit, "found": found},
        )
    ]


def _in_aspect(facts: MediaFacts, limits: Limits, field: str) -> list[InputProblem]:
    low, high, found = limits.min_aspect, limits.max_aspect, facts.aspect
    is_narrow = low is not None and found < low * (1 - ASPECT_TOLERANCE)
    is_wide = high is not None and found > high * (1 + ASPECT_TOLERANCE)
    if not (is_narrow or is_wide):
        return []
    korean, english = _span(low, high, "", "")
    size = f"{facts.width}×{facts.height}"
    return [
        InputProblem(
            field,
            f"가로세로 비율(가로÷세로)을 {korean}로 맞춰 잘라 주세요."
            f" 지금은 {found:.2f}({size})입니다.",
            f"Crop it so that width ÷ height is {english}; it is {found:.2f} ({size}).",
            {"min": low, "max": high, "found": round(found, 4)},
        )
    ]


def _in_width(facts: MediaFacts, limits: Limits, field: str) -> list[InputProblem]:
    low, high, found = limits.min_width, limits.max_width, facts.width
    if (low is None or found >= low) and (high is None or found <= high):
        return []
    korean, english = _span(low, high, "픽셀", " pixels")
    return [
        InputProblem(
            field,
            f"가로 크기를 {korean}로 바꿔 주세요. 지금은 {found:,}픽셀입니다.",
            f"Resize it to a width of {english}; it has {found:,} pixels.",
            {"min": low, "max": high, "found": found},
        )
    ]


def _in_duration(facts: MediaFacts, limits: Limits, field: str) -> list[InputProblem]:
    low, high, found = limits.min_duration_s, limits.max_duration_s, facts.duration_s
    if found is None:
        return []
    is_short = low is not None and found < low - DURATION_TOLERANCE_S
    is_long = high is not None and found > high + DURATION_TOLERANCE_S
    if not (is_short or is_long):
        return []
    korean, english = _span(low, high, "초", " s")
    return [
        InputProblem(
            field,
            f"영상 길이를 {korean}로 편집해 주세요. 지금은 {found:,.1f}초입니다.",
            f"Edit the video to a length of {english}; it has {found:,.1f} s.",
            {"min": low, "max": high, "found": round(found, 3)},
        )
    ]


def _in_fps(facts: MediaFacts, limits: Limits, field: str) -> list[InputProblem]:
    low, high, found = limits.min_fps, limits.max_fps, facts.fps
    if found is None:
        return []
    is_slow = low is not None and found < low - FPS_TOLERANCE
    is_fast = high is not None and found > high + FPS_TOLERANCE
    if not (is_slow or is_fast):
        return []
    korean, english = _span(low, high, "프레임", " frames")
    return [
        InputProblem(
            field,
            f"초당 프레임 수를 {korean}로 내보내 주세요. 지금은 {found:g}프레임입니다.",
            f"Export the video with {english} a second; it has {found:g}.",
            {"min": low, "max": high, "found": round(found, 3)},
        )
    ]


def _in_sample_rate(facts: MediaFacts, limits: Limits, field: str) -> list[InputProblem]:
    limit, found = limits.max_sample_rate, facts.audio_sample_rate
    if limit is None or found is None or found <= limit:
        return []
    return [
        InputProblem(
            field,
            f"음성 샘플레이트를 {limit:,}Hz 이하로 내보내 주세요. 지금은 {found:,}Hz입니다.",
            f"Export the sound with at most {limit:,} Hz; it has {found:,} Hz.",
            {"limit": limit, "found": found},
        )
    ]


def _span(low: float | None, high: float | None, korean: str, english: str) -> tuple[str, str]:
    """A range in words, of at least one bound; the Korean ends in a way that 로 can follow."""
    if low is not None and high is not None:
        if low == high:
            return f"{_figure(low)}{korean} 정도", f"about {_figure(low)}{english}"
        return (
            f"{_figure(low)}~{_figure(high)}{korean} 사이",
            f"{_figure(low)} to {_figure(high)}{english}",
        )
    if low is not None:
        return f"{_figure(low)}{korean} 이상으", f"at least {_figure(low)}{english}"
    if high is None:
        raise ValueError("a range without a bound")
    return f"{_figure(high)}{korean} 이하", f"at most {_figure(high)}{english}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _megabytes(size: int, *, is_rounded_up: bool = False) -> str:
    """Megabytes with one digit, never so rounded that a size over its limit looks equal to it."""
    tenths = -(-size * 10 // MB) if is_rounded_up else size * 10 // MB
    return f"{tenths / 10:,.1f}".removesuffix(".0")


def _name(word: str) -> str:
    return NAMES.get(word, word.upper())


def _either(words: frozenset[str], between: str = ", ") -> str:
    return between.join(sorted(map(_name, words)))
