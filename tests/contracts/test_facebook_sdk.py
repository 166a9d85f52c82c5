"""The public software development kit, unmodified, publishes on the sandbox as on the real host.

What its generated classes send was written down by the platform, so a wrong belief that the
sandbox and our own client share shows here.
"""

import json

import httpx
import pytest
from facebook_business.adobjects.advideo import AdVideo
from facebook_business.adobjects.igmedia import IGMedia
from facebook_business.adobjects.iguser import IGUser
from facebook_business.adobjects.page import Page
from facebook_business.adobjects.pagepost import PagePost
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

from tests.running_sandbox import RunningSandbox

NODE = "1000000000001"
SECRET = "geheim"


@pytest.fixture
def api(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> FacebookAdsApi:
    """Only the host is another; the kit signs every call, and the sandbox demands it."""
    sandbox.switch(container_ready_s=0, fetch_media=False, app_secret=SECRET)
    monkeypatch.setattr(FacebookSession, "GRAPH", sandbox.base_url)
    session = FacebookSession("1", SECRET, sandbox.token(NODE))
    session.requests.trust_env = False
    api = FacebookAdsApi(session)
    yield api
    session.requests.close()


@pytest.fixture
def page(api: FacebookAdsApi) -> Page:
    return Page(NODE, api=api)


@pytest.fixture
def user(api: FacebookAdsApi) -> IGUser:
    return IGUser(NODE, api=api)


def upload(sandbox: RunningSandbox, url: str, body: bytes) -> None:
    headers = {
        "Authorization": f"OAuth {sandbox.token(NODE)}",
        "offset": "0",
        "file_size": str(len(body)),
    }
    proof = FacebookSession("1", SECRET, sandbox.token(NODE)).appsecret_proof
    answer = httpx.post(url, headers=headers, params={"appsecret_proof": proof}, content=body)
    assert answer.json()["success"] is True


def test_page_post_is_made_read_and_listed(sandbox, page):
    made = page.create_feed(params={"message": "봄 세일"})
    (row,) = sandbox.posts()
    assert (row["id"], row["kind"], row["caption"]) == (made["id"], "text", "봄 세일")
    (listed,) = page.get_published_posts(
        fields=["message", "created_time", "permalink_url", "is_published", "status_type", "from"]
    )
    assert (listed["id"], listed["message"]) == (row["id"], "봄 세일")
    assert listed["permalink_url"] == row["url"]


def test_unpublished_post_is_made_public_and_deleted(sandbox, api, page):
    made = page.create_feed(params={"message": "나중", "published": False})
    assert sandbox.posts() == []
    post = PagePost(made["id"], api=api)
    post.api_update(params={"is_published": True})
    post.api_update(params={"is_published": True})
    assert [row["id"] for row in sandbox.posts()] == [made["id"]]
    assert post.api_get(fields=["is_published"])["is_published"] is True
    post.api_delete()
    assert sandbox.posts()[0]["is_deleted"] is True


def test_photos_are_uploaded_and_attached_in_order(sandbox, page):
    urls = [sandbox.picture(seed=seed) for seed in "ba"]
    photos = [page.create_photo(params={"url": url, "published": False}) for url in urls]
    assert sandbox.posts() == []
    media = [{"media_fbid": photo["id"]} for photo in photos]
    page.create_feed(params={"message": "둘", "attached_media": media})
    (row,) = sandbox.posts()
    assert row["kind"] == "photos"
    assert [medium["url"] for medium in row["media"]] == urls


def test_post_is_scheduled_and_appears(sandbox, page):
    at = int(sandbox.now()) + 1200
    made = page.create_feed(
        params={"message": "예약", "published": False, "scheduled_publish_time": at}
    )
    (scheduled,) = page.get_scheduled_posts(fields=["scheduled_publish_time"])
    assert (scheduled["id"], scheduled["scheduled_publish_time"]) == (made["id"], at)
    sandbox.advance(1201)
    assert [row["posted_at"] for row in sandbox.posts()] == [at]


def test_video_is_made_by_address_and_published_later(sandbox, api, page):
    params = {"file_url": sandbox.video(), "description": "영상", "published": False}
    made = page.create_video(params=params)
    assert sandbox.posts() == []
    video = AdVideo(made["id"], api=api)
    video.api_update(params={"published": True})
    (row,) = sandbox.posts()
    assert (row["id"], row["kind"], row["caption"]) == (made["id"], "video", "영상")
    assert video.api_get(fields=["status"])["status"]["video_status"] == "ready"
    assert [one["id"] for one in page.get_videos(fields=["description"])] == [made["id"]]


def test_video_is_sent_in_chunks(sandbox, page):
    body = b"0123456789" * 1000
    params = {"upload_phase": "start", "file_size": len(body)}
    start = page.create_video(params=params)
    session = start["upload_session_id"]
    page.get_api().call(
        "POST",
        (NODE, "videos"),
        params={"upload_phase": "transfer", "upload_session_id": session, "start_offset": 0},
        files={"video_file_chunk": ("chunk", body, "multipart/form-data")},
    )
    finish = {"upload_phase": "finish", "upload_session_id": session, "description": "조각"}
    page.create_video(params=finish)
    (row,) = sandbox.posts()
    assert (row["kind"], row["caption"]) == ("video", "조각")
    assert row["media"][0]["size_bytes"] == len(body)


def test_reel_is_started_uploaded_and_finished(sandbox, page):
    start = page.create_video_reel(params={"upload_phase": "start"})
    upload(sandbox, start["upload_url"], b"0123456789")
    page.create_video_reel(
        params={
            "upload_phase": "finish",
            "video_id": start["video_id"],
            "video_state": "PUBLISHED",
            "description": "릴스",
        }
    )
    (row,) = sandbox.posts()
    assert (row["id"], row["kind"], row["caption"]) == (start["video_id"], "reel", "릴스")
    (listed,) = page.get_video_reels(fields=["description", "published"])
    assert listed["published"] is True


def test_instagram_image_is_published_and_read_back(sandbox, api, user):
    container = user.create_media(params={"image_url": sandbox.picture(), "caption": "꽃 #봄"})
    media = user.create_media_publish(params={"creation_id": container["id"]})
    (row,) = sandbox.posts()
    assert (row["id"], row["kind"], row["caption"]) == (media["id"], "image", "꽃 #봄")
    fields = ["caption", "permalink", "timestamp", "media_type", "media_product_type", "shortcode"]
    read = IGMedia(media["id"], api=api).api_get(fields=fields)
    assert (read["permalink"], read["media_product_type"]) == (row["url"], "FEED")
    assert [one["id"] for one in user.get_media(fields=["caption"])] == [media["id"]]
    (limit,) = user.get_content_publishing_limit(fields=["config", "quota_usage"])
    assert limit["quota_usage"] == 1
    IGMedia(media["id"], api=api).create_comment(params={"message": "첫 댓글"})
    assert sandbox.posts()[0]["comments"] == ["첫 댓글"]


def test_instagram_carousel_keeps_its_order(sandbox, user):
    urls = [sandbox.picture(seed=seed) for seed in "cab"]
    children = [
        user.create_media(params={"image_url": url, "is_carousel_item": True})["id"] for url in urls
    ]
    params = {"media_type": "CAROUSEL", "children": children, "caption": "셋"}
    container = user.create_media(params=params)
    user.create_media_publish(params={"creation_id": container["id"]})
    (row,) = sandbox.posts()
    assert row["kind"] == "carousel"
    assert [medium["url"] for medium in row["media"]] == urls


def test_instagram_reel_and_story_are_published(sandbox, user):
    for params in (
        {"media_type": "REELS", "video_url": sandbox.video(), "caption": "릴스"},
        {"media_type": "STORIES", "image_url": sandbox.picture()},
    ):
        container = user.create_media(params=params)
        user.create_media_publish(params={"creation_id": container["id"]})
    assert [row["kind"] for row in sandbox.posts()] == ["reel", "story"]
    (story,) = user.get_stories(fields=["media_product_type"])
    assert story["media_product_type"] == "STORY"


def test_refusal_is_raised_with_its_code_and_subcode(sandbox, user):
    sandbox.switch(container_ready_s=60)
    container = user.create_media(params={"image_url": sandbox.picture()})
    with pytest.raises(FacebookRequestError) as refused:
        user.create_media_publish(params={"creation_id": container["id"]})
    assert refused.value.api_error_code() == 9007
    assert refused.value.api_error_subcode() == 2207027
    assert refused.value.http_status() == 400
    assert refused.value.api_transient_error() is False
    assert sandbox.posts() == []


def test_batch_of_two_tells_each_outcome(sandbox, api, page):
    made, refused = [], []
    batch = api.new_batch()
    page.create_feed(
        params={"message": "가"}, batch=batch, success=made.append, failure=refused.append
    )
    page.create_feed(params={}, batch=batch, success=made.append, failure=refused.append)
    batch.execute()
    (row,) = sandbox.posts()
    assert [json.loads(answer._body)["id"] for answer in made] == [row["id"]]
    assert [answer.error().api_error_code() for answer in refused] == [100]
