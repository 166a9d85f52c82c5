"""The imitated Instagram from outside, with a client that knows nothing of our adapter."""

import contextlib
import hashlib
import hmac
import http.server
import io
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # spares each client from reading certificates


class Graph:
    """Plain HTTP as one account."""

    def __init__(self, sandbox: RunningSandbox, account: str = ACCOUNT) -> None:
        self.sandbox = sandbox
        self.account = account
        self.http = httpx.Client(
            base_url=sandbox.graph_url,
            headers={"Authorization": f"Bearer {sandbox.token(account)}"},
            trust_env=False,
            verify=NO_TLS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def container(self, caption: str = "안녕", **more: str) -> str:
        answer = self.create(caption=caption, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def create(self, **parameters: str) -> httpx.Response:
        parameters.setdefault("image_url", self.sandbox.picture())
        return self.http.post(f"/{self.account}/media", data=parameters)

    def publish(self, container: str) -> httpx.Response:
        return self.http.post(f"/{self.account}/media_publish", data={"creation_id": container})

    def status(self, container: str) -> str:
        return self.http.get(f"/{container}?fields=status_code").json()["status_code"]

    def listed(self, **parameters: object) -> dict:
        answer = self.http.get(f"/{self.account}/media", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def graph(sandbox: RunningSandbox) -> Iterator[Graph]:
    """Containers are ready at once and pictures are believed, unless a test says otherwise."""
    sandbox.switch(container_ready_s=0, fetch_media=False)
    with Graph(sandbox) as graph:
        yield graph


def fault_of(answer: httpx.Response) -> tuple[int, int, int | None]:
    """HTTP status, code and subcode of a Graph error."""
    error = answer.json()["error"]
    assert {"message", "type", "fbtrace_id"} <= set(error)
    return answer.status_code, error["code"], error.get("error_subcode")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


# Requests in every lawful form


@pytest.mark.parametrize("version", ["v18.0", "v25.0", "v26.0"])
@pytest.mark.parametrize("form", ["query", "form", "json"])
@pytest.mark.parametrize("token_in", ["header", "parameter"])
def test_every_way_to_pass_parameters_and_token_is_understood(graph, version, form, token_in):
    values = {"image_url": graph.sandbox.picture(), "caption": "봄 #꽃"}
    headers = {}
    if token_in == "header":
        headers["Authorization"] = f"Bearer {graph.sandbox.token(ACCOUNT)}"
    else:
        values["access_token"] = graph.sandbox.token(ACCOUNT)
    place = {"query": "params", "form": "data", "json": "json"}[form]
    url = f"{graph.sandbox.base_url}/{version}/{ACCOUNT}/media"
    answer = httpx.post(url, headers=headers, **{place: values})
    container = answer.json()["id"]
    graph.publish(container)
    assert graph.sandbox.posts()[-1]["caption"] == "봄 #꽃"


def test_both_spellings_of_publish_work(graph):
    body = {"creation_id": graph.container()}
    assert graph.http.post(f"/{ACCOUNT}/mediapublish", data=body).status_code == 200
    assert len(graph.sandbox.posts()) == 1


@pytest.mark.parametrize(
    "path", ["/", f"/{ACCOUNT}/nothing", "/1/2/3", f"/{ACCOUNT}/media_publish"]
)
def test_unknown_path_is_a_graph_error(graph, path):
    assert fault_of(graph.http.get(path))[:2] == (400, 100)


def test_path_outside_every_platform_is_a_graph_404(graph):
    assert fault_of(httpx.get(f"{graph.sandbox.base_url}/nothing")) == (404, 100, None)


# The life of a container


def test_container_turns_ready_by_the_clock_and_is_published_once(graph):
    graph.sandbox.switch(container_ready_s=5)
    graph.sandbox.freeze()
    container = graph.container()
    assert graph.status(container) == "IN_PROGRESS"
    assert fault_of(graph.publish(container)) == (400, 9007, 2207027)
    graph.sandbox.advance(5)
    assert graph.status(container) == "FINISHED"
    assert graph.publish(container).status_code == 200
    assert graph.status(container) == "PUBLISHED"
    assert len(graph.sandbox.posts()) == 1


def test_container_turns_ready_after_so_many_polls(graph):
    graph.sandbox.switch(container_ready_polls=2)
    container = graph.container()
    assert [graph.status(container) for _ in range(3)] == ["IN_PROGRESS", "IN_PROGRESS", "FINISHED"]


@pytest.mark.parametrize("error", ["24/2207008", "-2/2207020"])
def test_container_expires_after_a_day(graph, error):
    graph.sandbox.switch(expired_publish=error)
    container = graph.container()
    graph.sandbox.advance(86_399)
    assert graph.status(container) == "FINISHED"
    graph.sandbox.advance(2)
    assert graph.status(container) == "EXPIRED"
    _, code, subcode = fault_of(graph.publish(container))
    assert f"{code}/{subcode}" == error
    assert graph.sandbox.posts() == []


@pytest.mark.parametrize(("republish", "posts"), [("error", 1), ("same", 1), ("double", 2)])
def test_second_publish_does_what_the_switch_says(graph, republish, posts):
    graph.sandbox.switch(republish=republish)
    container = graph.container()
    first = graph.publish(container).json()["id"]
    second = graph.publish(container)
    if republish == "error":
        assert fault_of(second) == (400, 24, 2207008)
    else:
        assert (second.json()["id"] == first) == (republish == "same")
    assert len(graph.sandbox.posts()) == posts


def test_container_of_another_account_is_unknown(graph):
    with Graph(graph.sandbox, "17841400000000002") as other:
        container = other.container()
    assert fault_of(graph.publish(container)) == (400, 24, 2207008)
    assert fault_of(graph.http.get(f"/{container}")) == (400, 100, 33)


def test_unknown_field_is_refused_by_name(graph):
    answer = graph.http.get(f"/{graph.container()}?fields=status_code,colour")
    assert fault_of(answer) == (400, 100, None)
    assert "colour" in answer.json()["error"]["message"]


# What the platform refuses


@pytest.mark.parametrize("caption", ["가" * 2201, "#봄 " * 31, "@who " * 21])
def test_caption_over_a_limit_is_refused(graph, caption):
    assert fault_of(graph.create(caption=caption)) == (400, 36004, 2207010)


@pytest.mark.parametrize("caption", ["가" * 2200, "#봄 " * 30, "@who " * 20])
def test_caption_at_a_limit_is_taken(graph, caption):
    graph.container(caption)


def test_what_makes_no_picture_is_refused(graph):
    assert fault_of(graph.create(media_type="VIDEO")) == (400, 100, 2207023)
    assert fault_of(graph.create(media_type="REELS")) == (400, 100, None)
    assert fault_of(graph.create(image_url="")) == (400, 100, None)
    assert fault_of(graph.create(image_url="https://a.test/한.jpg")) == (400, 9004, 2207052)
    assert fault_of(graph.create(alt_text="가" * 1001)) == (400, 100, None)


@pytest.fixture
def pictures() -> Iterator[str]:
    """A host of good and bad pictures."""

    def picture(kind: str, width: int, height: int) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (width, height)).save(file, kind)
        return file.getvalue()

    files = {
        "/good.jpg": picture("JPEG", 400, 500),
        "/good.png": picture("PNG", 191, 100),
        "/bad.webp": picture("WEBP", 100, 100),
        "/tall.jpg": picture("JPEG", 100, 200),
        "/wide.jpg": picture("JPEG", 400, 100),
        "/text.jpg": b"<html>no picture</html>",
        "/huge.jpg": picture("JPEG", 100, 100) + b"\0" * (8 * 1024 * 1024),
    }

    class Host(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(200 if body else 404)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the sandbox reads only what it needs
                self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


PICTURE_FAULTS = [
    ("bad.webp", 36001, 2207005),
    ("tall.jpg", 36003, 2207009),
    ("wide.jpg", 36003, 2207009),
    ("text.jpg", 9004, 2207052),
    ("huge.jpg", 36000, 2207004),
    ("missing.jpg", 9004, 2207052),
]


@pytest.mark.parametrize("name", ["good.jpg", "good.png"])
def test_good_picture_is_fetched_and_found_good(graph, pictures, name):
    graph.sandbox.switch(fetch_media=True)
    container = graph.container(image_url=f"{pictures}/{name}")
    until(lambda: graph.status(container) == "FINISHED")


@pytest.mark.parametrize(("name", "code", "subcode"), PICTURE_FAULTS)
def test_bad_picture_shows_in_the_status_of_the_container(graph, pictures, name, code, subcode):
    graph.sandbox.switch(fetch_media=True)
    container = graph.container(image_url=f"{pictures}/{name}")
    until(lambda: graph.status(container) == "ERROR")
    status = graph.http.get(f"/{container}?fields=status").json()["status"]
    assert str(subcode) in status
    assert fault_of(graph.publish(container)) == (400, 9007, 2207027)


@pytest.mark.parametrize(("name", "code", "subcode"), PICTURE_FAULTS)
def test_bad_picture_may_also_be_refused_at_once(graph, pictures, name, code, subcode):
    graph.sandbox.switch(fetch_media=True, media_faults="direct")
    assert fault_of(graph.create(image_url=f"{pictures}/{name}")) == (400, code, subcode)


def test_picture_host_that_is_not_there_is_a_fetch_error(graph):
    graph.sandbox.switch(fetch_media=True, media_faults="direct")
    assert fault_of(graph.create(image_url="http://127.0.0.1:1/a.jpg")) == (400, 9004, 2207052)


def test_sandbox_serves_pictures_that_it_accepts(graph):
    graph.sandbox.switch(fetch_media=True, media_faults="direct")
    graph.container(image_url=graph.sandbox.picture(1080, 1350, "demo"))
    answer = httpx.get(graph.sandbox.picture(320, 320))
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (320, 320))


# Tokens


def test_token_of_another_account_or_of_nobody_is_refused(graph):
    url = f"{graph.sandbox.graph_url}/{ACCOUNT}/media"
    for token in (graph.sandbox.token("2"), "nonsense", "sandbox-token-"):
        answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"})
        assert fault_of(answer) == (400, 190, None)
    assert fault_of(httpx.get(url)) == (400, 190, None)


def test_account_with_its_own_token_takes_no_other(graph):
    graph.sandbox.add_account(ACCOUNT, token="own", username="cafe")
    assert fault_of(graph.http.get(f"/{ACCOUNT}/media")) == (400, 190, None)
    answer = graph.http.get(f"/{ACCOUNT}/media", headers={"Authorization": "Bearer own"})
    assert answer.status_code == 200


def test_accounts_must_be_made_when_the_switch_says_so(graph):
    graph.sandbox.switch(auto_accounts=False)
    assert fault_of(graph.http.get(f"/{ACCOUNT}/media")) == (400, 190, None)
    graph.sandbox.add_account(ACCOUNT)
    assert graph.http.get(f"/{ACCOUNT}/media").status_code == 200


@pytest.mark.parametrize("subcode", [458, 459, 460, 463, 464, 467, 492])
def test_dead_token_says_why_it_died(graph, subcode):
    graph.sandbox.add_account(ACCOUNT)
    graph.sandbox.change_token(ACCOUNT, subcode=subcode)
    assert fault_of(graph.create()) == (400, 190, subcode)
    graph.sandbox.change_token(ACCOUNT, subcode=None)
    graph.container()


def test_token_expires_by_the_clock(graph):
    graph.sandbox.add_account(ACCOUNT)
    graph.sandbox.change_token(ACCOUNT, expires_at=graph.sandbox.now() + 60)
    graph.container()
    graph.sandbox.advance(60)
    assert fault_of(graph.create()) == (400, 190, 463)


def test_app_secret_proof_is_demanded_when_switched_on(graph):
    graph.sandbox.switch(app_secret="geheim")
    assert fault_of(graph.create()) == (400, 100, None)
    token = graph.sandbox.token(ACCOUNT).encode()
    proof = hmac.new(b"geheim", token, hashlib.sha256).hexdigest()
    assert graph.create(appsecret_proof=proof).status_code == 200


# Quotas and usage


def test_publishing_quota_rolls_over_a_day(graph):
    graph.sandbox.switch(publish_quota=2)
    for _ in range(2):
        assert graph.publish(graph.container()).status_code == 200
    refused = graph.container()
    assert fault_of(graph.publish(refused)) == (400, 9, 2207042)
    limit = graph.http.get(f"/{ACCOUNT}/content_publishing_limit?fields=config,quota_usage")
    config = {"quota_total": 2, "quota_duration": 86_400}
    assert limit.json() == {"data": [{"quota_usage": 2, "config": config}]}
    with Graph(graph.sandbox, "2") as other:
        assert other.publish(other.container()).status_code == 200
    graph.sandbox.advance(86_400)
    assert graph.publish(graph.container()).status_code == 200


def test_usage_headers_are_given_and_a_spent_budget_says_how_long(graph):
    graph.sandbox.switch(call_budget=2, app_usage_percent=81)
    answer = graph.create()
    assert '"call_count":81' in answer.headers["x-app-usage"]
    graph.create()
    refused = graph.create()
    assert fault_of(refused) == (400, 80002, None)
    assert '"estimated_time_to_regain_access":1440' in refused.headers["x-business-use-case-usage"]
    graph.sandbox.advance(86_400)
    assert graph.create().status_code == 200


def test_flicker_says_now_and_then_that_a_thing_does_not_exist(graph):
    container = graph.container()
    graph.sandbox.switch(flicker_every=2)
    answers = [graph.http.get(f"/{container}?fields=status_code") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 400, 200, 400]
    assert fault_of(answers[1]) == (400, 100, 33)


# Lists


@pytest.fixture
def five(graph) -> Graph:
    """Five posts, ten seconds apart, named by their age."""
    graph.sandbox.freeze()
    for number in range(5):
        graph.publish(graph.container(f"글 {number}"))
        graph.sandbox.advance(10)
    return graph


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_list_is_paged_to_its_end_newest_first(five, limit, sparse):
    five.sandbox.switch(sparse_pages=sparse)
    captions, sizes, after = [], [], {}
    while True:
        page = five.listed(fields="id,caption", limit=limit, **after)
        captions += [row["caption"] for row in page["data"]]
        sizes.append(len(page["data"]))
        if "next" not in page.get("paging", {}):
            break
        after = {"after": page["paging"]["cursors"]["after"]}
    assert captions == [f"글 {number}" for number in (4, 3, 2, 1, 0)]
    assert (0 in sizes) == (sparse and limit < 5)


def test_next_opens_the_next_page_by_itself(five):
    page = five.listed(fields="caption", limit=2)
    following = five.http.get(page["paging"]["next"]).json()
    assert [row["caption"] for row in following["data"]] == ["글 2", "글 1"]


def test_list_goes_from_since_to_until(five):
    start = int(five.sandbox.now()) - 50
    rows = five.listed(fields="caption", since=start + 10, until=start + 30)["data"]
    assert [row["caption"] for row in rows] == ["글 3", "글 2", "글 1"]


def test_post_has_the_platforms_fields_and_time_format(five):
    newest = five.listed(fields="id,caption,timestamp,media_type,media_product_type")["data"][0]
    posted_at = datetime.strptime(newest["timestamp"], "%Y-%m-%dT%H:%M:%S%z")
    assert newest["timestamp"].endswith("+0000")
    assert posted_at == datetime.fromtimestamp(int(five.sandbox.now()) - 10, UTC)
    assert newest["media_type"] == "IMAGE"


def test_list_without_fields_gives_ids_only(five):
    assert [set(row) for row in five.listed()["data"]] == [{"id"}] * 5


def test_nonsense_in_a_list_request_is_refused(five):
    texts = {"after": "%%%", "since": "yesterday", "limit": "inf", "fields": "x"}
    for nonsense in ({name: text} for name, text in [*texts.items(), ("limit", "0")]):
        assert five.http.get(f"/{ACCOUNT}/media", params=nonsense).status_code == 400


# What everybody sees


def test_permalink_opens_and_shows_the_text_as_text(graph):
    post = graph.publish(graph.container("<script>alert(1)</script> {caption} 봄")).json()["id"]
    link = graph.http.get(f"/{post}?fields=permalink").json()["permalink"]
    assert urlsplit(link).path.startswith("/p/")
    page = httpx.get(link)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {caption} 봄" in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_unknown_permalink_is_not_found(graph):
    assert httpx.get(f"{graph.sandbox.base_url}/p/nothing/").status_code == 404


def test_truth_tells_when_each_publish_arrived_and_which_were_refused(graph):
    container = graph.container()
    before = time.time()
    graph.publish(container)
    after = time.time()
    graph.publish(container)
    truth = graph.sandbox.ask("GET", "/sandbox/truth", query={"account": ACCOUNT})
    (post,) = truth["posts"]
    assert before <= post["arrived_at"] <= after
    assert post["container_id"] == container
    assert [request["status"] for request in truth["requests"]] == [200, 400]
    assert truth["requests"][0]["id"] == post["request_id"]
    assert graph.sandbox.posts("nobody") == []


def test_requests_are_listed_without_any_token(graph):
    httpx.get(f"{graph.sandbox.graph_url}/{ACCOUNT}/media?access_token=geheim")
    graph.container()
    listed = graph.sandbox.requests(path="/media", account=ACCOUNT)
    assert [request["call"] for request in listed] == ["create_container"]
    assert "geheim" not in str(graph.sandbox.requests())
    assert "sandbox-token" not in str(graph.sandbox.requests())


def test_reset_forgets_everything(graph):
    graph.publish(graph.container())
    graph.sandbox.advance(1000)
    graph.sandbox.reset()
    assert graph.sandbox.posts() == []
    assert graph.sandbox.requests() == []
    assert abs(graph.sandbox.now() - time.time()) < 5


def test_health_and_metrics_are_served(graph):
    graph.container()
    assert httpx.get(f"{graph.sandbox.base_url}/healthz").text == "ok\n"
    metrics = httpx.get(f"{graph.sandbox.base_url}/metrics").text
    assert 'sandbox_answers_total{call="create_container",status="200"}' in metrics
