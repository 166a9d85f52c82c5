"""What each platform takes of pictures and videos, and what to do about what it does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.ports import InputProblem, MediaFacts
from models.words import Platform

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
RATIO_TOLERANCE: Final = 0.01  # pixels are whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a platform takes; None is without limit. Ratios are width to height."""

    formats: frozenset[str] | None = None
    codecs: frozenset[str] | None = None
    audio_codecs: frozenset[str] | None = None
    most_bytes: int | None = None
    narrowest: float | None = None
    widest: float | None = None
    least_width: int | None = None
    most_width: int | None = None
    least_s: float | None = None
    most_s: float | None = None
    least_fps: float | None = None
    most_fps: float | None = None
    most_sample_rate_hz: int | None = None


_JPEG_OR_PNG: Final = frozenset({"JPEG", "PNG"})
_MP4: Final = frozenset({"mov,mp4,m4a,3gp,3g2,mj2"})  # FFmpeg's one name for MP4 and MOV
_H264_HEVC: Final = frozenset({"h264", "hevc"})
_AAC: Final = frozenset({"aac"})

# https://developers.facebook.com/docs/instagram-platform/content-publishing and the reference page
# ig-user/media, read 2026-11-23.
_INSTAGRAM_PICTURE: Final = Limits(
    formats=_JPEG_OR_PNG, most_bytes=8 * MIB, narrowest=4 / 5, widest=1.91, least_width=320
)
_INSTAGRAM_VIDEO: Final = Limits(
    formats=_MP4,
    codecs=_H264_HEVC,
    audio_codecs=_AAC,
    most_bytes=300 * MIB,
    narrowest=0.01,
    widest=10.0,
    most_width=1920,
    least_s=3.0,
    most_s=15 * 60.0,
    least_fps=23.0,
    most_fps=60.0,
    most_sample_rate_hz=48_000,
)
_INSTAGRAM_STORY_VIDEO: Final = Limits(
    formats=_MP4,
    codecs=_H264_HEVC,
    audio_codecs=_AAC,
    most_bytes=100 * MIB,
    narrowest=0.1,
    widest=10.0,
    most_width=1920,
    least_s=3.0,
    most_s=60.0,
    least_fps=23.0,
    most_fps=60.0,
    most_sample_rate_hz=48_000,
)
# https://developers.facebook.com/docs/threads/posts, read 2026-11-23.
_THREADS_PICTURE: Final = Limits(
    formats=_JPEG_OR_PNG, most_bytes=8 * MIB, narrowest=0.1, widest=10.0, least_width=320
)
_THREADS_VIDEO: Final = Limits(
    formats=_MP4,
    codecs=_H264_HEVC,
    audio_codecs=_AAC,
    most_bytes=GIB,
    most_width=1920,
    most_s=300.0,
    least_fps=23.0,
    most_fps=60.0,
    most_sample_rate_hz=48_000,
)
# Facebook's own pages give no complete table; these are the bounds that its error texts name, and
# not verified (2026-11-25).
_FACEBOOK_PICTURE: Final = Limits(
    formats=frozenset({"JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"}), most_bytes=10 * MIB
)
_FACEBOOK_VIDEO: Final = Limits(most_bytes=10 * GIB, least_s=1.0, most_s=4 * 3600.0)
_FACEBOOK_REEL: Final = Limits(
    formats=_MP4,
    codecs=_H264_HEVC,
    most_bytes=GIB,
    narrowest=0.5,
    widest=0.6,
    least_width=540,
    least_s=3.0,
    most_s=90.0,
    least_fps=23.0,
    most_fps=60.0,
)
# https://developers.google.com/youtube/v3/docs/videos/insert, read 2026-11-23: 256 GiB. A Short is
# upright or square and at most three minutes long; YouTube decides that by itself.
_YOUTUBE_VIDEO: Final = Limits(most_bytes=256 * GIB, most_s=12 * 3600.0)
_YOUTUBE_SHORT: Final = Limits(most_bytes=256 * GIB, widest=1.0, most_s=180.0)

LIMITS: Final[Mapping[tuple[Platform, str, str], Limits]] = {
    (Platform.INSTAGRAM, "image", "image"): _INSTAGRAM_PICTURE,
    (Platform.INSTAGRAM, "carousel", "image"): _INSTAGRAM_PICTURE,
    (Platform.INSTAGRAM, "carousel", "video"): _INSTAGRAM_STORY_VIDEO,
    (Platform.INSTAGRAM, "reel", "video"): _INSTAGRAM_VIDEO,
    (Platform.INSTAGRAM, "story", "image"): Limits(formats=_JPEG_OR_PNG, most_bytes=8 * MIB),
    (Platform.INSTAGRAM, "story", "video"): _INSTAGRAM_STORY_VIDEO,
    (Platform.FACEBOOK, "photo", "image"): _FACEBOOK_PICTURE,
    (Platform.FACEBOOK, "photos", "image"): _FACEBOOK_PICTURE,
    (Platform.FACEBOOK, "video", "video"): _FACEBOOK_VIDEO,
    (Platform.FACEBOOK, "reel", "video"): _FACEBOOK_REEL,
    (Platform.THREADS, "image", "image"): _THREADS_PICTURE,
    (Platform.THREADS, "carousel", "image"): _THREADS_PICTURE,
    (Platform.THREADS, "carousel", "video"): _THREADS_VIDEO,
    (Platform.THREADS, "video", "video"): _THREADS_VIDEO,
    (Platform.YOUTUBE, "video", "video"): _YOUTUBE_VIDEO,
    (Platform.YOUTUBE, "short", "video"): _YOUTUBE_SHORT,
}
"""By platform, kind of post, and kind of medium; what is not here has no limits."""


def problems_of_media(facts: MediaFacts, limits: Limits, *, place: int) -> list[InputProblem]:
    """Everything about one medium that the platform would refuse.

    Args:
        facts: what the medium is.
        limits: what the platform takes.
        place: which medium of the post, from 1.
    """
    found = [
        *_in_kind_of_file(facts, limits),
        *_in_size(facts, limits),
        *_in_time(facts, limits),
    ]
    return [
        InputProblem(
            f"media[{place - 1}]",
            f"{place}번째 {_korean(facts)}: {korean}",
            f"{'Picture' if facts.kind == 'image' else 'Video'} {place}: {english}",
            evidence,
        )
        for korean, english, evidence in found
    ]


Finding = tuple[str, str, dict[str, object]]


def _korean(facts: MediaFacts) -> str:
    return "사진" if facts.kind == "image" else "동영상"


def _in_kind_of_file(facts: MediaFacts, limits: Limits) -> list[Finding]:
    found: list[Finding] = []
    if limits.formats is not None and facts.format not in limits.formats:
        wanted = "JPEG나 PNG" if facts.kind == "image" else "MP4나 MOV"
        found.append(
            (
                f"{wanted} 파일로 바꿔 주세요. 지금은 {facts.format} 형식입니다.",
                f"convert it to {wanted.replace('나', ' or')}; it is {facts.format}.",
                {"found": facts.format},
            )
        )
    if limits.codecs is not None and facts.codec not in limits.codecs:
        found.append(
            (
                f"영상 코덱을 H.264나 HEVC로 바꿔 주세요. 지금은 {facts.codec}입니다.",
                f"encode it as H.264 or HEVC; it is {facts.codec}.",
                {"found": facts.codec},
            )
        )
    if (
        limits.audio_codecs is not None
        and facts.audio_codec is not None
        and facts.audio_codec not in limits.audio_codecs
    ):
        found.append(
            (
                f"소리 코덱을 AAC로 바꿔 주세요. 지금은 {facts.audio_codec}입니다.",
                f"encode its sound as AAC; it is {facts.audio_codec}.",
                {"found": facts.audio_codec},
            )
        )
    return found


def _in_size(facts: MediaFacts, limits: Limits) -> list[Finding]:
    found: list[Finding] = []
    if limits.most_bytes is not None and facts.size_bytes > limits.most_bytes:
        most, size = limits.most_bytes / MIB, facts.size_bytes / MIB
        found.append(
            (
                f"파일을 {most:,.0f}MB 이하로 줄여 주세요. 지금은 {size:,.1f}MB입니다.",
                f"reduce it to at most {most:,.0f} MiB; it has {size:,.1f}.",
                {"limit": limits.most_bytes, "found": facts.size_bytes},
            )
        )
    ratio = facts.width / facts.height if facts.height else 0.0
    narrowest, widest = limits.narrowest, limits.widest
    if (narrowest is not None and ratio < narrowest - RATIO_TOLERANCE) or (
        widest is not None and ratio > widest + RATIO_TOLERANCE
    ):
        shown = f"{facts.width}×{facts.height}"
        found.append(
            (
                f"가로세로 비율을 {_ratios(narrowest, widest)} 안에 맞춰 주세요. "
                f"지금은 {shown}({ratio:.2f})입니다.",
                f"crop it to a ratio of {_ratios(narrowest, widest)}; it is {shown} ({ratio:.2f}).",
                {"narrowest": narrowest, "widest": widest, "found": round(ratio, 3)},
            )
        )
    if limits.least_width is not None and facts.width < limits.least_width:
        found.append(
            (
                f"가로를 {limits.least_width}픽셀 이상으로 키워 주세요. "
                f"지금은 {facts.width}픽셀입니다.",
                f"make it at least {limits.least_width} pixels wide; it has {facts.width}.",
                {"limit": limits.least_width, "found": facts.width},
            )
        )
    if limits.most_width is not None and facts.width > limits.most_width:
        found.append(
            (
                f"가로를 {limits.most_width}픽셀 이하로 줄여 주세요. "
                f"지금은 {facts.width}픽셀입니다.",
                f"make it at most {limits.most_width} pixels wide; it has {facts.width}.",
                {"limit": limits.most_width, "found": facts.width},
            )
        )
    return found


def _ratios(narrowest: float | None, widest: float | None) -> str:
    least = "" if narrowest is None else f"{narrowest:g}"
    most = "" if widest is None else f"{widest:g}"
    return f"{least}~{most}"


def _in_time(facts: MediaFacts, limits: Limits) -> list[Finding]:
    found: list[Finding] = []
    seconds, fps = facts.duration_s, facts.fps
    if seconds is not None and limits.least_s is not None and seconds < limits.least_s:
        found.append(
            (
                f"길이를 {limits.least_s:g}초 이상으로 늘려 주세요. 지금은 {seconds:.1f}초입니다.",
                f"make it at least {limits.least_s:g} s long; it has {seconds:.1f} s.",
                {"limit": limits.least_s, "found": seconds},
            )
        )
    if seconds is not None and limits.most_s is not None and seconds > limits.most_s + 0.5:
        found.append(
            (
                f"길이를 {limits.most_s:g}초 이하로 줄여 주세요. 지금은 {seconds:.1f}초입니다.",
                f"cut it to at most {limits.most_s:g} s; it has {seconds:.1f} s.",
                {"limit": limits.most_s, "found": seconds},
            )
        )
    if fps is not None and not (limits.least_fps or 0) <= fps <= (limits.most_fps or fps):
        bounds = f"{limits.least_fps:g}~{limits.most_fps:g}"
        found.append(
            (
                f"초당 프레임 수를 {bounds}에 맞춰 주세요. 지금은 {fps:.1f}입니다.",
                f"use {bounds} frames a second; it has {fps:.1f}.",
                {"found": fps},
            )
        )
    rate = facts.sample_rate_hz
    if rate is not None and rate > (limits.most_sample_rate_hz or rate):
        found.append(
            (
                f"소리의 샘플링 주파수를 {limits.most_sample_rate_hz:,}Hz 이하로 낮춰 주세요. "
                f"지금은 {rate:,}Hz입니다.",
                f"sample its sound at no more than {limits.most_sample_rate_hz:,} Hz.",
                {"limit": limits.most_sample_rate_hz, "found": rate},
            )
        )
    return found
