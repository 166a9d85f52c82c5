"""People comment in the sandbox, and each platform shows it in its own way."""

import json
from typing import Any

import httpx
import pytest

from tests.running_sandbox import RunningSandbox

ODD = ["NUL \0 안", "반쪽 \ud83d 글자", "방향 \u202e바꾸기", "이모지 👨‍👩‍👧 40", "가" * 50_000]


def post(sandbox: RunningSandbox, platform: str, account: str = "71") -> str:
    sandbox.add_account(account)
    wanted = {"account": account, "platform": platform}
    return sandbox.ask("POST", "/sandbox/posts", wanted)["ids"][0]


def say(sandbox: RunningSandbox, under: str, text: str, **details: Any) -> str:
    return sandbox.ask("POST", "/sandbox/comments", {"post": under, "text": text, **details})["id"]


def read(sandbox: RunningSandbox, path: str, **query: str) -> Any:
    answer = httpx.get(
        f"{sandbox.base_url}{path}",
        params=query,
        headers={"Authorization": f"Bearer {sandbox.token('71')}"},
        trust_env=False,
    )
    assert answer.is_success, answer.text
    return answer.json()


def texts(sandbox: RunningSandbox, platform: str, under: str) -> list[str]:
    """What the platform's own list shows of a post's comments on top, newest first."""
    match platform:
        case "instagram":
            page = read(sandbox, f"/v25.0/{under}/comments", fields="text")
            return [row["text"] for row in page["data"]]
        case "facebook":
            order = "reverse_chronological"
            page = read(sandbox, f"/v26.0/{under}/comments", fields="message", order=order)
            return [row["message"] for row in page["data"]]
        case "threads":
            page = read(sandbox, f"/v1.0/{under}/replies", fields="text")
            return [row["text"] for row in page["data"]]
    query = {"part": "snippet", "videoId": under, "maxResults": "100"}
    page = read(sandbox, "/youtube/v3/commentThreads", **query)
    tops = [row["snippet"]["topLevelComment"] for row in page["items"]]
    return [top["snippet"]["textOriginal"] for top in tops]


ALL = ("instagram", "facebook", "threads", "youtube")


@pytest.mark.parametrize("platform", ALL)
def test_what_is_said_edited_released_and_deleted_is_what_the_list_shows(
    sandbox: RunningSandbox, platform: str
) -> None:
    under = post(sandbox, platform)
    first, second = say(sandbox, under, "하나"), say(sandbox, under, "둘")
    held = say(sandbox, under, "검토 중", is_held=True)
    assert texts(sandbox, platform, under) == ["둘", "하나"]
    sandbox.ask("PATCH", f"/sandbox/comments/{first}", {"text": "하나 (수정)"})
    sandbox.ask("PATCH", f"/sandbox/comments/{held}", {"is_held": False})
    sandbox.ask("DELETE", f"/sandbox/comments/{second}")
    assert texts(sandbox, platform, under) == ["검토 중", "하나 (수정)"]


@pytest.mark.parametrize("platform", ALL)
def test_whatever_people_write_comes_back_as_it_was(sandbox: RunningSandbox, platform: str) -> None:
    under = post(sandbox, platform)
    for odd in ODD:
        escaped = httpx.post(
            f"{sandbox.base_url}/sandbox/comments",
            content=json.dumps({"post": under, "text": odd}),
            trust_env=False,
        )
        assert escaped.is_success
    assert texts(sandbox, platform, under) == ODD[::-1]


@pytest.mark.parametrize("platform", ALL)
def test_who_comments_may_go_unnamed(sandbox: RunningSandbox, platform: str) -> None:
    under = post(sandbox, platform)
    say(sandbox, under, "누구일까", author=None)
    [known] = sandbox.ask("GET", "/sandbox/comments")["comments"]
    assert (known["author"], known["is_own"], known["platform"]) == (None, False, platform)


def test_held_threads_are_listed_when_asked_for_and_all_of_a_channel_at_once(
    sandbox: RunningSandbox,
) -> None:
    first, second = post(sandbox, "youtube"), post(sandbox, "youtube")
    say(sandbox, first, "하나")
    say(sandbox, second, "둘")
    say(sandbox, second, "검토 중", is_held=True)
    asked = {"part": "snippet", "allThreadsRelatedToChannelId": "71"}
    listed = read(sandbox, "/youtube/v3/commentThreads", **asked)["items"]
    assert [row["snippet"]["videoId"] for row in listed] == [second, first]
    held = read(
        sandbox,
        "/youtube/v3/commentThreads",
        part="snippet",
        videoId=second,
        moderationStatus="heldForReview",
    )["items"]
    assert len(held) == 1


def test_a_comment_on_nothing_is_refused_in_words(sandbox: RunningSandbox) -> None:
    answer = httpx.post(
        f"{sandbox.base_url}/sandbox/comments",
        json={"post": "404", "text": "안녕"},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "there is no public post 404"},
    )
