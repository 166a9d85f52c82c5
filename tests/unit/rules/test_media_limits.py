import re
from dataclasses import replace

import pytest

from engine.errors import (
    MediaChanged,
    MediaFault,
    MediaForbidden,
    MediaTooLarge,
    MediaUnreachable,
    MediaUnreadable,
)
from engine.media.probe import REASONS
from engine.ports import MediaFacts
from engine.rules.media_faults import SENTENCES, UNREADABLE, problem_of_fault
from engine.rules.media_limits import LIMITS, MB, MIB, Limits, problems_of_media

PICTURE = MediaFacts("image", "jpeg", 1080, 1080, size_bytes=MIB)
CLIP = MediaFacts(
    "video",
    "mp4",
    1080,
    1920,
    size_bytes=50 * MB,
    codec="h264",
    duration_s=20.0,
    fps=30.0,
    bit_rate=20_000_000,
    audio_codec="aac",
    audio_sample_rate=44_100,
)
KOREAN = re.compile("[가-힣]")


@pytest.mark.parametrize("place", sorted(LIMITS))
def test_ordinary_file_is_fine_everywhere(place: tuple[str, str, str]) -> None:
    facts = CLIP if place[2] == "video" else PICTURE
    assert problems_of_media(facts, LIMITS[place], "media[0]") == []


@pytest.mark.parametrize("place", sorted(LIMITS))
def test_wrong_kind_is_the_only_problem_told(place: tuple[str, str, str]) -> None:
    facts = PICTURE if place[2] == "video" else CLIP
    (problem,) = problems_of_media(facts, LIMITS[place], "media[0]")
    assert problem.evidence == {"wanted": LIMITS[place].kind, "found": facts.kind}


@pytest.mark.parametrize("place", sorted(LIMITS))
def test_place_says_its_kind_and_a_size(place: tuple[str, str, str]) -> None:
    assert LIMITS[place].kind == ("video" if place[2] == "video" else "image")
    assert LIMITS[place].max_bytes is not None


REEL, FEED = LIMITS["instagram", "reel", "video"], LIMITS["instagram", "image", "image"]


@pytest.mark.parametrize(
    ("facts", "limits", "said"),
    [
        (replace(PICTURE, format="webp"), FEED, ("WebP", "JPEG")),
        (replace(PICTURE, size_bytes=8 * MIB + 1), FEED, ("8.3MB", "8.4MB")),
        (replace(PICTURE, width=1920, height=500), FEED, ("0.80~1.91", "3.84", "1920×500")),
        (replace(PICTURE, width=1080, height=1920), FEED, ("0.80~1.91", "0.56")),
        (replace(CLIP, format="webm"), REEL, ("WebM", "MOV")),
        (replace(CLIP, codec="vp9"), REEL, ("VP9", "H.264")),
        (replace(CLIP, audio_codec="opus"), REEL, ("OPUS", "AAC")),
        (replace(CLIP, size_bytes=300 * MB + 1), REEL, ("300MB", "300.1MB")),
        (replace(CLIP, width=3840, height=2160), REEL, ("1,920픽셀", "3,840픽셀")),
        (replace(CLIP, duration_s=2.0), REEL, ("3~900초", "2.0초")),
        (replace(CLIP, duration_s=1000.0), REEL, ("3~900초", "1,000.0초")),
        (replace(CLIP, fps=15.0), REEL, ("23~60프레임", "15프레임")),
        (replace(CLIP, fps=120.0), REEL, ("23~60프레임", "120프레임")),
        (replace(CLIP, audio_sample_rate=96_000), REEL, ("48,000Hz", "96,000Hz")),
        (
            replace(PICTURE, width=320),
            LIMITS["youtube", "video", "thumbnail"],
            ("640픽셀 이상으로",),
        ),
        (replace(CLIP, width=1920, height=1080), LIMITS["youtube", "short", "video"], ("1.78",)),
        (replace(CLIP, width=1920, height=1080), LIMITS["facebook", "reel", "video"], ("0.56",)),
    ],
)
def test_each_breach_is_one_sentence_with_its_numbers(
    facts: MediaFacts, limits: Limits, said: tuple[str, ...]
) -> None:
    (problem,) = problems_of_media(facts, limits, "media[3]")
    assert problem.field == "media[3]"
    for words in said:
        assert words in problem.korean
    assert not KOREAN.search(problem.english)
    assert problem.evidence


def test_all_breaches_are_told_at_once() -> None:
    facts = replace(CLIP, format="avi", codec="mpeg4", fps=10.0, duration_s=1.0, width=4000)
    assert len(problems_of_media(facts, REEL, "media[0]")) == 5


@pytest.mark.parametrize(
    "facts",
    [
        replace(PICTURE, width=1080, height=1350),
        replace(PICTURE, width=1080, height=1351),
        replace(PICTURE, width=1080, height=566),
        replace(PICTURE, size_bytes=8 * MIB),
        replace(PICTURE, size_bytes=None),
    ],
)
def test_picture_at_the_edge_is_fine(facts: MediaFacts) -> None:
    assert problems_of_media(facts, FEED, "media") == []


@pytest.mark.parametrize(
    "facts",
    [
        replace(CLIP, fps=60.02),
        replace(CLIP, fps=22.976),
        replace(CLIP, duration_s=900.05),
        replace(CLIP, duration_s=2.95),
        replace(CLIP, duration_s=None, fps=None, audio_codec=None, audio_sample_rate=None),
    ],
)
def test_video_at_the_edge_or_without_figures_is_fine(facts: MediaFacts) -> None:
    assert problems_of_media(facts, REEL, "media") == []


def test_stretched_pixels_count_in_the_ratio() -> None:
    """Anamorphic: 720×576 shown as 16:9."""
    facts = replace(CLIP, width=720, height=576, pixel_aspect=64 / 45)
    assert facts.aspect == pytest.approx(16 / 9)


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_fault_is_told_in_both_languages(code: str) -> None:
    problem = problem_of_fault(MediaUnreadable("", code=code, evidence={"host": "a.test"}), "m")
    assert KOREAN.search(problem.korean)
    assert not KOREAN.search(problem.english)
    assert problem.evidence == {"code": code, "host": "a.test"}


@pytest.mark.parametrize(
    "fault",
    [
        MediaForbidden("", code="other"),
        MediaUnreachable("", code="other", is_retryable=False),
        MediaTooLarge("", code="too_large"),
        MediaChanged("", code="changed"),
    ],
)
def test_fault_without_a_sentence_of_its_own_has_that_of_its_class(fault: MediaFault) -> None:
    problem = problem_of_fault(fault, "media[1]")
    assert problem.field == "media[1]"
    assert problem.korean != UNREADABLE[0]


def test_every_reason_of_a_decoder_can_be_told() -> None:
    for code in REASONS:
        assert KOREAN.search(problem_of_fault(MediaUnreadable("", code=code), "m").korean)
