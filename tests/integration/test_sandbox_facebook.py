"""The imitated Facebook Page from outside, with a client that knows nothing of our adapter."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.running_sandbox import RunningSandbox

PAGE = "1000000000001"


class Page:
    """Plain HTTP as one Page."""

    def __init__(self, sandbox: RunningSandbox, page: str = PAGE) -> None:
        self.sandbox = sandbox
        self.id = page
        self.token = sandbox.token(page)
        self.http = httpx.Client(
            base_url=f"{sandbox.base_url}/v26.0",
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
        )

    def post(self, edge: str, **parameters: object) -> httpx.Response:
        return self.http.post(f"/{self.id}/{edge}", data=parameters)

    def made(self, edge: str, **parameters: object) -> dict:
        answer = self.post(edge, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def read(self, node: str, fields: str) -> dict:
        answer = self.http.get(f"/{node}", params={"fields": fields})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, edge: str, **more: object) -> list[str]:
        answer = self.http.get(f"/{self.id}/{edge}", params={"fields": "id", **more})
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["data"]]

    def photo(self, seed: str = "a") -> str:
        url = self.sandbox.picture(seed=seed)
        return self.made("photos", url=url, published="false")["id"]

    def soon(self, seconds: float = 1200) -> int:
        return int(self.sandbox.now() + seconds)


@pytest.fixture
def page(sandbox: RunningSandbox) -> Iterator[Page]:
    """Videos are ready at once and media are believed, unless a test says otherwise."""
    sandbox.switch(container_ready_s=0, fetch_media=False)
    page = Page(sandbox)
    with page.http:
        yield page


def fault_of(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["error"]["code"]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


# Posts


def test_text_post_is_public_at_once(page):
    post = page.made("feed", message="봄 세일")["id"]
    assert post.startswith(f"{PAGE}_")
    (row,) = page.sandbox.posts()
    assert (row["id"], row["platform"], row["kind"]) == (post, "facebook", "text")
    assert (row["caption"], row["media"]) == ("봄 세일", [])
    fields = "message,is_published,status_type,from,permalink_url,created_time,attachments"
    listed = page.read(post, fields)
    assert listed["is_published"] is True
    assert listed["from"] == {"id": PAGE, "name": f"account_{PAGE}"}
    assert listed["permalink_url"] == row["url"]
    assert "봄 세일" in httpx.get(row["url"]).text


def test_unpublished_post_is_made_public_once_however_often_it_is_asked(page):
    post = page.made("feed", message="나중", published="false")["id"]
    assert page.sandbox.posts() == []
    assert page.ids("published_posts") == []
    assert page.read(post, "is_published") == {"is_published": False}
    for _ in range(2):
        answer = page.http.post(f"/{post}", data={"is_published": "true"})
        assert answer.json() == {"success": True}
    assert [row["id"] for row in page.sandbox.posts()] == [post]
    assert page.ids("published_posts") == page.ids("feed") == [post]
    calls = [request["call"] for request in page.sandbox.requests(path=post)]
    assert calls == ["read_post", "publish", "publish"]


@pytest.mark.parametrize("form", ["array", "numbered", "json"])
def test_photos_are_attached_in_order_in_every_form(page, form):
    photos = [page.photo(seed) for seed in "cab"]
    assert page.sandbox.posts() == []
    media = [{"media_fbid": photo} for photo in photos]
    if form == "numbered":
        more = {f"attached_media[{n}]": json.dumps(one) for n, one in enumerate(media)}
        answer = page.post("feed", message="셋", **more)
    elif form == "array":
        answer = page.post("feed", message="셋", attached_media=json.dumps(media))
    else:
        body = {"message": "셋", "attached_media": media}
        answer = page.http.post(f"/{PAGE}/feed", json=body)
    (row,) = page.sandbox.posts()
    assert (row["id"], row["kind"]) == (answer.json()["id"], "photos")
    wanted = [page.sandbox.picture(seed=seed) for seed in "cab"]
    assert [medium["url"] for medium in row["media"]] == wanted
    assert sorted(page.ids("photos")) == sorted(photos)
    (album,) = page.read(row["id"], "attachments")["attachments"]["data"]
    assert len(album["subattachments"]["data"]) == 3


def test_photo_alone_is_a_post_with_its_alt_text(page):
    url = page.sandbox.picture()
    answer = page.made("photos", url=url, caption="창", alt_text_custom="창가의 꽃")
    (row,) = page.sandbox.posts()
    assert (row["id"], row["kind"], row["caption"]) == (answer["post_id"], "photo", "창")
    assert row["media"] == [{"kind": "image", "url": url, "alt_text": "창가의 꽃"}]
    assert page.read(answer["id"], "alt_text,page_story_id")["page_story_id"] == row["id"]


def test_photo_is_read_whether_it_is_fetched_or_sent(page):
    page.sandbox.switch(fetch_media=True)
    picture = httpx.get(page.sandbox.picture()).content
    files = {"source": ("a.jpg", picture, "image/jpeg")}
    sent = page.http.post(f"/{PAGE}/photos", data={"caption": "보냄"}, files=files)
    assert sent.status_code == 200, sent.text
    (medium,) = page.sandbox.posts()[0]["media"]
    assert medium["sha256"] == hashlib.sha256(picture).hexdigest()
    page.photo()
    assert fault_of(page.post("photos", url=page.sandbox.video())) == (400, 324)
    assert fault_of(page.post("photos", url="http://127.0.0.1:1/a.jpg")) == (400, 324)
    assert fault_of(page.post("photos")) == (400, 324)
    bad = page.http.post(f"/{PAGE}/photos", files={"source": ("a.jpg", b"no picture")})
    assert fault_of(bad) == (400, 324)
    assert len(page.sandbox.posts()) == 1


def test_link_that_cannot_be_scraped_is_refused(page):
    link = f"{page.sandbox.base_url}/healthz"
    page.sandbox.switch(scrape_links=True)
    post = page.made("feed", link=link)["id"]
    assert page.read(post, "status_type")["status_type"] == "shared_story"
    assert page.sandbox.posts()[0]["link"] == link
    for bad in ("http://shop.invalid/", "http://127.0.0.1:1/", "shop"):
        assert fault_of(page.post("feed", message="가", link=bad)) == (400, 1609005)
    assert len(page.sandbox.posts()) == 1


def test_same_words_within_a_while_are_a_duplicate(page):
    page.sandbox.switch(duplicate_s=60)
    page.made("feed", message="같은 말")
    assert fault_of(page.post("feed", message="같은 말")) == (400, 506)
    page.sandbox.advance(61)
    page.made("feed", message="같은 말")
    assert len(page.sandbox.posts()) == 2


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"message": "가", "attached_media": "a"},
        {"message": "가", "attached_media": '[{"media_fbid": "1"}]'},
        {"message": "가", "scheduled_publish_time": "soon"},
        {"message": "가", "published": "true", "scheduled_publish_time": "9999999999"},
        {"message": "가", "unpublished_content_type": "SCHEDULED", "published": "false"},
    ],
)
def test_post_that_makes_no_sense_is_refused(page, parameters):
    assert fault_of(page.post("feed", **parameters)) == (400, 100)
    assert page.sandbox.posts() == []


def test_message_is_edited_and_post_deleted(page):
    post = page.made("feed", message="오타")["id"]
    page.http.post(f"/{post}", data={"message": "바름"})
    assert page.sandbox.posts()[0]["caption"] == "바름"
    assert page.http.delete(f"/{post}").json() == {"success": True}
    assert page.http.get(f"/{post}").json()["error"]["error_subcode"] == 33
    assert page.ids("feed") == []
    assert [row["is_deleted"] for row in page.sandbox.posts()] == [True]


# Native schedule


@pytest.mark.parametrize("form", ["unix", "iso"])
def test_scheduled_post_becomes_public_by_the_clock(page, form):
    page.sandbox.freeze()
    at = page.soon()
    text = str(at) if form == "unix" else time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(at))
    post = page.made("feed", message="예약", published="false", scheduled_publish_time=text)["id"]
    assert page.read(post, "scheduled_publish_time")["scheduled_publish_time"] == at
    assert page.ids("scheduled_posts") == [post]
    page.sandbox.advance(1199)
    assert page.sandbox.posts() == []
    page.sandbox.advance(2)
    (row,) = page.sandbox.posts()
    assert (row["id"], row["posted_at"]) == (post, at)
    assert page.ids("scheduled_posts") == []
    assert page.ids("published_posts") == [post]


@pytest.mark.parametrize("ahead_s", [60, 31 * 86_400])
def test_schedule_has_bounds(page, ahead_s):
    at = page.soon(ahead_s)
    answer = page.post("feed", message="가", published="false", scheduled_publish_time=at)
    assert fault_of(answer) == (400, 100)


def test_scheduled_post_can_be_moved_or_published_now(page):
    page.sandbox.freeze()
    at = page.soon()
    post = page.made("feed", message="예약", scheduled_publish_time=at)["id"]
    page.http.post(f"/{post}", data={"scheduled_publish_time": str(at + 600)})
    page.sandbox.advance(1201)
    assert page.sandbox.posts() == []
    page.http.post(f"/{post}", data={"is_published": "true"})
    assert [row["id"] for row in page.sandbox.posts()] == [post]
    page.sandbox.advance(10_000)
    assert len(page.sandbox.posts()) == 1


# Lists


@pytest.mark.parametrize("sparse", [False, True])
def test_published_posts_are_paged_to_their_end_newest_first(page, sparse):
    page.sandbox.freeze()
    start = int(page.sandbox.now())
    posts = []
    for number in range(5):
        posts.append(page.made("feed", message=str(number))["id"])
        page.sandbox.advance(10)
    page.sandbox.switch(sparse_pages=sparse)
    found, url = [], f"/{PAGE}/published_posts?fields=id,message&limit=2"
    while url:
        answer = page.http.get(url).json()
        found += [row["id"] for row in answer["data"]]
        url = answer.get("paging", {}).get("next")
    assert found == posts[::-1]
    page.sandbox.switch(sparse_pages=False)
    window = page.ids("published_posts", since=start + 10, until=start + 30)
    assert window == posts[3:0:-1]


def test_list_goes_by_when_a_post_became_public(page):
    early = page.made("feed", message="먼저", published="false")["id"]
    late = page.made("feed", message="나중")["id"]
    page.http.post(f"/{early}", data={"is_published": "true"})
    assert page.ids("published_posts") == [early, late]


# Videos


def test_video_by_address_is_read_and_enters_the_feed(page):
    page.sandbox.switch(fetch_media=True)
    video = page.made("videos", file_url=page.sandbox.video(), title="제목", description="설명")[
        "id"
    ]
    until(page.sandbox.posts)
    (row,) = page.sandbox.posts()
    assert (row["id"], row["kind"]) == (video, "video")
    assert (row["title"], row["caption"]) == ("제목", "설명")
    answer = page.read(video, "status,published,permalink_url,post_id,description")
    assert answer["status"]["video_status"] == "ready"
    assert answer["status"]["publishing_phase"]["publish_status"] == "published"
    assert answer["published"] is True
    assert page.ids("videos") == [video]
    assert page.ids("published_posts") == [f"{PAGE}_{answer['post_id']}"]


def test_bad_video_says_so_in_its_status_and_never_appears(page):
    page.sandbox.switch(fetch_media=True)
    video = page.made("videos", file_url=page.sandbox.picture())["id"]
    until(lambda: page.read(video, "status")["status"]["video_status"] == "error")
    phase = page.read(video, "status")["status"]["processing_phase"]
    assert (phase["status"], phase["errors"][0]["code"]) == ("error", 1363024)
    assert page.sandbox.posts() == []


def test_unpublished_video_is_made_public_once(page):
    video = page.made("videos", file_url=page.sandbox.video(), published="false")["id"]
    assert page.read(video, "published") == {"published": False}
    assert page.ids("videos") == []
    for _ in range(2):
        page.http.post(f"/{video}", data={"published": "true"})
    assert [row["id"] for row in page.sandbox.posts()] == [video]
    calls = [request["call"] for request in page.sandbox.requests()]
    assert calls[0] == "create_video"
    assert calls[-2:] == ["publish", "publish"]


def test_video_sent_whole_is_counted(page):
    files = {"source": ("a.mp4", b"0123456789", "video/mp4")}
    page.http.post(f"/{PAGE}/videos", data={"description": "통"}, files=files)
    (medium,) = page.sandbox.posts()[0]["media"]
    assert medium["size_bytes"] == 10


def test_video_sent_in_chunks_goes_on_from_where_it_stands(page):
    body = b"0123456789" * 1000
    start = page.made("videos", upload_phase="start", file_size=len(body))
    assert (start["start_offset"], start["end_offset"]) == ("0", str(len(body)))
    session = {"upload_session_id": start["upload_session_id"]}

    def transfer(offset: int, part: bytes) -> httpx.Response:
        data = {"upload_phase": "transfer", "start_offset": str(offset), **session}
        files = {"video_file_chunk": ("chunk", part, "application/octet-stream")}
        return page.http.post(f"/{PAGE}/videos", data=data, files=files)

    assert transfer(0, body[:6000]).json()["start_offset"] == "6000"
    wrong = transfer(0, body)
    assert fault_of(wrong) == (400, 1363037)
    assert json.loads(wrong.json()["error"]["error_data"])["start_offset"] == "6000"
    assert fault_of(page.post("videos", upload_phase="finish", **session)) == (400, 1363045)
    assert transfer(6000, body[6000:]).json() == {"start_offset": "10000", "end_offset": "10000"}
    assert page.sandbox.posts() == []
    for _ in range(2):
        page.made("videos", upload_phase="finish", description="끝", **session)
    (row,) = page.sandbox.posts()
    assert (row["id"], row["caption"]) == (start["video_id"], "끝")
    assert row["media"][0]["sha256"] == hashlib.sha256(body).hexdigest()
    calls = [request["call"] for request in page.sandbox.requests(path="/videos")]
    assert calls == ["start_upload", "upload", "upload", "publish", "upload", "publish", "publish"]


def test_cancelled_upload_is_over(page):
    start = page.made("videos", upload_phase="start", file_size=10)
    session = {"upload_session_id": start["upload_session_id"]}
    page.made("videos", upload_phase="cancel", **session)
    assert fault_of(page.post("videos", upload_phase="finish", **session)) == (400, 1363041)


def test_scheduled_video_waits_for_its_time(page):
    video = page.made(
        "videos",
        file_url=page.sandbox.video(),
        published="false",
        scheduled_publish_time=page.soon(),
    )["id"]
    phase = page.read(video, "status")["status"]["publishing_phase"]
    assert phase["publish_status"] == "scheduled"
    page.sandbox.advance(1201)
    assert [row["id"] for row in page.sandbox.posts()] == [video]


# Reels


def reel(page: Page) -> tuple[str, str]:
    start = page.made("video_reels", upload_phase="start")
    return start["video_id"], start["upload_url"]


def send(page: Page, url: str, body: bytes, offset: int, size: int) -> httpx.Response:
    headers = {
        "Authorization": f"OAuth {page.token}",
        "offset": str(offset),
        "file_size": str(size),
    }
    return httpx.post(url, headers=headers, content=body)


def finish(page: Page, video: str, state: str, **more: object) -> httpx.Response:
    form = {"upload_phase": "finish", "video_id": video, "video_state": state, **more}
    return page.post("video_reels", **form)


def test_reel_is_uploaded_in_two_parts_and_published_once(page):
    video, url = reel(page)
    assert url == f"{page.sandbox.base_url}/video-upload/v26.0/{video}"
    body = b"0123456789" * 1000
    assert send(page, url, body[:4000], 0, len(body)).status_code == 400
    status = page.read(video, "status")["status"]
    assert status["video_status"] == "uploading"
    assert status["uploading_phase"]["bytes_transferred"] == 4000
    assert fault_of(finish(page, video, "PUBLISHED")) == (400, 1363020)
    assert send(page, url, body[4000:], 4000, len(body)).json()["success"] is True
    for _ in range(2):
        assert finish(page, video, "PUBLISHED", description="릴스").json()["success"] is True
    (row,) = page.sandbox.posts()
    assert (row["id"], row["kind"], row["caption"]) == (video, "reel", "릴스")
    assert row["media"][0]["sha256"] == hashlib.sha256(body).hexdigest()
    assert page.ids("video_reels") == [video]
    assert page.ids("published_posts") == page.ids("videos") == []


def test_reel_by_address_appears_when_it_is_processed(page):
    page.sandbox.switch(fetch_media=True, container_ready_s=30)
    page.sandbox.freeze()
    video, url = reel(page)
    headers = {"Authorization": f"OAuth {page.token}", "file_url": page.sandbox.video()}
    assert httpx.post(url, headers=headers).json() == {"success": True}
    finish(page, video, "PUBLISHED")
    assert page.read(video, "status")["status"]["video_status"] == "processing"
    assert page.sandbox.posts() == []
    page.sandbox.advance(31)
    until(page.sandbox.posts)
    assert page.sandbox.posts()[0]["media"][0]["url"] == page.sandbox.video()


def test_reel_may_stay_a_draft_or_wait(page):
    drafted, url = reel(page)
    send(page, url, b"abc", 0, 3)
    finish(page, drafted, "DRAFT")
    waiting, url = reel(page)
    send(page, url, b"abc", 0, 3)
    finish(page, waiting, "SCHEDULED", scheduled_publish_time=page.soon())
    assert page.sandbox.posts() == []
    page.sandbox.advance(1201)
    assert [row["id"] for row in page.sandbox.posts()] == [waiting]
    page.http.post(f"/{drafted}", data={"published": "true"})
    assert [row["id"] for row in page.sandbox.posts()] == [waiting, drafted]


def test_deleted_video_is_in_no_list(page):
    video = page.made("videos", file_url=page.sandbox.video())["id"]
    assert len(page.ids("published_posts")) == 1
    page.http.delete(f"/{video}")
    assert page.ids("published_posts") == page.ids("videos") == []
    assert page.sandbox.posts()[0]["is_deleted"] is True


# Comments


def test_comment_is_made_and_found_in_either_order(page):
    post = page.made("feed", message="글")["id"]
    comments = [
        page.http.post(f"/{post}/comments", data={"message": text}).json()["id"] for text in "가나"
    ]
    assert comments[0].startswith(post.partition("_")[2] + "_")
    for order, wanted in [("chronological", "가나"), ("reverse_chronological", "나가")]:
        query = {"fields": "message,from", "order": order, "summary": "true", "filter": "toplevel"}
        answer = page.http.get(f"/{post}/comments", params=query).json()
        assert "".join(row["message"] for row in answer["data"]) == wanted
        assert {row["from"]["id"] for row in answer["data"]} == {PAGE}
        assert answer["summary"]["total_count"] == 2
    assert page.sandbox.posts()[0]["comments"] == ["가", "나"]


def test_comment_stands_under_a_reel_too(page):
    video, url = reel(page)
    send(page, url, b"abc", 0, 3)
    finish(page, video, "PUBLISHED")
    page.http.post(f"/{video}/comments", data={"message": "첫 댓글"})
    assert page.sandbox.posts()[0]["comments"] == ["첫 댓글"]


# Faults, budgets, hosts


def test_lost_answer_of_each_publish_leaves_one_post(page):
    post = page.made("feed", message="두 단계", published="false")["id"]
    video, url = reel(page)
    send(page, url, b"abc", 0, 3)
    page.sandbox.fault("close", call="publish", carry_out=1, times=3)
    with pytest.raises(httpx.RemoteProtocolError):
        page.post("feed", message="한 단계")
    with pytest.raises(httpx.RemoteProtocolError):
        page.http.post(f"/{post}", data={"is_published": "true"})
    with pytest.raises(httpx.RemoteProtocolError):
        finish(page, video, "PUBLISHED")
    kinds = [row["kind"] for row in page.sandbox.posts()]
    assert kinds == ["text", "text", "reel"]


def test_platform_that_doubles_doubles_only_what_is_not_idempotent(page):
    post = page.made("feed", message="두 단계", published="false")["id"]
    page.sandbox.switch(duplicate_s=60)
    page.sandbox.fault(call="publish", carry_out=2, times=2)
    page.made("feed", message="한 단계")
    page.http.post(f"/{post}", data={"is_published": "true"})
    captions = [row["caption"] for row in page.sandbox.posts()]
    assert captions == ["한 단계", "한 단계", "두 단계"]


def test_spent_budget_of_a_page_has_its_own_code_and_headers(page):
    page.sandbox.switch(call_budget=1, app_usage_percent=40)
    page.made("feed", message="가")
    refused = page.post("feed", message="나")
    assert fault_of(refused) == (400, 80001)
    assert '"call_count":40' in refused.headers["x-app-usage"]
    usage = json.loads(refused.headers["x-business-use-case-usage"])[PAGE][0]
    assert usage["type"] == "pages"
    assert usage["estimated_time_to_regain_access"] == 1440


def test_post_of_another_page_is_not_there(page):
    other = Page(page.sandbox, "2")
    with other.http:
        post = other.made("feed", message="남")["id"]
    assert fault_of(page.http.get(f"/{post}")) == (400, 100)
    assert fault_of(page.http.post(f"/{post}", data={"message": "내"})) == (400, 100)
    assert fault_of(page.http.post("/2/feed", data={"message": "내"})) == (400, 190)
    assert page.sandbox.posts()[0]["caption"] == "남"


def test_flicker_also_strikes_posts_of_a_page(page):
    post = page.made("feed", message="가")["id"]
    page.sandbox.switch(flicker_every=2)
    statuses = [page.http.get(f"/{post}").status_code for _ in range(4)]
    assert statuses == [200, 400, 200, 400]


# Batches


def batch(page: Page, items: list[dict]) -> httpx.Response:
    return page.http.post("/", data={"batch": json.dumps(items)})


def test_batch_answers_every_item_in_order_and_counts_each(page):
    page.sandbox.switch(call_budget=100)
    answer = batch(
        page,
        [
            {"method": "POST", "relative_url": f"{PAGE}/feed", "body": "message=%EA%B0%80"},
            {"method": "GET", "relative_url": "v26.0/nothing?fields=id"},
            {"method": "GET", "relative_url": f"{PAGE}/feed?fields=message"},
        ],
    ).json()
    assert [item["code"] for item in answer] == [200, 400, 200]
    assert json.loads(answer[1]["body"])["error"]["error_subcode"] == 33
    assert json.loads(answer[2]["body"])["data"][0]["message"] == "가"
    assert page.sandbox.posts()[0]["caption"] == "가"
    calls = [request["call"] for request in page.sandbox.requests()]
    assert calls == ["batch", "publish", "read_container", "list_posts"]
    page.sandbox.switch(call_budget=4)
    assert fault_of(page.http.get(f"/{PAGE}/feed"))[1] == 80001


def test_batch_over_fifty_is_refused_whole(page):
    item = {"method": "POST", "relative_url": f"{PAGE}/feed", "body": "message=a"}
    answer = batch(page, [item] * 51)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "GraphBatchException"
    assert page.sandbox.posts() == []
    assert len(batch(page, [item] * 50).json()) == 50
    assert fault_of(page.http.post("/", data={"batch": "a"})) == (400, 100)


def test_item_of_a_batch_may_time_out(page):
    page.sandbox.switch(batch_null_every=2)
    item = {"method": "GET", "relative_url": f"{PAGE}/feed"}
    answer = batch(page, [item] * 3).json()
    assert [item is None for item in answer] == [False, True, False]
