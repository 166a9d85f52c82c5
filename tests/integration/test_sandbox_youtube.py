"""The imitated YouTube from outside, with a client that knows nothing of our adapter."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.integration.test_sandbox_instagram import NO_TLS, until
from tests.running_sandbox import RunningSandbox

CHANNEL = "UC0000000000000000000001"
STEP = 256 * 1024  # bytes; chunks are multiples of it
FILM = bytes(range(256)) * 4 * 256 * 2 + b"the rest"  # two steps and a bit, and no film at all
JPEG = b"\xff\xd8\xff\xe0 as good as a picture"


class Channel:
    """Plain HTTP as one channel."""

    def __init__(self, sandbox: RunningSandbox, channel: str = CHANNEL) -> None:
        self.sandbox = sandbox
        self.id = channel
        self.http = httpx.Client(
            base_url=sandbox.base_url,
            headers={"Authorization": f"Bearer {sandbox.token(channel)}"},
            trust_env=False,
            verify=NO_TLS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def start(self, body: dict | None = None, size: int = len(FILM)) -> httpx.Response:
        return self.http.post(
            "/upload/youtube/v3/videos?uploadType=resumable&part=snippet,status",
            json=metadata() if body is None else body,
            headers={"X-Upload-Content-Length": str(size), "X-Upload-Content-Type": "video/mp4"},
        )

    def session(self, **more: object) -> str:
        answer = self.start(metadata(**more))
        assert answer.status_code == 200, answer.text
        return answer.headers["location"]

    def put(self, session: str, start: int, end: int, total: int = len(FILM)) -> httpx.Response:
        """The bytes from ``start`` to before ``end``."""
        return self.http.put(
            session,
            content=FILM[start:end],
            headers={"Content-Range": f"bytes {start}-{end - 1}/{total}"},
        )

    def probe(self, session: str) -> httpx.Response:
        return self.http.put(session, headers={"Content-Range": f"bytes */{len(FILM)}"})

    def upload(self, film: bytes = FILM, **more: object) -> str:
        """The id of a new video."""
        answer = self.http.put(self.session(**more), content=film)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def film(self, width: int, height: int, seconds: int = 1, **more: object) -> str:
        """The id of a new video that is a film."""
        path = f"/sandbox/media/{width}x{height}/a.mp4?seconds={seconds}"
        film = self.http.get(path).content
        session = self.start(metadata(**more), len(film)).headers["location"]
        return self.http.put(session, content=film).json()["id"]

    def update(self, video: str, **parts: dict) -> httpx.Response:
        return self.http.put(
            "/youtube/v3/videos", params={"part": ",".join(parts)}, json={"id": video, **parts}
        )

    def video(self, video: str) -> dict:
        parts = "snippet,status,processingDetails,fileDetails,contentDetails,statistics"
        answer = self.http.get("/youtube/v3/videos", params={"part": parts, "id": video})
        return answer.json()["items"][0]

    def listed(self, **more: object) -> dict:
        playlist = f"UU{self.id.removeprefix('UC')}"
        query = {"part": "snippet,contentDetails", "playlistId": playlist, **more}
        answer = self.http.get("/youtube/v3/playlistItems", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def comment(self, video: str, text: str) -> httpx.Response:
        top = {"snippet": {"textOriginal": text}}
        return self.http.post(
            "/youtube/v3/commentThreads?part=snippet",
            json={"snippet": {"channelId": self.id, "videoId": video, "topLevelComment": top}},
        )

    def threads(self, video: str, **more: object) -> httpx.Response:
        query = {"part": "snippet", "videoId": video, **more}
        return self.http.get("/youtube/v3/commentThreads", params=query)


def metadata(title: str = "봄꽃", privacy: str | None = "private", **snippet: object) -> dict:
    status = {} if privacy is None else {"privacyStatus": privacy}
    if "publish_at" in snippet:
        status["publishAt"] = snippet.pop("publish_at")
    return {"snippet": {"title": title, "description": "꽃", **snippet}, "status": status}


@pytest.fixture
def channel(sandbox: RunningSandbox) -> Iterator[Channel]:
    """Videos are processed at once, unless a test says otherwise."""
    sandbox.switch(container_ready_s=0)
    with Channel(sandbox) as channel:
        yield channel


def reason_of(answer: httpx.Response) -> tuple[int, str]:
    """HTTP status and reason of an error."""
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert error["message"]
    return answer.status_code, error["errors"][0]["reason"]


def reached(answer: httpx.Response) -> int | None:
    """How many bytes a session has, or None when the answer names no range."""
    assert answer.status_code == 308
    last = answer.headers.get("range", "").rpartition("-")[2]
    return int(last) + 1 if last else None


def written(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat()


# Sessions


def test_session_takes_chunks_and_becomes_one_video(channel):
    session = channel.session()
    assert reached(channel.probe(session)) is None
    assert reached(channel.put(session, 0, STEP)) == STEP
    assert channel.sandbox.hidden() == []
    assert reached(channel.put(session, STEP, 2 * STEP)) == 2 * STEP
    done = channel.put(session, 2 * STEP, len(FILM))
    assert done.status_code == 200
    for again in (channel.probe(session), channel.put(session, 2 * STEP, len(FILM))):
        assert (again.status_code, again.json()["id"]) == (200, done.json()["id"])
    (video,) = channel.sandbox.hidden(CHANNEL)
    assert (video["id"], video["size"]) == (done.json()["id"], len(FILM))
    assert video["sha256"] == hashlib.sha256(FILM).hexdigest()


def test_chunk_of_an_odd_size_is_refused_and_not_stored(channel):
    session = channel.session()
    assert reason_of(channel.put(session, 0, STEP + 1)) == (400, "invalidChunk")
    assert reached(channel.probe(session)) is None


def test_chunk_that_begins_elsewhere_is_not_stored(channel):
    session = channel.session()
    channel.put(session, 0, STEP)
    assert reached(channel.put(session, 0, STEP)) == STEP
    assert reached(channel.put(session, 2 * STEP, 3 * STEP, 9 * STEP)) == STEP


@pytest.mark.parametrize("answer", ["close", "reset"])
def test_broken_chunk_keeps_whole_steps(channel, answer):
    channel.sandbox.fault(answer, carry_out=0, call="upload", after_bytes=STEP + 1000)
    session = channel.session()
    with pytest.raises(httpx.TransportError):
        channel.put(session, 0, len(FILM))
    assert reached(channel.probe(session)) == STEP
    assert channel.put(session, STEP, len(FILM)).status_code == 200
    assert channel.sandbox.hidden()[0]["sha256"] == hashlib.sha256(FILM).hexdigest()


def test_caller_that_dies_in_the_middle_leaves_whole_steps(channel):
    session = channel.session()
    address = urlsplit(session)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(
            f"PUT {address.path}?{address.query} HTTP/1.1\r\nHost: a\r\n"
            f"Content-Length: {len(FILM)}\r\n\r\n".encode()
            + FILM[: STEP + 5]
        )
        until(lambda: reached(channel.probe(session)) == STEP)
    assert channel.put(session, STEP, len(FILM)).status_code == 200
    assert channel.sandbox.hidden()[0]["sha256"] == hashlib.sha256(FILM).hexdigest()


def test_two_requests_that_end_one_session_make_one_video(channel):
    session = channel.session()
    channel.put(session, 0, 2 * STEP)
    with Channel(channel.sandbox) as second:
        answers: list[httpx.Response] = []

        def end(one: Channel) -> None:
            answers.append(one.put(session, 2 * STEP, len(FILM)))

        calls = [threading.Thread(target=end, args=(one,)) for one in (channel, second)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(channel.sandbox.hidden()) == 1


def test_lost_or_expired_session_is_not_found(channel):
    session = channel.session()
    channel.sandbox.switch(sessions_lost=True)
    assert reason_of(channel.probe(session)) == (404, "notFound")
    channel.sandbox.switch(sessions_lost=False, session_life_s=60)
    assert reached(channel.probe(session)) is None
    channel.sandbox.advance(60)
    assert reason_of(channel.put(session, 0, len(FILM))) == (404, "notFound")
    assert channel.sandbox.hidden() == []


def test_session_that_moves_is_known_at_its_new_address_only(channel):
    channel.sandbox.switch(sessions_move=True)
    first = channel.session()
    second = channel.put(first, 0, STEP).headers["location"]
    assert reason_of(channel.probe(first))[0] == 404
    third = channel.probe(second).headers["location"]
    assert channel.put(third, STEP, len(FILM)).status_code == 200


@pytest.mark.parametrize("carry_out", [0, 1])
def test_error_to_a_chunk_says_nothing_of_what_was_stored(channel, carry_out):
    channel.sandbox.fault("error", carry_out=carry_out, call="upload", status=503)
    session = channel.session()
    assert reason_of(channel.put(session, 0, STEP)) == (503, "backendError")
    assert reached(channel.probe(session)) == (STEP if carry_out else None)


def test_both_upload_paths_are_served_and_a_stray_one_is_not(channel):
    for path, status in [
        ("/resumable/upload/youtube/v3/videos", 200),
        ("/upload/youtube/v3/films", 404),
    ]:
        answer = channel.http.post(f"{path}?uploadType=resumable&part=snippet", json=metadata())
        assert answer.status_code == status


# What is refused


REFUSED = [
    ({"title": ""}, "invalidTitle"),
    ({"title": "가" * 101}, "invalidTitle"),
    ({"title": "<b>"}, "invalidTitle"),
    ({"description": "가" * 1667}, "invalidDescription"),
    ({"description": "a > b"}, "invalidDescription"),
    ({"tags": ["가" * 501]}, "invalidTags"),
    ({"tags": ["봄"] * 251}, "invalidTags"),
    ({"tags": "봄"}, "invalidTags"),
    ({"categoryId": "99"}, "invalidCategoryId"),
    ({"publish_at": "내일"}, "invalidPublishAt"),
    ({"publish_at": "2030-01-01T00:00:00"}, "invalidPublishAt"),
    ({"publish_at": "2030-01-01T00:00:00Z", "privacy": "public"}, "invalidPublishAt"),
    ({"privacy": "hidden"}, "invalidVideoMetadata"),
]


@pytest.mark.parametrize(("said", "reason"), REFUSED)
def test_bad_metadata_is_refused_with_its_reason(channel, said, reason):
    assert reason_of(channel.start(metadata(**said))) == (400, reason)


@pytest.mark.parametrize(
    "said",
    [
        {"title": "가" * 100},
        {"description": "가" * 1666},
        {"tags": ["봄"] * 250},
        {"categoryId": "22"},
        {"publish_at": "2030-01-01T00:00:00+09:00"},
    ],
)
def test_metadata_at_a_limit_is_taken(channel, said):
    assert channel.start(metadata(**said)).status_code == 200


def test_upload_limit_of_a_channel_is_told_apart(channel):
    channel.sandbox.switch(upload_limit_reached=True)
    assert reason_of(channel.start()) == (400, "uploadLimitExceeded")


def test_body_that_is_no_json_is_a_parse_error(channel):
    for method, path in [("POST", "/upload/youtube/v3/videos"), ("PUT", "/youtube/v3/videos")]:
        answer = channel.http.request(method, f"{path}?part=snippet", content=b"{")
        assert reason_of(answer) == (400, "parseError")


def test_reads_without_part_or_filter_are_refused(channel):
    for path in ("videos?part=id", "videos?id=a", "channels?part=id"):
        answer = channel.http.get(f"/youtube/v3/{path}")
        assert reason_of(answer) == (400, "missingRequiredParameter")
    for query in ("maxResults=many", "maxResults=51"):
        answer = channel.http.get(
            f"/youtube/v3/playlistItems?part=id&playlistId=UU{CHANNEL[2:]}&{query}"
        )
        assert reason_of(answer) == (400, "invalidParameter")


# Videos


def test_processing_goes_by_the_clock(channel):
    channel.sandbox.switch(container_ready_s=30)
    channel.sandbox.freeze()
    video = channel.film(320, 240)
    states = []
    for _ in range(2):
        found = channel.video(video)
        states.append(
            (found["status"]["uploadStatus"], found["processingDetails"]["processingStatus"])
        )
        channel.sandbox.advance(30)
    assert states == [("uploaded", "processing"), ("processed", "succeeded")]


def test_bytes_that_are_no_film_fail_and_are_never_seen(channel):
    video = channel.upload(privacy="public")
    status = channel.video(video)["status"]
    assert (status["uploadStatus"], status["failureReason"]) == ("failed", "invalidFile")
    assert channel.sandbox.posts() == []


def test_same_bytes_again_are_a_duplicate_when_switched_on(channel):
    channel.sandbox.switch(reject_duplicates=True)
    first, second = channel.film(320, 240), channel.film(320, 240, privacy="public")
    assert channel.video(first)["status"]["uploadStatus"] == "processed"
    status = channel.video(second)["status"]
    assert (status["uploadStatus"], status["rejectionReason"]) == ("rejected", "duplicate")
    assert channel.sandbox.posts() == []


@pytest.mark.parametrize(
    ("size", "kind"), [((240, 320), "short"), ((240, 240), "short"), ((320, 240), "video")]
)
def test_upright_and_square_films_are_shorts(channel, size, kind):
    channel.film(*size, privacy="public")
    assert [post["kind"] for post in channel.sandbox.posts()] == [kind]


def test_privacy_that_is_not_said_is_public(channel):
    video = channel.film(320, 240, privacy=None)
    assert [post["id"] for post in channel.sandbox.posts()] == [video]
    hidden = channel.film(240, 320)
    assert channel.update(hidden, status={"embeddable": True}).status_code == 200
    assert [post["id"] for post in channel.sandbox.posts()] == [video, hidden]


def test_update_makes_public_under_its_own_request(channel):
    video = channel.film(320, 240, tags=["봄"])
    assert channel.sandbox.posts() == []
    assert channel.update(video, status={"privacyStatus": "unlisted"}).status_code == 200
    (post,) = channel.sandbox.posts(CHANNEL)
    (request,) = channel.sandbox.requests(call="publish")
    assert (post["request_id"], post["arrived_at"]) == (request["id"], request["arrived_at"])
    assert (post["platform"], post["title"], post["caption"]) == ("youtube", "봄꽃", "꽃")
    assert (post["tags"], post["privacy"]) == (["봄"], "unlisted")
    assert channel.sandbox.hidden() == []


def test_scheduled_video_turns_public_at_its_instant(channel):
    channel.sandbox.freeze()
    at = round(channel.sandbox.now()) + 3600
    video = channel.film(320, 240)
    status = {"privacyStatus": "private", "publishAt": written(at)}
    assert channel.update(video, status=status).status_code == 200
    assert channel.sandbox.hidden()[0]["publish_at"] == written(at)
    channel.sandbox.advance(3590)
    assert channel.sandbox.posts() == []
    channel.sandbox.advance(60)
    (post,) = channel.sandbox.posts()
    (request,) = channel.sandbox.requests(call="publish")
    assert (post["posted_at"], post["request_id"]) == (at, request["id"])
    assert channel.video(video)["status"]["privacyStatus"] == "public"
    assert reason_of(channel.update(video, status=status)) == (400, "invalidPublishAt")


def test_snippet_is_replaced_whole_and_needs_title_and_category(channel):
    video = channel.film(320, 240, privacy="public", tags=["봄"])
    for snippet, reason in [
        ({"title": "여름"}, "invalidCategoryId"),
        ({"categoryId": "22"}, "invalidTitle"),
    ]:
        assert reason_of(channel.update(video, snippet=snippet)) == (400, reason)
    assert channel.update(video, snippet={"title": "여름", "categoryId": "22"}).status_code == 200
    assert "tags" not in channel.video(video)["snippet"]
    (post,) = channel.sandbox.posts()
    assert (post["title"], post["caption"], post["tags"]) == ("여름", "", [])
    assert [row["call"] for row in channel.sandbox.requests(path="v3/videos")][-2:] == [
        "update_video",
        "read_post",
    ]


def test_deleted_video_is_gone_for_everybody(channel):
    video = channel.film(320, 240, privacy="public")
    watch = f"/watch?v={video}"
    assert "<p>꽃</p>" in channel.http.get(watch).text
    deleted = channel.http.delete("/youtube/v3/videos", params={"id": video})
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "content-length" not in deleted.headers
    assert channel.http.get(watch).status_code == 404
    again = channel.http.delete("/youtube/v3/videos", params={"id": video})
    assert reason_of(again) == (404, "videoNotFound")
    assert [post["is_deleted"] for post in channel.sandbox.posts()] == [True]


def test_stranger_neither_sees_nor_changes_a_private_video(channel):
    video = channel.film(320, 240)
    with Channel(channel.sandbox, "UC2") as stranger:
        found = stranger.http.get(f"/youtube/v3/videos?part=status&id={video}")
        assert found.json()["items"] == []
        answer = stranger.update(video, status={"privacyStatus": "public"})
        assert reason_of(answer) == (404, "videoNotFound")
        channel.update(video, status={"privacyStatus": "public"})
        found = stranger.http.get(f"/youtube/v3/videos?part=status&id={video}")
        assert [one["id"] for one in found.json()["items"]] == [video]
        answer = stranger.http.delete(f"/youtube/v3/videos?id={video}")
        assert reason_of(answer) == (403, "forbidden")


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (JPEG, None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"", (400, "mediaBodyRequired")),
        (b"GIF89a", (400, "invalidImage")),
    ],
)
def test_thumbnail_is_a_picture_of_a_known_kind(channel, picture, expected):
    video = channel.upload()
    answer = channel.http.post(
        f"/upload/youtube/v3/thumbnails/set?videoId={video}", content=picture
    )
    assert (None if answer.is_success else reason_of(answer)) == expected


# Lists


def test_uploads_are_listed_newest_first_in_pages(channel):
    videos = [channel.upload(title=f"영상 {number}") for number in range(5)]
    found, query = [], {"maxResults": 2}
    while True:
        page = channel.listed(**query)
        assert page["pageInfo"]["totalResults"] == 5
        found += [item["contentDetails"]["videoId"] for item in page["items"]]
        if "nextPageToken" not in page:
            break
        query["pageToken"] = page["nextPageToken"]
    assert found == videos[::-1]


def test_list_of_uploads_may_lag(channel):
    channel.sandbox.switch(uploads_lag_s=60)
    channel.sandbox.freeze()
    video = channel.upload()
    assert channel.listed()["items"] == []
    channel.sandbox.advance(60)
    assert [item["contentDetails"]["videoId"] for item in channel.listed()["items"]] == [video]


def test_channel_names_the_playlist_of_its_uploads(channel):
    for query in ("mine=true", f"id={CHANNEL}"):
        answer = channel.http.get(f"/youtube/v3/channels?part=contentDetails,statistics&{query}")
        (item,) = answer.json()["items"]
        assert item["contentDetails"]["relatedPlaylists"]["uploads"] == f"UU{CHANNEL[2:]}"
        assert "snippet" not in item
    other = channel.http.get("/youtube/v3/playlistItems?part=id&playlistId=UU2")
    assert reason_of(other) == (404, "playlistNotFound")


def test_comments_are_written_listed_and_may_be_switched_off(channel):
    video = channel.film(320, 240, privacy="public")
    for text in ("첫째", "둘째", "셋째"):
        assert channel.comment(video, text).status_code == 200
    page = channel.threads(video, maxResults=2).json()
    rest = channel.threads(video, pageToken=page["nextPageToken"]).json()
    tops = [
        one["snippet"]["topLevelComment"]["snippet"] for one in [*page["items"], *rest["items"]]
    ]
    assert [top["textOriginal"] for top in tops] == ["셋째", "둘째", "첫째"]
    assert {top["authorChannelId"]["value"] for top in tops} == {CHANNEL}
    assert channel.sandbox.posts()[0]["comments"] == ["첫째", "둘째", "셋째"]
    assert reason_of(channel.comment(video, "")) == (400, "commentTextRequired")
    assert reason_of(channel.comment("nothing", "넷째")) == (404, "videoNotFound")
    channel.sandbox.switch(comments_disabled=True)
    for answer in (channel.comment(video, "넷째"), channel.threads(video)):
        assert reason_of(answer) == (403, "commentsDisabled")


# Quota


def test_uploads_have_a_bucket_of_their_own_until_midnight_in_california(channel):
    pacific = ZoneInfo("America/Los_Angeles")
    channel.sandbox.freeze()
    now = datetime.fromtimestamp(channel.sandbox.now(), pacific)
    before_midnight = now.replace(hour=23, minute=59, second=50, microsecond=0).timestamp()
    channel.sandbox.ask("POST", "/sandbox/clock", {"set": before_midnight})
    channel.sandbox.switch(youtube_uploads_a_day=2, youtube_units_a_day=3)
    assert [channel.start().status_code for _ in range(3)] == [200, 200, 403]
    assert [channel.threads("a").status_code for _ in range(4)] == [404, 404, 404, 403]
    assert reason_of(channel.threads("a")) == (403, "quotaExceeded")
    channel.sandbox.advance(10)
    assert channel.start().status_code == 200
    assert channel.threads("a").status_code == 404


def test_uploads_cost_many_units_in_the_older_model(channel):
    channel.sandbox.switch(youtube_quota_model="units")
    assert [channel.start().status_code for _ in range(7)] == [200] * 6 + [403]
    assert channel.threads("a").status_code == 403


# Tokens


def test_dead_unknown_and_expired_tokens_are_an_auth_error(channel):
    channel.listed()
    url = f"{channel.sandbox.base_url}/youtube/v3/channels?part=id&mine=true"
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = httpx.get(url, headers=headers, trust_env=False)
        assert reason_of(answer) == (401, "authError")
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    channel.sandbox.change_token(CHANNEL, expires_at=channel.sandbox.now() + 60)
    session = channel.session()
    channel.sandbox.advance(60)
    assert reason_of(channel.start()) == (401, "authError")
    assert reason_of(channel.put(session, 0, len(FILM))) == (401, "authError")
    channel.sandbox.change_token(CHANNEL, expires_at=None)
    assert channel.put(session, 0, len(FILM)).status_code == 200


def refreshed(sandbox: RunningSandbox, token: str, **more: str) -> httpx.Response:
    form = {
        "grant_type": "refresh_token",
        "client_id": "id",
        "client_secret": "geheim",
        "refresh_token": token,
        **more,
    }
    return httpx.post(f"{sandbox.base_url}/token", data=form, trust_env=False)


def test_access_token_ends_by_the_clock_and_its_refresh_token_stays(channel):
    first = refreshed(channel.sandbox, f"sandbox-refresh-{CHANNEL}").json()
    assert (first["expires_in"], first["token_type"]) == (3599, "Bearer")
    assert "refresh_token" not in first
    channel.http.headers["Authorization"] = f"Bearer {first['access_token']}"
    channel.listed()
    channel.sandbox.advance(3599)
    assert reason_of(channel.http.get("/youtube/v3/channels?part=id")) == (401, "authError")
    second = refreshed(channel.sandbox, f"sandbox-refresh-{CHANNEL}").json()
    channel.http.headers["Authorization"] = f"Bearer {second['access_token']}"
    channel.listed()


def test_rotation_gives_a_new_refresh_token_and_ends_the_old_one(sandbox):
    sandbox.switch(rotate_refresh_tokens=True)
    rotated = refreshed(sandbox, "sandbox-refresh-UC1").json()["refresh_token"]
    assert refreshed(sandbox, "sandbox-refresh-UC1").json()["error"] == "invalid_grant"
    assert refreshed(sandbox, rotated).status_code == 200


@pytest.mark.parametrize(
    ("more", "status", "error"),
    [
        ({"refresh_token": "nonsense"}, 400, "invalid_grant"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_bad_refresh_says_why(sandbox, more, status, error):
    sandbox.switch(google_client_secret="geheim")
    answer = refreshed(sandbox, "sandbox-refresh-UC1", **more)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert refreshed(sandbox, "sandbox-refresh-UC1").status_code == 200


def test_refresh_token_ends_after_a_week_in_testing(sandbox):
    sandbox.switch(refresh_token_life_s=7 * 86_400)
    assert refreshed(sandbox, "sandbox-refresh-UC1").status_code == 200
    sandbox.advance(7 * 86_400)
    assert refreshed(sandbox, "sandbox-refresh-UC1").json()["error"] == "invalid_grant"


def test_revocation_ends_every_token_of_the_account(channel):
    refresh_token = f"sandbox-refresh-{CHANNEL}"
    access_token = refreshed(channel.sandbox, refresh_token).json()["access_token"]
    url = f"{channel.sandbox.base_url}/revoke"
    assert httpx.post(url, data={"token": access_token}, trust_env=False).status_code == 200
    again = httpx.post(url, params={"token": access_token}, trust_env=False)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")
    assert refreshed(channel.sandbox, refresh_token).json()["error"] == "invalid_grant"
    assert reason_of(channel.start()) == (401, "authError")


# Faults and records


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ({}, 500, "backendError"),
        ({"reason": "quotaExceeded"}, 403, "quotaExceeded"),
        ({"reason": "rateLimitExceeded", "status": 429}, 429, "rateLimitExceeded"),
    ],
)
def test_planned_error_has_youtubes_envelope(channel, fault, status, reason):
    video = channel.film(320, 240)
    channel.sandbox.fault("error", carry_out=1, call="publish", **fault)
    answer = channel.update(video, status={"privacyStatus": "public"})
    assert reason_of(answer) == (status, reason)
    assert [post["id"] for post in channel.sandbox.posts()] == [video]


def test_planned_error_of_the_token_host_has_its_own_envelope(sandbox):
    sandbox.fault("error", carry_out=0, call="refresh_token", reason="invalid_grant")
    sandbox.fault("error", carry_out=0, call="refresh_token", status=503, nth=2)
    answers = [refreshed(sandbox, "sandbox-refresh-UC1") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 503, 200]
    assert [answer.json().get("error") for answer in answers] == [
        "invalid_grant",
        "internal_failure",
        None,
    ]


def test_requests_are_kept_with_query_and_json_but_no_secret(channel):
    channel.http.get("/youtube/v3/channels?part=id&mine=true&access_token=geheim&key=geheim")
    channel.start()
    refreshed(channel.sandbox, "sandbox-refresh-geheim")
    rows = {row["call"]: row for row in channel.sandbox.requests()}
    assert rows["read_channel"]["query"] == {"part": "id", "mine": "true"}
    assert rows["create_container"]["json"] == metadata()
    assert rows["create_container"]["account"] == CHANNEL
    assert "sandbox-token" not in str(rows)
    assert "client_secret" not in str(rows)
    assert rows["refresh_token"]["json"] is None


def test_bytes_of_any_size_are_the_same_whole_and_in_ranges(sandbox):
    size = 3 * 1024 * 1024 + 17
    url = f"{sandbox.base_url}/sandbox/media/bytes/{size}.mp4"
    whole = httpx.get(url, trust_env=False)
    assert int(whole.headers["content-length"]) == len(whole.content) == size
    part = httpx.get(url, headers={"Range": f"bytes=1048570-{size - 10}"}, trust_env=False)
    assert (part.status_code, part.content) == (206, whole.content[1048570 : size - 9])
    head = httpx.head(url.replace(str(size), str(2 * 1024**3)), trust_env=False)
    assert (head.headers["content-length"], head.content) == (str(2 * 1024**3), b"")
