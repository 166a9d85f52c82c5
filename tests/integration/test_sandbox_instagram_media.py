"""Carousels, reels, stories, uploads, comments: the rest of the imitated Instagram."""

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"


class Graph:
    """Plain HTTP as one account."""

    def __init__(self, sandbox: RunningSandbox, account: str = ACCOUNT) -> None:
        self.sandbox = sandbox
        self.account = account
        self.token = sandbox.token(account)
        self.http = httpx.Client(
            base_url=sandbox.graph_url,
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
        )

    def create(self, **parameters: str) -> httpx.Response:
        return self.http.post(f"/{self.account}/media", data=parameters)

    def container(self, **parameters: str) -> str:
        answer = self.create(**parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def items(self, count: int) -> list[str]:
        """Items of a carousel, told apart by their pictures."""
        pictures = [self.sandbox.picture(seed=f"item{number}") for number in range(count)]
        return [self.container(image_url=url, is_carousel_item="true") for url in pictures]

    def publish(self, container: str) -> str:
        answer = self.http.post(f"/{self.account}/media_publish", data={"creation_id": container})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def status(self, container: str) -> str:
        return self.http.get(f"/{container}?fields=status_code").json()["status_code"]

    def rows(self, edge: str, fields: str, **more: object) -> list[dict]:
        answer = self.http.get(edge, params={"fields": fields, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@pytest.fixture
def graph(sandbox: RunningSandbox) -> Iterator[Graph]:
    """Containers are ready at once and media are believed, unless a test says otherwise."""
    sandbox.switch(container_ready_s=0, fetch_media=False)
    graph = Graph(sandbox)
    with graph.http:
        yield graph


def fault_of(answer: httpx.Response) -> tuple[int, int, int | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("error_subcode")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


# Carousels


@pytest.mark.parametrize("form", [",".join, json.dumps])
def test_carousel_keeps_the_order_of_its_items_and_counts_as_one_post(graph, form):
    items = graph.items(10)[::-1]
    post = graph.publish(graph.container(media_type="CAROUSEL", children=form(items), caption="봄"))
    (row,) = graph.sandbox.posts()
    assert (row["kind"], row["caption"]) == ("carousel", "봄")
    wanted = [graph.sandbox.picture(seed=f"item{number}") for number in range(10)][::-1]
    assert [medium["url"] for medium in row["media"]] == wanted
    assert graph.rows(f"/{ACCOUNT}/content_publishing_limit", "quota_usage") == [{"quota_usage": 1}]
    (listed,) = graph.rows(f"/{ACCOUNT}/media", "media_type,media_product_type,children")
    assert listed["id"] == post
    assert (listed["media_type"], listed["media_product_type"]) == ("CAROUSEL_ALBUM", "FEED")
    assert [child["id"] for child in listed["children"]["data"]] == items


@pytest.mark.parametrize("count", [0, 1, 11])
def test_carousel_of_another_size_is_refused(graph, count):
    answer = graph.create(media_type="CAROUSEL", children=",".join(graph.items(count)))
    assert fault_of(answer) == (400, 100, 2207028)


def test_carousel_waits_until_every_item_is_ready(graph):
    graph.sandbox.switch(container_ready_s=5)
    graph.sandbox.freeze()
    items = ",".join(graph.items(2))
    assert fault_of(graph.create(media_type="CAROUSEL", children=items)) == (400, 9007, 2207027)
    graph.sandbox.advance(5)
    graph.container(media_type="CAROUSEL", children=items)


def test_item_of_a_carousel_is_no_post_and_no_post_is_an_item(graph):
    (item,) = graph.items(1)
    refused = graph.http.post(f"/{ACCOUNT}/media_publish", data={"creation_id": item})
    assert fault_of(refused) == (400, 24, 2207008)
    single = graph.container(image_url=graph.sandbox.picture())
    refused = graph.create(media_type="CAROUSEL", children=f"{item},{single}")
    assert fault_of(refused) == (400, 24, 2207006)


# Reels and stories


def test_reel_is_fetched_and_read_before_it_can_be_published(graph):
    graph.sandbox.switch(fetch_media=True)
    reel = graph.container(
        media_type="REELS",
        video_url=graph.sandbox.video(),
        caption="여름",
        thumb_offset="1000",
        share_to_feed="false",
        cover_url=graph.sandbox.picture(),
    )
    until(lambda: graph.status(reel) == "FINISHED")
    answer = graph.http.get(f"/{reel}?fields=video_status,copyright_check_status").json()
    assert answer["video_status"]["processing_phase"] == {"status": "complete"}
    assert answer["copyright_check_status"] == {"status": "completed", "matches_found": False}
    graph.publish(reel)
    (row,) = graph.sandbox.posts()
    assert (row["kind"], row["caption"]) == ("reel", "여름")
    assert row["media"] == [{"kind": "video", "url": graph.sandbox.video()}]
    assert row["thumb_offset"] == 1000
    assert row["share_to_feed"] is False
    (listed,) = graph.rows(f"/{ACCOUNT}/media", "media_type,media_product_type")
    assert (listed["media_type"], listed["media_product_type"]) == ("VIDEO", "REELS")


@pytest.mark.parametrize(
    ("parameters", "video", "subcode"),
    [
        ({"media_type": "REELS"}, {"seconds": 1}, 2207026),
        ({"media_type": "STORIES"}, {"seconds": 61}, 2207026),
        ({"media_type": "VIDEO", "is_carousel_item": "true"}, {"seconds": 61}, 2207026),
        ({"media_type": "REELS"}, {"width": 1936, "height": 160, "seconds": 3}, 2207026),
        ({"media_type": "REELS", "thumb_offset": "5500"}, {}, 2207057),
    ],
)
def test_video_outside_the_limits_of_its_kind_ends_in_error(graph, parameters, video, subcode):
    graph.sandbox.switch(fetch_media=True)
    video = {"width": 64, "height": 112, **video}
    container = graph.container(video_url=graph.sandbox.video(**video), **parameters)
    until(lambda: graph.status(container) == "ERROR")
    assert str(subcode) in graph.http.get(f"/{container}?fields=status").json()["status"]


def test_picture_is_no_video_and_may_be_refused_at_once(graph):
    graph.sandbox.switch(fetch_media=True, media_faults="direct")
    answer = graph.create(media_type="REELS", video_url=graph.sandbox.picture())
    assert fault_of(answer) == (400, 352, 2207026)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_story_stands_among_the_stories_for_a_day_and_has_no_caption(graph, kind):
    url = graph.sandbox.video() if kind == "video" else graph.sandbox.picture()
    story = graph.publish(
        graph.container(media_type="STORIES", caption="lost", **{f"{kind}_url": url})
    )
    (row,) = graph.sandbox.posts()
    assert (row["kind"], row["caption"], row["media"]) == (
        "story",
        "",
        [{"kind": kind, "url": url}],
    )
    assert graph.rows(f"/{ACCOUNT}/media", "id") == []
    (listed,) = graph.rows(f"/{ACCOUNT}/stories", "media_type,media_product_type,timestamp")
    assert (listed["id"], listed["media_type"]) == (story, kind.upper())
    assert listed["media_product_type"] == "STORY"
    graph.sandbox.advance(86_401)
    assert graph.rows(f"/{ACCOUNT}/stories", "id") == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"media_type": "STORIES"},
        {"media_type": "STORIES", "image_url": "http://a.test/a", "video_url": "http://a.test/b"},
        {"media_type": "REELS", "video_url": "http://a.test/a", "alt_text": "a"},
        {"image_url": "http://a.test/a", "user_tags": '[{"username": "a", "x": 2, "y": 0}]'},
        {"image_url": "http://a.test/a", "user_tags": '[{"username": "a"}]'},
        {"image_url": "http://a.test/a", "user_tags": "a"},
        {"image_url": "http://a.test/a", "collaborators": "a"},
        {"image_url": "http://a.test/a", "location_id": "Seoul"},
        {"image_url": "http://a.test/a", "upload_type": "resumable"},
    ],
)
def test_parameters_that_do_not_fit_are_refused(graph, parameters):
    assert fault_of(graph.create(**parameters)) == (400, 100, None)


def test_tags_place_and_collaborators_are_kept(graph):
    tags = [{"username": "cafe", "x": 0.5, "y": 1}]
    graph.publish(
        graph.container(
            image_url=graph.sandbox.picture(),
            alt_text="창가",
            user_tags=json.dumps(tags),
            collaborators='["roaster"]',
            location_id="123",
        )
    )
    (row,) = graph.sandbox.posts()
    assert row["alt_text"] == row["media"][0]["alt_text"] == "창가"
    wanted = {"user_tags": tags, "collaborators": ["roaster"], "location_id": "123"}
    assert {name: row[name] for name in wanted} == wanted


def test_containers_have_a_daily_quota_of_their_own(graph):
    graph.sandbox.switch(container_quota=1)
    graph.container(image_url=graph.sandbox.picture())
    refused = graph.create(image_url=graph.sandbox.picture())
    assert fault_of(refused) == (400, 9, 2207042)
    graph.sandbox.advance(86_401)
    graph.container(image_url=graph.sandbox.picture())


def test_container_can_be_told_to_end_in_a_certain_error(graph):
    graph.sandbox.switch(container_error_subcode=2207082)
    container = graph.container(media_type="REELS", video_url=graph.sandbox.video())
    answer = graph.http.get(f"/{container}?fields=status_code,status").json()
    assert answer["status_code"] == "ERROR"
    assert answer["status"].endswith("error code 2207082")


def test_story_and_carousel_that_the_platform_doubles_stand_there_twice(graph):
    graph.sandbox.fault(call="publish", carry_out=2, times=2)
    graph.publish(graph.container(media_type="STORIES", image_url=graph.sandbox.picture()))
    graph.publish(graph.container(media_type="CAROUSEL", children=",".join(graph.items(2))))
    kinds = [post["kind"] for post in graph.sandbox.posts()]
    assert kinds == ["story", "story", "carousel", "carousel"]


# Uploads


def uploading(graph: Graph) -> tuple[str, str]:
    answer = graph.create(media_type="REELS", upload_type="resumable").json()
    assert answer["uri"] == f"{graph.sandbox.base_url}/ig-api-upload/v25.0/{answer['id']}"
    return answer["id"], answer["uri"]


def send(graph: Graph, uri: str, body: bytes, offset: int, size: int) -> httpx.Response:
    headers = {
        "Authorization": f"OAuth {graph.token}",
        "offset": str(offset),
        "file_size": str(size),
    }
    return httpx.post(uri, headers=headers, content=body)


def offset_of(graph: Graph, uri: str) -> int:
    return httpx.get(uri, headers={"Authorization": f"OAuth {graph.token}"}).json()["offset"]


def test_uploaded_reel_is_counted_and_hashed(graph):
    container, uri = uploading(graph)
    assert graph.status(container) == "IN_PROGRESS"
    body = b"0123456789" * 100_000
    assert send(graph, uri, body, 0, len(body)).json()["success"] is True
    assert graph.status(container) == "FINISHED"
    graph.publish(container)
    (row,) = graph.sandbox.posts()
    digest = hashlib.sha256(body).hexdigest()
    assert row["media"] == [{"kind": "video", "size_bytes": len(body), "sha256": digest}]


def test_broken_upload_keeps_what_came_and_goes_on_from_there(graph):
    container, uri = uploading(graph)
    body = b"0123456789" * 10_000
    address = urlsplit(uri)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(
            f"POST {address.path} HTTP/1.1\r\nHost: x\r\nAuthorization: OAuth {graph.token}\r\n"
            f"offset: 0\r\nfile_size: {len(body)}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body[:40_000]
        )
    until(lambda: offset_of(graph, uri) == 40_000)
    assert graph.status(container) == "IN_PROGRESS"
    wrong = send(graph, uri, body[30_000:], 30_000, len(body))
    assert (wrong.status_code, wrong.json()["debug_info"]["type"]) == (400, "OffsetInvalidError")
    assert send(graph, uri, body[40_000:], 40_000, len(body)).status_code == 200
    graph.publish(container)
    (medium,) = graph.sandbox.posts()[0]["media"]
    assert medium["sha256"] == hashlib.sha256(body).hexdigest()


def test_upload_may_name_an_address_instead_of_bytes(graph):
    graph.sandbox.switch(fetch_media=True)
    container, uri = uploading(graph)
    headers = {"Authorization": f"OAuth {graph.token}", "file_url": graph.sandbox.video()}
    assert httpx.post(uri, headers=headers).json()["success"] is True
    until(lambda: graph.status(container) == "FINISHED")


@pytest.mark.parametrize("headers", [{}, {"offset": "0"}, {"offset": "0", "file_size": "1"}])
def test_upload_without_its_headers_or_with_too_much_is_refused(graph, headers):
    container, uri = uploading(graph)
    headers = {"Authorization": f"OAuth {graph.token}", **headers}
    answer = httpx.post(uri, headers=headers, content=b"more than one")
    assert answer.status_code == 400
    assert answer.json()["debug_info"]["retriable"] is False
    assert graph.status(container) == "IN_PROGRESS"


def test_fault_strikes_an_upload_and_a_doubled_one_counts_once(graph):
    container, uri = uploading(graph)
    graph.sandbox.fault("error", code=1363030, carry_out=0, call="upload")
    assert fault_of(send(graph, uri, b"abc", 0, 3))[1] == 1363030
    assert offset_of(graph, uri) == 0
    graph.sandbox.fault(call="upload", carry_out=2)
    assert send(graph, uri, b"abc", 0, 3).status_code == 200
    assert offset_of(graph, uri) == 3
    assert graph.status(container) == "FINISHED"


# Comments and deletion


def test_first_comment_is_made_and_found_again(graph):
    post = graph.publish(graph.container(image_url=graph.sandbox.picture()))
    comment = graph.http.post(f"/{post}/comments", data={"message": "#봄"}).json()["id"]
    graph.http.post(f"/{comment}/replies", data={"message": "답"})
    fields = "text,username,from{id,username},replies{text}"
    (listed,) = graph.rows(f"/{post}/comments", fields)
    assert (listed["id"], listed["text"]) == (comment, "#봄")
    assert listed["from"] == {"id": ACCOUNT, "username": f"account_{ACCOUNT}"}
    assert [reply["text"] for reply in listed["replies"]["data"]] == ["답"]
    assert [row["text"] for row in graph.rows(f"/{comment}/replies", "text")] == ["답"]
    assert graph.sandbox.posts()[0]["comments"] == ["#봄", "답"]
    assert [request["call"] for request in graph.sandbox.requests(path="/comments")] == [
        "create_comment",
        "list_comments",
    ]


def test_comments_come_newest_first_and_at_most_fifty_on_a_page(graph):
    post = graph.publish(graph.container(image_url=graph.sandbox.picture()))
    for number in range(52):
        graph.http.post(f"/{post}/comments", data={"message": str(number)})
    page = graph.http.get(f"/{post}/comments?fields=text&limit=100").json()
    assert [row["text"] for row in page["data"]] == [str(n) for n in range(51, 1, -1)]
    rest = graph.http.get(page["paging"]["next"]).json()
    assert [row["text"] for row in rest["data"]] == ["1", "0"]
    assert "next" not in rest["paging"]


def test_deleted_post_is_gone_but_not_forgotten(graph):
    post = graph.publish(graph.container(image_url=graph.sandbox.picture()))
    link = graph.http.get(f"/{post}?fields=permalink").json()["permalink"]
    assert graph.http.delete(f"/{post}").json() == {"success": True, "deleted_id": post}
    assert fault_of(graph.http.get(f"/{post}")) == (400, 100, 33)
    assert graph.rows(f"/{ACCOUNT}/media", "id") == []
    assert httpx.get(link).status_code == 404
    assert [row["is_deleted"] for row in graph.sandbox.posts()] == [True]


@pytest.mark.parametrize("code", [4, 17, 32, 341, 613])
def test_every_rate_limit_can_be_switched_on(graph, code):
    graph.sandbox.switch(throttle=code)
    answer = graph.http.get(f"/{ACCOUNT}/media")
    assert answer.json()["error"]["code"] == code
    assert f'"{ACCOUNT}":[{{"type":"instagram"' in answer.headers["x-business-use-case-usage"]


# Videos that the sandbox serves


def test_served_video_is_the_same_every_time_and_comes_in_parts(graph):
    whole = httpx.get(graph.sandbox.video())
    assert whole.headers["content-type"] == "video/mp4"
    assert int(whole.headers["content-length"]) == len(whole.content)
    assert whole.content.index(b"moov") < whole.content.index(b"mdat")
    assert httpx.get(graph.sandbox.video(seed="b")).content != whole.content
    for wanted, part in [
        ("bytes=0-9", whole.content[:10]),
        ("bytes=100-", whole.content[100:]),
        ("bytes=-7", whole.content[-7:]),
    ]:
        answer = httpx.get(graph.sandbox.video(), headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{len(whole.content)}")
    past = httpx.get(graph.sandbox.video(), headers={"Range": "bytes=99999999-"})
    assert past.status_code == 416
