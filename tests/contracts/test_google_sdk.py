"""Google's own client library, unmodified, works with the sandbox's YouTube.

Only the address in the discovery document is another. What the library sends is judged by the
document, and what came of it by the sandbox's truth.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from importlib.resources import files

import httpx
import pytest
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import Resource, build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseUpload, build_http

from tests.contracts.discovery import Discovery
from tests.running_sandbox import RunningSandbox

CHANNEL = "UC0000000000000000000001"
STEP = 256 * 1024  # bytes; chunks are multiples of it
DOCUMENT = files("googleapiclient") / "discovery_cache" / "documents" / "youtube.v3.json"


def service_for(sandbox: RunningSandbox, credentials: Credentials) -> Resource:
    document = json.loads(DOCUMENT.read_text("utf-8"))
    document["rootUrl"] = document["baseUrl"] = f"{sandbox.base_url}/"
    http = build_http()
    http.proxy_info = None
    # It repeats a request whose connection broke, with a body already read, and then waits.
    http.timeout = 5
    return build_from_document(document, http=AuthorizedHttp(credentials, http=http))


@pytest.fixture
def youtube(sandbox: RunningSandbox) -> Iterator[Resource]:
    """The library as one channel; whatever it sent is judged afterwards."""
    sandbox.switch(container_ready_s=0)
    with service_for(sandbox, Credentials(sandbox.token(CHANNEL))) as service:
        yield service
    judge = Discovery.of_youtube()
    rows = [row for row in sandbox.requests() if row["id"].startswith("Y")]
    assert rows
    assert [problem for row in rows for problem in judge.problems_of(row)] == []


@pytest.fixture(scope="module")
def film(sandbox_process: RunningSandbox) -> bytes:
    """A film of more than two chunks: a short one, and a box that every player passes over."""
    url = f"{sandbox_process.base_url}/sandbox/media/320x240/sdk.mp4?seconds=1"
    film = httpx.get(url, trust_env=False).content
    padding = 2 * STEP + 1000
    return film + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8)


def media_of(film: bytes, chunk: int = STEP) -> MediaIoBaseUpload:
    return MediaIoBaseUpload(io.BytesIO(film), "video/mp4", chunksize=chunk, resumable=True)


def body(title: str = "봄꽃 축제", privacy: str = "private") -> dict:
    return {
        "snippet": {"title": title, "description": "꽃이 피었습니다", "categoryId": "22"},
        "status": {"privacyStatus": privacy, "selfDeclaredMadeForKids": False},
    }


def upload(youtube: Resource, film: bytes, **more: str) -> dict:
    request = youtube.videos().insert(
        part="snippet,status", body=body(**more), media_body=media_of(film)
    )
    answer = None
    while answer is None:
        _, answer = request.next_chunk()
    return answer


def reason_of(error: HttpError) -> tuple[int, str]:
    return error.status_code, json.loads(error.content)["error"]["errors"][0]["reason"]


def test_a_video_goes_from_chunks_to_the_public_and_away_again(youtube, sandbox, film):
    request = youtube.videos().insert(
        part="snippet,status", notifySubscribers=False, body=body(), media_body=media_of(film)
    )
    reached, video = [], None
    while video is None:
        status, video = request.next_chunk()
        reached += [status.resumable_progress] if status else []
    assert reached == [STEP, 2 * STEP]
    assert sandbox.posts() == []

    found = youtube.videos().list(part="status,processingDetails,fileDetails", id=video["id"])
    (item,) = found.execute()["items"]
    assert item["status"]["uploadStatus"] == "processed"
    assert item["processingDetails"]["processingStatus"] == "succeeded"
    assert item["fileDetails"]["fileSize"] == str(len(film))

    picture = httpx.get(sandbox.picture(320, 180), trust_env=False).content
    youtube.thumbnails().set(
        videoId=video["id"], media_body=MediaIoBaseUpload(io.BytesIO(picture), "image/jpeg")
    ).execute()
    youtube.videos().update(
        part="status", body={"id": video["id"], "status": {"privacyStatus": "public"}}
    ).execute()
    (post,) = sandbox.posts(CHANNEL)
    assert (post["id"], post["kind"], post["title"]) == (video["id"], "video", "봄꽃 축제")
    assert (post["size"], post["sha256"]) == (len(film), hashlib.sha256(film).hexdigest())

    channels = youtube.channels().list(part="contentDetails", mine=True).execute()
    uploads = channels["items"][0]["contentDetails"]["relatedPlaylists"]["uploads"]
    page = youtube.playlistItems().list(part="snippet", playlistId=uploads).execute()
    assert [one["snippet"]["resourceId"]["videoId"] for one in page["items"]] == [video["id"]]

    assert not youtube.videos().delete(id=video["id"]).execute()
    assert [one["is_deleted"] for one in sandbox.posts(CHANNEL)] == [True]
    with pytest.raises(HttpError) as gone:
        youtube.videos().delete(id=video["id"]).execute()
    assert reason_of(gone.value) == (404, "videoNotFound")


@pytest.mark.parametrize("moved", [False, True])
def test_a_broken_upload_goes_on_from_what_had_arrived(youtube, sandbox, film, moved):
    sandbox.switch(sessions_move=moved)
    sandbox.fault("close", carry_out=0, call="upload", after_bytes=STEP + 100)
    request = youtube.videos().insert(
        part="snippet,status", body=body(), media_body=media_of(film, 2 * STEP)
    )
    with pytest.raises(OSError, match=r"."):  # of whatever kind the system calls it
        request.next_chunk()
    _, video = request.next_chunk()
    assert request.resumable_progress == STEP
    sessions = {
        row["query"]["upload_id"] for row in sandbox.requests(path="upload/", call="upload")
    }
    assert len(sessions) == 1 + moved
    (hidden,) = sandbox.hidden(CHANNEL)
    assert (hidden["id"], hidden["sha256"]) == (video["id"], hashlib.sha256(film).hexdigest())


def test_an_upload_whose_last_answer_was_lost_is_found_done(youtube, sandbox, film):
    sandbox.fault("html", carry_out=1, call="upload", status=503)
    request = youtube.videos().insert(
        part="snippet,status", body=body(), media_body=media_of(film, -1)
    )
    with pytest.raises(HttpError, match="503"):
        request.next_chunk()
    _, video = request.next_chunk()
    assert [one["id"] for one in sandbox.hidden(CHANNEL)] == [video["id"]]
    assert [row["status"] for row in sandbox.requests(call="probe_upload")] == [200]


def test_a_whole_film_may_come_in_one_request(youtube, sandbox, film):
    media = MediaIoBaseUpload(io.BytesIO(film), "video/mp4")
    video = youtube.videos().insert(
        part="snippet,status", body=body(privacy="public"), media_body=media
    )
    assert video.execute()["id"] == sandbox.posts(CHANNEL)[0]["id"]
    assert sandbox.posts(CHANNEL)[0]["sha256"] == hashlib.sha256(film).hexdigest()


def test_a_refused_title_has_its_reason(youtube, sandbox, film):
    with pytest.raises(HttpError) as refused:
        upload(youtube, film, title="가" * 101)
    assert reason_of(refused.value) == (400, "invalidTitle")
    assert sandbox.hidden(CHANNEL) == []


def test_the_library_tries_again_when_the_backend_fails(youtube, sandbox):
    sandbox.fault("error", carry_out=0, call="read_channel", status=503, reason="backendError")
    answer = youtube.channels().list(part="id", mine=True).execute(num_retries=1)
    assert answer["items"][0]["id"] == CHANNEL
    assert [row["status"] for row in sandbox.requests(call="read_channel")] == [503, 200]


def test_a_first_comment_is_written_and_found_again(youtube, sandbox, film):
    video = upload(youtube, film, privacy="public")
    snippet = {
        "channelId": CHANNEL,
        "videoId": video["id"],
        "topLevelComment": {"snippet": {"textOriginal": "첫 댓글"}},
    }
    made = youtube.commentThreads().insert(part="snippet", body={"snippet": snippet}).execute()
    found = youtube.commentThreads().list(part="snippet", videoId=video["id"]).execute()
    assert [thread["id"] for thread in found["items"]] == [made["id"]]
    assert sandbox.posts(CHANNEL)[0]["comments"] == ["첫 댓글"]


def refreshing(sandbox: RunningSandbox, refresh_token: str) -> Credentials:
    return Credentials(
        None,
        refresh_token=refresh_token,
        token_uri=f"{sandbox.base_url}/token",
        client_id="sandbox-client",
        client_secret="sandbox-secret",
    )


def test_the_library_fetches_a_token_and_another_when_it_has_expired(sandbox):
    credentials = refreshing(sandbox, f"sandbox-refresh-{CHANNEL}")
    with service_for(sandbox, credentials) as service:
        asking = service.channels().list(part="id", mine=True)
        assert asking.execute()["items"][0]["id"] == CHANNEL
        first = credentials.token
        sandbox.advance(3600)
        assert asking.execute()["items"][0]["id"] == CHANNEL
    assert credentials.token != first


def test_a_revoked_grant_is_told_apart(sandbox):
    revoked = f"sandbox-refresh-{CHANNEL}"
    assert httpx.post(f"{sandbox.base_url}/revoke", data={"token": revoked}).status_code == 200
    with (
        service_for(sandbox, refreshing(sandbox, revoked)) as service,
        pytest.raises(RefreshError, match="invalid_grant"),
    ):
        service.channels().list(part="id", mine=True).execute()
