"""The imitated Threads from outside, with a client that knows nothing of our adapter."""

import json
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.running_sandbox import RunningSandbox

USER = "25000000000000001"


class User:
    """Plain HTTP as one account."""

    def __init__(self, sandbox: RunningSandbox, user: str = USER) -> None:
        self.sandbox = sandbox
        self.id = user
        self.http = httpx.Client(
            base_url=f"{sandbox.base_url}/v1.0",
            headers={"Authorization": f"Bearer {sandbox.token(user)}"},
            trust_env=False,
        )

    def create(self, **parameters: str) -> httpx.Response:
        parameters.setdefault("media_type", "TEXT")
        return self.http.post(f"/{self.id}/threads", data=parameters)

    def container(self, **parameters: str) -> str:
        answer = self.create(**parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def publish(self, container: str) -> httpx.Response:
        return self.http.post(f"/{self.id}/threads_publish", data={"creation_id": container})

    def post(self, text: str = "글", **parameters: str) -> str:
        answer = self.publish(self.container(text=text, **parameters))
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def state(self, container: str) -> dict:
        return self.http.get(f"/{container}?fields=status,error_message").json()

    def rows(self, edge: str, fields: str = "id", **more: object) -> list[dict]:
        answer = self.http.get(edge, params={"fields": fields, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@pytest.fixture
def user(sandbox: RunningSandbox) -> Iterator[User]:
    """Containers are ready at once and media are believed, unless a test says otherwise."""
    sandbox.switch(container_ready_s=0, fetch_media=False)
    user = User(sandbox)
    with user.http:
        yield user


def fault_of(answer: httpx.Response) -> tuple[int, int, int | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("error_subcode")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


# Publishing


def test_text_is_published_in_two_phases(user):
    user.sandbox.switch(container_ready_s=5)
    user.sandbox.freeze()
    container = user.container(text="안녕", topic_tag="봄", reply_control="everyone")
    assert user.state(container) == {"status": "IN_PROGRESS"}
    assert fault_of(user.publish(container)) == (400, 9007, 2207027)
    user.sandbox.advance(5)
    assert user.state(container) == {"status": "FINISHED"}
    post = user.publish(container).json()["id"]
    assert user.state(container) == {"status": "PUBLISHED"}
    assert fault_of(user.publish(container)) == (400, 24, 2207008)
    (row,) = user.sandbox.posts()
    assert (row["id"], row["platform"], row["kind"]) == (post, "threads", "text")
    assert (row["caption"], row["media"]) == ("안녕", [])
    assert (row["topic_tag"], row["reply_control"]) == ("봄", "everyone")
    fields = "id,text,timestamp,permalink,media_type,shortcode,is_quote_post,username"
    (listed,) = user.rows(f"/{USER}/threads", fields)
    assert (listed["text"], listed["media_type"]) == ("안녕", "TEXT_POST")
    assert listed["permalink"] == row["url"]
    assert "안녕" in httpx.get(listed["permalink"]).text


def test_text_may_be_published_by_the_first_call(user):
    post = user.create(text="바로", auto_publish_text="true").json()["id"]
    assert [row["id"] for row in user.sandbox.posts()] == [post]
    assert [request["call"] for request in user.sandbox.requests()] == ["publish"]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_picture_and_video_are_fetched_and_read(user, kind):
    user.sandbox.switch(fetch_media=True)
    url = user.sandbox.video() if kind == "video" else user.sandbox.picture()
    media = {"media_type": kind.upper(), f"{kind}_url": url, "alt_text": "설명"}
    container = user.container(text="매체", **media)
    until(lambda: user.state(container)["status"] == "FINISHED")
    user.publish(container)
    (row,) = user.sandbox.posts()
    assert row["kind"] == kind
    assert row["media"] == [{"kind": kind, "url": url, "alt_text": "설명"}]


@pytest.mark.parametrize(
    ("media_type", "path", "message"),
    [
        ("VIDEO", "missing.mp4", "FAILED_DOWNLOADING_VIDEO"),
        ("VIDEO", "sandbox/media/64x64/a.jpg", "FAILED_PROCESSING_VIDEO"),
        ("VIDEO", "sandbox/media/64x64/a.mp4?seconds=301", "INVALID_DURATION"),
        ("IMAGE", "sandbox/media/1100x100/a.jpg", "INVALID_ASPEC_RATIO"),
    ],
)
def test_bad_media_say_why_in_the_error_message(user, media_type, path, message):
    user.sandbox.switch(fetch_media=True)
    name = "video_url" if media_type == "VIDEO" else "image_url"
    url = f"{user.sandbox.base_url}/{path}"
    container = user.container(media_type=media_type, **{name: url})
    until(lambda: user.state(container)["status"] == "ERROR")
    assert user.state(container)["error_message"] == message
    assert fault_of(user.publish(container)) == (400, 9007, 2207027)


def test_container_can_be_told_to_end_in_a_certain_error(user):
    user.sandbox.switch(threads_error="INVALID_BIT_RATE")
    state = user.state(user.container(text="가"))
    assert state == {"status": "ERROR", "error_message": "INVALID_BIT_RATE"}


def items(user: User, count: int) -> list[str]:
    pictures = [user.sandbox.picture(seed=f"item{number}") for number in range(count)]
    return [
        user.container(media_type="IMAGE", image_url=url, is_carousel_item="true")
        for url in pictures
    ]


@pytest.mark.parametrize("form", [",".join, json.dumps])
def test_carousel_keeps_the_order_of_its_items(user, form):
    children = items(user, 20)[::-1]
    user.post("여럿", media_type="CAROUSEL", children=form(children))
    (row,) = user.sandbox.posts()
    assert row["kind"] == "carousel"
    wanted = [user.sandbox.picture(seed=f"item{number}") for number in range(20)][::-1]
    assert [medium["url"] for medium in row["media"]] == wanted
    (listed,) = user.rows(f"/{USER}/threads", "media_type,children")
    assert listed["media_type"] == "CAROUSEL_ALBUM"
    assert [child["id"] for child in listed["children"]["data"]] == children


@pytest.mark.parametrize("count", [1, 21])
def test_carousel_of_another_size_is_refused(user, count):
    answer = user.create(media_type="CAROUSEL", children=",".join(items(user, count)))
    assert fault_of(answer) == (400, 100, None)


# Limits of the text


@pytest.mark.parametrize("text", ["가" * 500, "a" * 500, "🌸" * 125, "가" * 496 + "🌸"])
def test_text_at_the_limit_is_taken(user, text):
    user.container(text=text)


@pytest.mark.parametrize("text", ["가" * 501, "🌸" * 126, "가" * 497 + "🌸", ""])
def test_text_outside_the_limits_is_refused(user, text):
    assert fault_of(user.create(text=text)) == (400, 100, None)


def test_more_than_five_distinct_links_are_refused_by_name(user):
    links = [f"https://a.test/{number}" for number in range(6)]
    user.container(text=" ".join([*links[:5], links[0]]))
    answer = user.create(text=" ".join(links))
    assert answer.json()["error"]["message"] == "THREADS_API__LINK_LIMIT_EXCEEDED"
    answer = user.create(text=" ".join(links[:5]), link_attachment="https://b.test/")
    assert answer.json()["error"]["message"] == "THREADS_API__LINK_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    "parameters",
    [
        {"media_type": "REELS"},
        {"media_type": "IMAGE"},
        {"text": "가", "topic_tag": "a.b"},
        {"text": "가", "topic_tag": "가" * 51},
        {"text": "가", "reply_control": "nobody"},
        {"text": "가", "alt_text": "가"},
        {"text": "가", "link_attachment": "shop"},
        {"text": "가", "reply_to_id": "1"},
    ],
)
def test_parameters_that_do_not_fit_are_refused(user, parameters):
    assert fault_of(user.create(**parameters)) == (400, 100, None)


# Replies


def test_reply_by_oneself_is_a_comment_and_no_post(user):
    post = user.post("글")
    reply = user.post("첫 댓글", reply_to_id=post)
    stranger = User(user.sandbox, "2")
    with stranger.http:
        answer = stranger.post("남의 댓글", reply_to_id=reply)
    (row,) = user.sandbox.posts(USER)
    assert (row["id"], row["comments"]) == (post, ["첫 댓글"])
    fields = "id,text,username,root_post,replied_to,is_reply,is_reply_owned_by_me,has_replies"
    (listed,) = user.rows(f"/{post}/replies", fields)
    assert (listed["id"], listed["is_reply_owned_by_me"]) == (reply, True)
    assert (listed["root_post"], listed["has_replies"]) == ({"id": post}, True)
    conversation = user.rows(f"/{post}/conversation", fields, reverse="false")
    assert [row["id"] for row in conversation] == [reply, answer]
    assert conversation[1]["is_reply_owned_by_me"] is False
    assert conversation[1]["replied_to"] == {"id": reply}
    assert [row["id"] for row in user.rows(f"/{USER}/threads")] == [post]


def test_deleted_post_is_gone_but_not_forgotten(user):
    post = user.post()
    assert user.http.delete(f"/{post}").json() == {"success": True, "deleted_id": post}
    assert fault_of(user.http.get(f"/{post}")) == (400, 100, 33)
    assert user.rows(f"/{USER}/threads") == []
    assert [row["is_deleted"] for row in user.sandbox.posts()] == [True]


# Quotas, lists, faults


def test_posts_replies_and_deletions_have_their_own_quotas(user):
    user.sandbox.switch(threads_quota=2, threads_reply_quota=1, threads_delete_quota=1)
    first, second = user.post(), user.post()
    user.post("답", reply_to_id=first)
    for parameters in ({}, {"reply_to_id": first}):
        refused = user.publish(user.container(text="더", **parameters))
        assert fault_of(refused) == (400, 9, 2207042)
    user.http.delete(f"/{first}")
    assert fault_of(user.http.delete(f"/{second}")) == (400, 9, 2207042)
    fields = "quota_usage,config,reply_quota_usage,reply_config,delete_quota_usage,delete_config"
    (limit,) = user.rows(f"/{USER}/threads_publishing_limit", fields)
    assert [limit[f"{what}quota_usage"] for what in ("", "reply_", "delete_")] == [2, 1, 1]
    assert limit["config"] == {"quota_total": 2, "quota_duration": 86_400}
    user.sandbox.advance(86_401)
    user.post()


@pytest.mark.parametrize("sparse", [False, True])
def test_posts_are_paged_to_their_end_newest_first(user, sparse):
    user.sandbox.freeze()
    start = int(user.sandbox.now())
    posts = []
    for number in range(5):
        posts.append(user.post(str(number)))
        user.sandbox.advance(10)
    user.sandbox.switch(sparse_pages=sparse)
    found, url = [], f"/{USER}/threads?fields=id&limit=2"
    while url:
        answer = user.http.get(url).json()
        found += [row["id"] for row in answer["data"]]
        url = answer.get("paging", {}).get("next")
    assert found == posts[::-1]
    user.sandbox.switch(sparse_pages=False)
    rows = user.rows(f"/{USER}/threads", since=start + 10, until=start + 30)
    assert [row["id"] for row in rows] == posts[3:0:-1]


def test_publishing_host_may_learn_late_of_a_ready_container(user):
    user.sandbox.switch(late_container_s=10)
    user.sandbox.freeze()
    container = user.container(text="가")
    assert user.state(container)["status"] == "FINISHED"
    assert fault_of(user.publish(container)) == (400, 24, 2207008)
    user.sandbox.advance(10)
    assert user.publish(container).status_code == 200
    assert len(user.sandbox.posts()) == 1


@pytest.mark.parametrize(("carry_out", "posts"), [(0, 0), (1, 1), (2, 2)])
def test_lost_answer_of_a_publish_leaves_as_many_posts_as_were_made(user, carry_out, posts):
    container = user.container(text="가")
    user.sandbox.fault("error", code=2, carry_out=carry_out, call="publish")
    assert fault_of(user.publish(container)) == (500, 2, None)
    assert len(user.sandbox.posts()) == posts


def test_flicker_strikes_containers_and_posts(user):
    container = user.container(text="가")
    user.sandbox.switch(flicker_every=2)
    answers = [user.http.get(f"/{container}?fields=status") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert fault_of(answers[1]) == (400, 100, 33)


def test_usage_is_told_and_a_spent_budget_refused(user):
    user.sandbox.switch(call_budget=1)
    answer = user.create(text="가")
    assert '"type":"threads"' in answer.headers["x-business-use-case-usage"]
    assert user.create(text="가").json()["error"]["code"] == 4


def test_each_host_knows_only_its_own_calls(user):
    token = {"access_token": user.sandbox.token(USER)}
    threads = httpx.post(f"{user.sandbox.base_url}/v25.0/{USER}/threads", data=token)
    media = user.http.post(f"/{USER}/media", data={"image_url": "http://a.test/a.jpg"})
    feed = user.http.post(f"/{USER}/feed", data={"message": "가"})
    for answer in (threads, media, feed):
        assert fault_of(answer) == (400, 100, None)
    assert user.sandbox.posts() == []


def test_container_of_another_platform_or_account_cannot_be_published(user):
    graph = f"{user.sandbox.base_url}/v25.0/{USER}/media"
    form = {"image_url": user.sandbox.picture(), "access_token": user.sandbox.token(USER)}
    image = httpx.post(graph, data=form).json()["id"]
    assert fault_of(user.publish(image)) == (400, 24, 2207008)
    other = User(user.sandbox, "2")
    with other.http:
        assert fault_of(other.publish(user.container(text="가"))) == (400, 24, 2207008)
        post = user.post()
        assert fault_of(other.http.delete(f"/{post}"))[1] == 10
