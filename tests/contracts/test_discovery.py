"""The judge of requests is itself on trial: it takes what is right and refuses what is not."""

import pytest

from tests.contracts.discovery import Discovery

SNIPPET = {"title": "봄", "description": "꽃", "tags": ["봄"], "categoryId": "22"}
STATUS = {"privacyStatus": "private", "publishAt": "2026-12-01T09:00:00Z"}
PARTS = {"part": "snippet,status"}
VIDEOS = "/youtube/v3/videos"
UPLOAD = "/upload/youtube/v3/videos"
SESSION = {"uploadType": "resumable", "upload_id": "a"}


@pytest.fixture(scope="module")
def youtube() -> Discovery:
    return Discovery.of_youtube()


GOOD = [
    ("GET", VIDEOS, {"part": "status,processingDetails,fileDetails", "id": "a,b"}, None),
    ("PUT", VIDEOS, PARTS, {"id": "a", "snippet": SNIPPET, "status": STATUS}),
    ("DELETE", VIDEOS, {"id": "a"}, None),
    ("POST", UPLOAD, {**PARTS, "uploadType": "resumable", "notifySubscribers": "false"}, {}),
    ("POST", f"/resumable{UPLOAD}", PARTS, {"snippet": SNIPPET, "status": STATUS}),
    ("PUT", UPLOAD, SESSION, None),
    ("POST", "/upload/youtube/v3/thumbnails/set", {"videoId": "a"}, None),
    ("GET", "/youtube/v3/channels", {"part": "contentDetails", "mine": "true"}, None),
    (
        "GET",
        "/youtube/v3/playlistItems",
        {"part": "snippet", "playlistId": "UU1", "maxResults": "50", "pageToken": "a"},
        None,
    ),
    (
        "GET",
        "/youtube/v3/commentThreads",
        {"part": "snippet,replies", "videoId": "a", "order": "time", "textFormat": "plainText"},
        None,
    ),
    (
        "POST",
        "/youtube/v3/commentThreads",
        {"part": "snippet", "fields": "id", "prettyPrint": "false"},
        {"snippet": {"videoId": "a", "topLevelComment": {"snippet": {"textOriginal": "안녕"}}}},
    ),
]


@pytest.mark.parametrize(("method", "path", "query", "body"), GOOD)
def test_request_as_documented_has_no_problem(youtube, method, path, query, body):
    assert youtube.problems(method, path, query, body) == []


BAD = [
    ("GET", "/youtube/v3/video", {"part": "id"}, None, "no method"),
    ("PATCH", VIDEOS, {"part": "id"}, None, "no method"),
    ("POST", VIDEOS.replace("v3", "v4"), {"part": "id"}, {}, "no method"),
    ("GET", VIDEOS, {"id": "a"}, None, "part is required"),
    ("GET", VIDEOS, {"part": "", "id": "a"}, None, "part is required"),
    ("DELETE", VIDEOS, {}, None, "id is required"),
    ("GET", VIDEOS, {"part": "status", "ids": "a"}, None, "no parameter ids"),
    ("GET", VIDEOS, {"part": "status,snipet", "id": "a"}, None, "no part snipet"),
    ("GET", VIDEOS, {"part": "etag", "id": "a"}, None, "no part etag"),
    ("GET", VIDEOS, {"part": "id", "maxResults": "0"}, None, "maxResults cannot be"),
    ("GET", VIDEOS, {"part": "id", "maxResults": "many"}, None, "maxResults cannot be"),
    ("GET", VIDEOS, {"part": "id", "chart": "best"}, None, "chart cannot be"),
    ("POST", UPLOAD, {**PARTS, "notifySubscribers": "True"}, {}, "notifySubscribers cannot be"),
    ("POST", UPLOAD, PARTS, None, "the body is missing"),
    ("POST", UPLOAD, {"part": "snippet"}, {"status": STATUS}, "sets status"),
    ("POST", UPLOAD, SESSION, None, "takes PUT"),
    ("POST", "/upload/youtube/v3/thumbnails/set", {"videoId": "a"}, {"a": 1}, "takes no body"),
]


@pytest.mark.parametrize(("method", "path", "query", "body", "expected"), BAD)
def test_request_beside_the_document_is_refused(youtube, method, path, query, body, expected):
    (problem,) = youtube.problems(method, path, query, body)
    assert expected in problem


BAD_BODIES = [
    ({"snippet": {"titel": "봄"}}, "youtube.videos.update.snippet has no field titel"),
    ({"snippet": {"title": 1}}, "snippet.title cannot be 1"),
    ({"snippet": {"tags": "봄"}}, "snippet.tags must be a list"),
    ({"snippet": {"tags": ["봄", None]}}, "snippet.tags[1] cannot be None"),
    ({"snippet": []}, "snippet must be an object"),
    ({"status": {"privacyStatus": "hidden"}}, "privacyStatus cannot be 'hidden'"),
    ({"status": {"selfDeclaredMadeForKids": "false"}}, "selfDeclaredMadeForKids cannot be"),
    ({"status": {"publishAt": "2026-12-01 9시"}}, "publishAt cannot be"),
    ({"status": {"publishAt": "2026-12-01T09:00:00"}}, "publishAt cannot be"),
    ({"status": STATUS, "privacy": "public"}, "has no field privacy"),
    ([], "must be an object"),
]


@pytest.mark.parametrize(("body", "expected"), BAD_BODIES)
def test_body_that_the_schema_does_not_know_is_refused(youtube, body, expected):
    (problem,) = youtube.problems("PUT", VIDEOS, PARTS, body)
    assert expected in problem


def test_large_numbers_travel_as_text(youtube):
    def problems(size: object) -> list[str]:
        return youtube.problems(
            "PUT", VIDEOS, {"part": "fileDetails"}, {"fileDetails": {"fileSize": size}}
        )

    assert problems("274877906944") == []
    assert problems(274877906944) != []
    assert problems("large") != []


def test_row_of_the_sandbox_is_read_as_it_is_listed(youtube):
    row = {"id": "Y1", "method": "GET", "path": VIDEOS, "query": {"part": "id"}, "json": {}}
    assert youtube.problems_of(row) == []
    assert youtube.problems_of({**row, "query": {}}) != []
