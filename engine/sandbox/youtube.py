"""YouTube's data host, as far as publishing needs it.

Sources: the discovery document of youtube.v3, revision 20261104, read 2026-11-25, and
https://developers.google.com/youtube/v3/determine_quota_cost, read 2026-11-23.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from engine.sandbox import youtube_comments
from engine.sandbox.state import Account, SeenRequest, World
from engine.sandbox.surface import Answer, Surface
from engine.sandbox.youtube_errors import YouTubeError
from engine.sandbox.youtube_exchange import Exchange, Host, json_answer
from engine.sandbox.youtube_metadata import DEFAULT_PRIVACY, check_snippet, completed_status
from engine.sandbox.youtube_resources import instant, video_resource
from engine.sandbox.youtube_state import Video
from engine.sandbox.youtube_tokens import PATHS, GoogleTokens
from engine.sandbox.youtube_uploads import UPLOADS, Uploads

DATA: Final = "/youtube/v3/"
PREFIXES: Final = (DATA, *UPLOADS)
COSTS: Final = {"GET": 1, "POST": 50, "PUT": 50, "DELETE": 50}  # units; an unknown call costs 1
PAGE_DEFAULT: Final = 5
PAGE_LIMIT: Final = 50


def is_google(path: str) -> bool:
    """Whether a path is of one of Google's hosts."""
    return path.startswith(PREFIXES) or path in PATHS


@dataclass(slots=True)
class YouTubeRequest:
    """One request of the data host."""

    world: World
    query: dict[str, str]
    body: dict[str, Any]
    account: Account
    seen: SeenRequest

    def parts(self) -> list[str]:
        """What ``part`` asks for.

        Raises:
            YouTubeError: it is missing.
        """
        names = [name for name in self.query.get("part", "").split(",") if name]
        if not names:
            raise YouTubeError("missingRequiredParameter", message="No filter selected: part")
        return names

    def number(self, name: str, default: int, limit: int) -> int:
        """A whole number of the query, from 0 to ``limit``.

        Raises:
            YouTubeError: it is none.
        """
        text = self.query.get(name, str(default))
        if not text.isdecimal() or int(text) > limit:
            raise YouTubeError("invalidParameter", message=f"Invalid value for {name}: {text}")
        return int(text)


Act = Callable[[YouTubeRequest], Awaitable[dict[str, Any] | None]]


class YouTube:
    """The ASGI application for the paths of Google's hosts."""

    def __init__(self, world: Callable[[], World], surface: Surface) -> None:
        self._host = Host(world, surface)
        self._uploads = Uploads(self._host)
        self._tokens = GoogleTokens(self._host)
        self._acts: dict[tuple[str, str], tuple[str, Act]] = {
            ("GET", "videos"): ("read_container", _list_videos),
            ("PUT", "videos"): ("update_video", _update_video),
            ("DELETE", "videos"): ("delete_post", _delete_video),
            ("GET", "channels"): ("read_channel", _list_channels),
            ("GET", "playlistItems"): ("list_posts", _list_uploads),
            ("GET", "videoCategories"): ("read_categories", _list_categories),
            ("POST", "commentThreads"): ("create_comment", youtube_comments.create_thread),
            ("GET", "commentThreads"): ("list_comments", youtube_comments.list_threads),
            ("GET", "comments"): ("list_replies", youtube_comments.list_comments),
            ("POST", "comments"): ("create_reply", youtube_comments.create_comment),
            ("DELETE", "comments"): ("delete_comment", youtube_comments.delete_comment),
            ("POST", "comments/setModerationStatus"): (
                "moderate_comment",
                youtube_comments.set_moderation,
            ),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request from its first byte to its answer, or to its planned misfortune."""
        path = scope["path"]
        if path in PATHS:
            serve = self._tokens.serve
        elif path.startswith(UPLOADS):
            serve = self._uploads.serve
        else:
            serve = self._serve
        await self._host.take(scope, receive, send, serve)

    async def _serve(self, exchange: Exchange) -> None:
        world = exchange.world
        body: dict[str, Any] = {}
        unreadable: YouTubeError | None = None
        try:
            body = await exchange.body.read_json()
        except YouTubeError as error:
            unreadable = error
        resource = exchange.scope["path"].removeprefix(DATA)
        name, carry_out = self._acts.get((exchange.method, resource), ("unknown", None))
        if name == "update_video" and _sets_privacy(exchange.query, body):
            name = "publish"
        elif name == "read_container" and _is_seen(world, exchange.query):
            name = "read_post"
        seen = exchange.see(name, body)

        async def act(is_repeat: bool) -> Answer:
            account = exchange.caller()
            exchange.spend("units", 1 if carry_out is None else COSTS[exchange.method])
            if unreadable is not None:
                raise unreadable
            if carry_out is None:
                raise YouTubeError("notFound")
            world.youtube.show_what_is_due(world)
            answer = await carry_out(YouTubeRequest(world, exchange.query, body, account, seen))
            return Answer(204, b"", []) if answer is None else json_answer(answer)

        await self._host.answer(exchange, seen, act)


def _sets_privacy(query: dict[str, str], body: dict[str, Any]) -> bool:
    """Whether an update lets people see the video, now or at ``publishAt``."""
    status = body.get("status") or {}
    if "status" not in query.get("part", "").split(",") or not isinstance(status, dict):
        return False
    return status.get("privacyStatus", DEFAULT_PRIVACY) != "private" or "publishAt" in status


def _is_seen(world: World, query: dict[str, str]) -> bool:
    found = map(world.posts.get, query.get("id", "").split(","))
    return any(post is not None and not post.is_deleted for post in found)


def _own_video(world: World, account: Account, video_id: str) -> Video:
    video = world.youtube.videos.get(video_id)
    if video is None:
        raise YouTubeError("videoNotFound")
    if video.account is not account:
        raise YouTubeError("forbidden" if video.post is not None else "videoNotFound")
    return video


async def _list_videos(request: YouTubeRequest) -> dict[str, Any]:
    """Those of the asked ids that there are; what is private, its channel alone sees."""
    parts = request.parts()
    if "id" not in request.query:
        raise YouTubeError("missingRequiredParameter", message="No filter selected: id")
    found = [
        video
        for video_id in request.query["id"].split(",")
        if (video := request.world.youtube.videos.get(video_id)) is not None
        and (video.account is request.account or video.status["privacyStatus"] != "private")
    ]
    return {
        "kind": "youtube#videoListResponse",
        "items": [video_resource(request.world, video, parts) for video in found],
        "pageInfo": {"totalResults": len(found), "resultsPerPage": len(found)},
    }


async def _update_video(request: YouTubeRequest) -> dict[str, Any]:
    """Replace whole parts: what the body leaves out of one is gone."""
    body, world, parts = request.body, request.world, request.parts()
    video = _own_video(world, request.account, str(body.get("id", "")))
    snippet, status = video.snippet, video.status
    if "snippet" in parts:
        snippet = youtube_comments.object_in(body, "snippet")
        if "categoryId" not in snippet:
            raise YouTubeError("invalidCategoryId")
        check_snippet(snippet)
    if "status" in parts:
        status = completed_status(youtube_comments.object_in(body, "status"))
        if "publishAt" in status and video.post is not None:
            raise YouTubeError("invalidPublishAt")
    video.snippet = snippet
    if "status" in parts:
        video.status, video.last_said_by = status, request.seen
        if status["privacyStatus"] != "private":
            world.youtube.show(world, video)
        world.youtube.show_what_is_due(world)
    if video.post is not None:
        video.post.title = str(snippet["title"])
        video.post.caption = str(snippet.get("description", ""))
        video.post.details = video.details()
    return video_resource(world, video, parts)


async def _delete_video(request: YouTubeRequest) -> None:
    video = _own_video(request.world, request.account, request.query.get("id", ""))
    if video.post is not None:
        video.post.is_deleted = True
    del request.world.youtube.videos[video.id]


async def _list_channels(request: YouTubeRequest) -> dict[str, Any]:
    parts, account = request.parts(), request.account
    if "id" in request.query:
        ids = request.query["id"].split(",")
        channels = [one for one in map(request.world.accounts.get, ids) if one is not None]
    elif request.query.get("mine") == "true":
        channels = [account]
    else:
        raise YouTubeError("missingRequiredParameter", message="No filter selected: mine, id")
    items = [_channel_resource(channel, parts) for channel in channels]
    return {"kind": "youtube#channelListResponse", "items": items}


def _channel_resource(channel: Account, parts: list[str]) -> dict[str, Any]:
    values = {
        "snippet": {"title": channel.username},
        "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": _uploads_of(channel)}},
        "statistics": {
            "viewCount": "0",
            "subscriberCount": "0",
            "hiddenSubscriberCount": False,
            "videoCount": str(len(channel.posts)),
        },
    }
    return {
        "kind": "youtube#channel",
        "id": channel.id,
        **{name: values[name] for name in parts if name in values},
    }


def _uploads_of(channel: Account) -> str:
    return f"UU{channel.id.removeprefix('UC')}"


async def _list_uploads(request: YouTubeRequest) -> dict[str, Any]:
    """The uploads of a channel, private ones too for its owner; newest first."""
    world, account, parts = request.world, request.account, request.parts()
    if request.query.get("playlistId") != _uploads_of(account):
        raise YouTubeError("playlistNotFound")
    size = request.number("maxResults", PAGE_DEFAULT, PAGE_LIMIT)
    below = request.query.get("pageToken", "")
    if below and not below.isdecimal():
        raise YouTubeError("invalidPageToken")
    listed_until = world.clock.now() - world.switches.uploads_lag_s
    uploads = [
        video
        for video in reversed(world.youtube.videos.values())
        if video.account is account and video.created_at <= listed_until
    ]
    found = [video for video in uploads if not below or video.number < int(below)]
    page = found[:size]
    answer: dict[str, Any] = {
        "kind": "youtube#playlistItemListResponse",
        "items": [_item_resource(video, parts) for video in page],
        "pageInfo": {"totalResults": len(uploads), "resultsPerPage": size},
    }
    if page and len(found) > len(page):
        answer["nextPageToken"] = str(page[-1].number)
    return answer


def _item_resource(video: Video, parts: list[str]) -> dict[str, Any]:
    values = {
        "snippet": {
            "publishedAt": instant(video.created_at),
            "channelId": video.account.id,
            "title": video.snippet.get("title", ""),
            "description": video.snippet.get("description", ""),
            "playlistId": _uploads_of(video.account),
            "resourceId": {"kind": "youtube#video", "videoId": video.id},
        },
        "contentDetails": {"videoId": video.id, "videoPublishedAt": instant(video.created_at)},
        "status": {"privacyStatus": video.status["privacyStatus"]},
    }
    return {
        "kind": "youtube#playlistItem",
        "id": f"{_uploads_of(video.account)}.{video.id}",
        **{name: values[name] for name in parts if name in values},
    }


async def _list_categories(request: YouTubeRequest) -> dict[str, Any]:
    names = {"22": "People & Blogs", "24": "Entertainment", "26": "Howto & Style"}
    items = [
        {"kind": "youtube#videoCategory", "id": number, "snippet": {"title": title}}
        for number, title in names.items()
    ]
    return {"kind": "youtube#videoCategoryListResponse", "items": items}
