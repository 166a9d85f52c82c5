"""Meta's own client library, unmodified, publishes into the sandbox.

Only the host is another. What it made of it is read off the sandbox's truth.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest
from facebook_business.adobjects.advideo import AdVideo
from facebook_business.adobjects.igmedia import IGMedia
from facebook_business.adobjects.iguser import IGUser
from facebook_business.adobjects.iguserforigonlyapi import IGUserForIGOnlyAPI
from facebook_business.adobjects.page import Page
from facebook_business.adobjects.pagepost import PagePost
from facebook_business.api import FacebookAdsApi, FacebookSession
from facebook_business.exceptions import FacebookRequestError

from tests.running_sandbox import RunningSandbox

PAGE = "1002003001"
INSTAGRAM = "17841400000000001"
SECRET = "geheim"


class SandboxSession(FacebookSession):
    """Meta's session on another host; a class of its own, so that no other test sees it."""


def api_of(sandbox: RunningSandbox, account: str) -> FacebookAdsApi:
    session = SandboxSession("1", SECRET, sandbox.token(account))
    session.GRAPH = sandbox.base_url
    session.requests.trust_env = False
    return FacebookAdsApi(session)


@pytest.fixture(autouse=True)
def _proofs(sandbox: RunningSandbox) -> None:
    """The library sends an appsecret_proof with each call; the sandbox holds it to that."""
    sandbox.switch(container_ready_s=0, fetch_media=False, app_secret=SECRET)


@pytest.fixture
def page(sandbox: RunningSandbox) -> Page:
    return Page(PAGE, api=api_of(sandbox, PAGE))


@pytest.fixture
def instagram(sandbox: RunningSandbox) -> IGUser:
    return IGUser(INSTAGRAM, api=api_of(sandbox, INSTAGRAM))


@pytest.fixture
def film(sandbox: RunningSandbox, tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(httpx.get(sandbox.film(), trust_env=False).content)
    return path


def only(posts: list[dict[str, Any]]) -> dict[str, Any]:
    [post] = posts
    return post


def test_a_text_is_posted_edited_read_and_deleted(sandbox: RunningSandbox, page: Page) -> None:
    post = page.create_feed(params={"message": "안녕하세요", "link": "https://example.com"})
    assert only(sandbox.posts(PAGE))["caption"] == "안녕하세요"
    PagePost(post["id"], api=page.get_api()).api_update(params={"message": "고친 글"})
    read = PagePost(post["id"], api=page.get_api()).api_get(
        fields=["message", "is_published", "permalink_url"]
    )
    assert (read["message"], read["is_published"]) == ("고친 글", True)
    listed = list(page.get_published_posts(fields=["message"]))
    assert [one["message"] for one in listed] == ["고친 글"]
    PagePost(post["id"], api=page.get_api()).api_delete()
    assert only(sandbox.posts(PAGE))["is_deleted"]


def test_unpublished_photos_become_one_post_that_a_flag_publishes(
    sandbox: RunningSandbox, page: Page
) -> None:
    photos = [
        page.create_photo(params={"url": sandbox.picture(seed=seed), "published": False})["id"]
        for seed in ("a", "b")
    ]
    attached = [{"media_fbid": photo} for photo in photos]
    post = page.create_feed(
        params={"message": "사진 두 장", "attached_media": attached, "published": False}
    )
    assert sandbox.posts(PAGE) == []
    for _ in range(2):
        PagePost(post["id"], api=page.get_api()).api_update(params={"is_published": True})
    live = only(sandbox.posts(PAGE))
    assert (live["kind"], live["caption"]) == ("photos", "사진 두 장")
    assert [medium["url"] for medium in live["media"]] == [
        sandbox.picture(seed="a"),
        sandbox.picture(seed="b"),
    ]


def test_a_video_is_published_by_its_flag(sandbox: RunningSandbox, page: Page) -> None:
    video = page.create_video(
        params={"file_url": sandbox.film(), "description": "영상", "published": False}
    )
    assert sandbox.posts(PAGE) == []
    node = AdVideo(video["id"], api=page.get_api())
    assert node.api_get(fields=["status"])["status"]["video_status"] == "ready"
    node.api_update(params={"published": True})
    live = only(sandbox.posts(PAGE))
    assert (live["kind"], live["caption"]) == ("video", "영상")


def test_a_video_is_uploaded_in_chunks(sandbox: RunningSandbox, page: Page, film: Path) -> None:
    size = film.stat().st_size
    begun = page.create_video(params={"upload_phase": "start", "file_size": size})
    session, start = begun["upload_session_id"], int(begun["start_offset"])
    while start < size:
        chunk = film.read_bytes()[start : start + 100_000]
        sent = page.get_api().call(
            "POST",
            (PAGE, "videos"),
            params={
                "upload_phase": "transfer",
                "upload_session_id": session,
                "start_offset": start,
            },
            files={"video_file_chunk": ("chunk.mp4", chunk, "video/mp4")},
        )
        start = int(sent.json()["start_offset"])
    page.create_video(
        params={"upload_phase": "finish", "upload_session_id": session, "description": "조각"}
    )
    assert only(sandbox.posts(PAGE))["caption"] == "조각"


def test_a_reel_is_begun_filled_and_finished(
    sandbox: RunningSandbox, page: Page, film: Path
) -> None:
    begun = page.create_video_reel(params={"upload_phase": "start"})
    body = film.read_bytes()
    answer = httpx.post(
        begun["upload_url"],
        headers={
            "Authorization": f"OAuth {sandbox.token(PAGE)}",
            "offset": "0",
            "file_size": str(len(body)),
        },
        content=body,
        trust_env=False,
    )
    assert answer.json()["success"] is True
    page.create_video_reel(
        params={
            "upload_phase": "finish",
            "video_id": begun["video_id"],
            "video_state": "PUBLISHED",
            "description": "릴스",
        }
    )
    live = only(sandbox.posts(PAGE))
    assert (live["kind"], live["caption"]) == ("reel", "릴스")
    assert list(page.get_published_posts()) == []  # reels have a list of their own
    assert [one["id"] for one in page.get_video_reels()] == [live["id"]]


def test_a_picture_goes_through_a_container(sandbox: RunningSandbox, instagram: IGUser) -> None:
    container = instagram.create_media(params={"image_url": sandbox.picture(), "caption": "봄 #꽃"})
    assert sandbox.posts(INSTAGRAM) == []
    published = instagram.create_media_publish(params={"creation_id": container["id"]})
    live = only(sandbox.posts(INSTAGRAM))
    assert (live["id"], live["kind"], live["caption"]) == (published["id"], "image", "봄 #꽃")
    media = IGMedia(published["id"], api=instagram.get_api())
    assert media.api_get(fields=["caption", "permalink"])["caption"] == "봄 #꽃"
    limit = only(list(instagram.get_content_publishing_limit(fields=["config", "quota_usage"])))
    assert limit["quota_usage"] == 1


def test_the_instagram_only_class_publishes_by_its_own_spelling(sandbox: RunningSandbox) -> None:
    user = IGUserForIGOnlyAPI(INSTAGRAM, api=api_of(sandbox, INSTAGRAM))
    container = user.create_media(params={"image_url": sandbox.picture(), "caption": "글"})
    user.create_media_publish(params={"creation_id": container["id"]})
    assert only(sandbox.posts(INSTAGRAM))["caption"] == "글"


def test_a_carousel_keeps_its_order(sandbox: RunningSandbox, instagram: IGUser) -> None:
    children = [
        instagram.create_media(
            params={"image_url": sandbox.picture(seed=seed), "is_carousel_item": True}
        )["id"]
        for seed in ("c", "a", "b")
    ]
    container = instagram.create_media(
        params={"media_type": "CAROUSEL", "children": children, "caption": "세 장"}
    )
    instagram.create_media_publish(params={"creation_id": container["id"]})
    live = only(sandbox.posts(INSTAGRAM))
    assert live["kind"] == "carousel"
    assert [medium["url"] for medium in live["media"]] == [
        sandbox.picture(seed=seed) for seed in ("c", "a", "b")
    ]


def test_an_error_reaches_the_library_with_its_codes(
    sandbox: RunningSandbox, instagram: IGUser
) -> None:
    with pytest.raises(FacebookRequestError) as caught:
        instagram.create_media(params={"image_url": sandbox.picture(), "caption": "가" * 2201})
    assert (caught.value.api_error_code(), caught.value.api_error_subcode()) == (36004, 2207010)
    assert caught.value.http_status() == 400


def test_a_batch_is_answered_in_its_order(sandbox: RunningSandbox, page: Page) -> None:
    answers: list[tuple[str, Any]] = []
    batch = page.get_api().new_batch()
    for text in ("첫째", ""):
        page.create_feed(
            params={"message": text},
            batch=batch,
            success=lambda response: answers.append(("good", response.json()["id"])),
            failure=lambda response: answers.append(("bad", response.error().api_error_code())),
        )
    batch.execute()
    live = only(sandbox.posts(PAGE))
    assert answers == [("good", live["id"]), ("bad", 100)]
