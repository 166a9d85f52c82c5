from datetime import UTC, datetime

import pytest

from engine.errors import InputInvalid
from engine.platforms.youtube_resources import final_status, reading_of, video_of
from engine.platforms.youtube_rules import kind_of, length_of_tags, problems_of
from engine.ports import ContainerState, Media, Post
from models.words import PostFormat

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FILM = Media("https://a.test/봄.mp4", "video")


def film(text="설명", title="제목", **options):
    return Post(text, (FILM,), title=title, options=options)


def fields(post):
    return [problem.field for problem in problems_of(post, NOW)]


@pytest.mark.parametrize(
    "post",
    [
        film(),
        film(title="가" * 100),
        film(text="가" * 1666),
        film(privacy="unlisted"),
        film(publish_at="2026-11-26T09:00:00+09:00"),
        film(publish_at="2026-11-26T09:00:00+09:00", privacy="private"),
        film(tags=["가" * 249, "나" * 250]),
        film(category_id="24", default_language="en-US", made_for_kids=True),
    ],
)
def test_what_youtube_takes_is_fine(post):
    assert fields(post) == []


@pytest.mark.parametrize(
    ("post", "wanted"),
    [
        (film(title=""), ["title"]),
        (film(title="가" * 101), ["title"]),
        (film(title="a<b"), ["title"]),
        (film(text="가" * 1667), ["text"]),
        (film(text="a>b"), ["text"]),
        (film(tags=["가" * 250, "나" * 250]), ["options.youtube.tags"]),
        (film(tags=[" "]), ["options.youtube.tags"]),
        (film(tags="봄"), ["options.youtube.tags"]),
        (film(category_id="music"), ["options.youtube.category_id"]),
        (film(default_language="한국어"), ["options.youtube.default_language"]),
        (film(thumbnail_url="a.jpg"), ["options.youtube.thumbnail_url"]),
        (film(privacy="private"), ["options.youtube.privacy"]),
        (film(privacy="friends"), ["options.youtube.privacy"]),
        (film(publish_at="2026-11-25T11:00:00Z"), ["options.youtube.publish_at"]),
        (film(publish_at="2026-11-26T09:00:00"), ["options.youtube.publish_at"]),
        (
            film(publish_at="2026-11-26T09:00:00Z", privacy="public"),
            ["options.youtube.privacy"],
        ),
        (film(colour="red"), ["options.youtube.colour"]),
        (Post("a", (Media("https://a.test/a.jpg"),), title="a"), ["media"]),
        (Post("a", (FILM, FILM), title="a"), ["media"]),
        (Post("a", (), title="a"), ["media"]),
    ],
)
def test_what_youtube_would_refuse_is_told(post, wanted):
    assert fields(post) == wanted


def test_tags_with_blanks_count_their_quotes_and_all_their_commas():
    assert length_of_tags([]) == 0
    assert length_of_tags(["봄", "봄 꽃"]) == 1 + 5 + 1


def test_a_reel_becomes_a_short_and_a_story_becomes_nothing():
    assert kind_of(film()) == "video"
    assert kind_of(Post("a", (FILM,), format=PostFormat.REEL)) == "short"
    with pytest.raises(InputInvalid, match="스토리"):
        kind_of(Post("a", (FILM,), format=PostFormat.STORY))


def test_an_upload_is_private_and_publishing_keeps_the_rest_of_its_status():
    post = film(made_for_kids=True, license="creativeCommon", embeddable=False)
    begun, final = video_of(post, category_id="22")["status"], final_status(post)
    assert begun.pop("privacyStatus") == "private"
    assert final.pop("privacyStatus") == "public"
    assert begun == final
    assert "publishAt" not in begun


def test_a_video_with_a_time_stays_private_until_then():
    status = final_status(film(publish_at="2026-11-26T09:00:00+09:00"))
    assert status["privacyStatus"] == "private"
    assert status["publishAt"] == "2026-11-26T00:00:00.000Z"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"uploadStatus": "uploaded", "privacyStatus": "private"}, ContainerState.IN_PROGRESS),
        ({"uploadStatus": "processed", "privacyStatus": "private"}, ContainerState.READY),
        ({"uploadStatus": "uploaded", "privacyStatus": "public"}, ContainerState.PUBLISHED),
        ({"uploadStatus": "processed", "privacyStatus": "unlisted"}, ContainerState.PUBLISHED),
        (
            {
                "uploadStatus": "processed",
                "privacyStatus": "private",
                "publishAt": "2026-11-26T00:00:00Z",
            },
            ContainerState.PUBLISHED,
        ),
        ({"uploadStatus": "failed", "failureReason": "codec"}, ContainerState.FAILED),
        (
            {"uploadStatus": "rejected", "rejectionReason": "duplicate", "privacyStatus": "public"},
            ContainerState.FAILED,
        ),
        ({"uploadStatus": "processed"}, None),
        ({"privacyStatus": "private"}, None),
    ],
)
def test_a_videos_status_tells_how_far_it_is(status, state):
    reading = reading_of({"id": "v1", "status": status}, "https://watch.test/?v=v1")
    assert (reading and reading.state) == state


def test_a_rejection_is_told_in_korean():
    status = {"uploadStatus": "rejected", "rejectionReason": "duplicate"}
    assert "이미 올린 동영상" in reading_of({"id": "v1", "status": status}, "").detail
