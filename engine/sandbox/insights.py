"""Insights of Instagram, Facebook Pages and Threads.

One unknown or withdrawn metric fails the whole call with code 100; missing data is an empty list,
never 0; a metric of the other ``metric_type`` is dropped without a word.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/insights,
https://developers.facebook.com/docs/graph-api/reference/insights and
https://developers.facebook.com/docs/threads/insights.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from engine.sandbox.facebook_comments import counted
from engine.sandbox.figures import DAY_S, PACIFIC, Values, day_of
from engine.sandbox.graph import Call, GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import chosen, number_of, printed
from engine.sandbox.page_objects import PagePost
from engine.sandbox.page_objects import Video as PageVideo
from engine.sandbox.state import PageObject, PublicPost, World

# The platform's name of a metric, and ours.
TOTALS: Final[Mapping[str, str]] = {
    "reach": "reach",
    "views": "views",
    "accounts_engaged": "engaged_accounts",
    "total_interactions": "interactions",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "saves": "saves",
    "replies": "replies",
    "reposts": "reposts",
    "profile_links_taps": "clicks",
    "follows_and_unfollows": "follows_gained",
}
SERIES: Final[Mapping[str, str]] = {"reach": "reach", "follower_count": "follows_gained"}
FEED: Final[Mapping[str, str]] = {
    "views": "views",
    "reach": "reach",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "saved": "saves",
    "total_interactions": "interactions",
    "follows": "follows_gained",
    "profile_activity": "clicks",
    "profile_visits": "profile_visits",
    "reposts": "reposts",
}
REEL: Final[Mapping[str, str]] = {
    **{name: ours for name, ours in FEED.items() if name not in ("follows", "profile_visits")},
    "ig_reels_avg_watch_time": "average_watch_s",
    "ig_reels_video_view_total_time": "watch_time_s",
}
STORY: Final[Mapping[str, str]] = {
    "views": "views",
    "reach": "reach",
    "replies": "replies",
    "shares": "shares",
    "follows": "follows_gained",
    "profile_activity": "clicks",
    "profile_visits": "profile_visits",
    "total_interactions": "interactions",
}
PAGE: Final[Mapping[str, str]] = {
    "page_total_media_view_unique": "reach",
    "page_media_view": "views",
    "page_post_engagements": "interactions",
    "page_views_total": "profile_visits",
    "page_daily_follows_unique": "follows_gained",
    "page_daily_unfollows_unique": "follows_lost",
}
PAGE_POST: Final[Mapping[str, str]] = {
    "post_total_media_view_unique": "reach",
    "post_media_view": "views",
    "post_clicks": "clicks",
}
PAGE_VIDEO: Final[Mapping[str, str]] = {
    "total_video_views": "views",
    "total_video_avg_time_watched": "average_watch_s",
    "total_video_view_total_time": "watch_time_s",
}
THREADS_USER: Final[Mapping[str, str]] = {
    "views": "views",
    "likes": "likes",
    "replies": "replies",
    "reposts": "reposts",
    "quotes": "quotes",
    "clicks": "clicks",
    "followers_count": "followers",
}
THREADS_POST: Final[Mapping[str, str]] = {
    name: name for name in ("views", "likes", "replies", "reposts", "quotes", "shares")
}
THREADS_SINCE: Final = 1_712_991_600  # 2024-04-13: the platform has nothing older
IN_MS: Final = ("average_watch_s", "watch_time_s")  # Meta counts these in milliseconds
FEWEST_FOLLOWERS: Final = 100  # below it Instagram has no ``follower_count``
METRICS: Final = re.compile(r"insights\.metric\(([^()]*)\)")
IDS_OF_A_CALL: Final = 50


async def read(request: GraphRequest) -> dict[str, Any]:
    """``GET /{id}/insights``: of a Page, an Instagram account, or what one of them posted."""
    world = request.world
    thing = world.page_objects.get(request.node)
    if thing is not None:
        return {"data": _page_object_rows(request, thing, _asked(request))}
    post = world.posts.get(request.node)
    if post is not None:
        return {"data": _media_rows(request, post)}
    if request.node != request.account.id:
        raise GraphError(100, 33)
    names = _asked(request)
    if any(name.startswith("page_") for name in names):
        return {"data": _page_rows(request, names)}
    return {"data": _account_rows(request, names)}


async def read_threads_post(request: GraphRequest) -> dict[str, Any]:
    """``GET /{media}/insights``; empty for what somebody else wrote and this account reposted."""
    post = request.world.posts.get(request.node)
    if post is None or post.is_deleted or post.account is not request.account:
        raise GraphError(100, 33)
    names = _known(request, _asked(request), THREADS_POST)
    if post.details.get("media_type") == "REPOST_FACADE":
        return {"data": []}
    values = of_public(request.world, post)
    rows = [_lifetime(post.id, name, values.get(THREADS_POST[name])) for name in names]
    return {"data": [row for row in rows if row is not None]}


async def read_threads_user(request: GraphRequest) -> dict[str, Any]:
    """``GET /{user}/threads_insights``; ``followers_count`` is of now, whatever was asked."""
    world, account = request.world, request.account
    now = world.clock.now()
    names = _known(request, _asked(request), THREADS_USER)
    start = number_of(request.parameters, "since", now - 2 * DAY_S)
    end = number_of(request.parameters, "until", now)
    if start < THREADS_SINCE:
        raise GraphError(100, message="Param since must be after 2024-04-13")
    values = world.figures.of_window(account.id, start, end, now)
    values["followers"] = world.figures.followers(account.id, now)
    rows: list[dict[str, Any]] = []
    for name in names:
        value = values.get(THREADS_USER[name])
        if value is None:
            continue
        row: dict[str, Any] = {"name": name, "period": "day", "id": f"{account.id}/insights/{name}"}
        if name == "views":
            row["values"] = [{"value": value, "end_time": printed(end)}]
        elif name == "clicks":
            row["link_total_values"] = [{"value": value, "link_url": "https://example.com/"}]
        else:
            row["total_value"] = {"value": value}
        rows.append(row)
    return {"data": rows}


def read_account(request: GraphRequest) -> dict[str, Any]:
    """``GET /{page or Instagram account}``: its counters as of now."""
    world, account = request.world, request.account
    followers = world.figures.followers(account.id, world.clock.now())
    values = {
        "id": account.id,
        "username": account.username,
        "name": account.username,
        "followers_count": followers,
        "fan_count": followers,
        "media_count": len(account.posts),
    }
    return chosen(values, request.fields(), "User")


def counters_of(request: GraphRequest, thing: PageObject) -> dict[str, Any]:
    """What ``reactions``, ``comments``, ``shares`` and ``insights`` among the fields give."""
    values = _of_object(request.world, thing)
    counters: dict[str, Any] = {
        "reactions": {"data": [], "summary": {"total_count": values["likes"]}},
        "comments": {
            **counted(thing),
            "summary": {"order": "ranked", "total_count": values["comments"]},
        },
    }
    found = METRICS.search(request.parameters.get("fields", ""))
    if found is not None:
        names = [name.strip() for name in found[1].split(",") if name.strip()]
        edge = "video_insights" if isinstance(thing, PageVideo) else "insights"
        counters[edge] = {"data": _page_object_rows(request, thing, names)}
    if isinstance(thing, PagePost):
        counters["shares"] = {"count": values["shares"]} if values["shares"] else None
    return counters


def of_public(world: World, post: PublicPost) -> Values:
    """The figures of a live post of any platform."""
    written = sum(one.is_shown for one in post.comments)
    written += sum(one.is_shown for one in post.replies)
    return world.figures.of_post(post.id, post.posted_at, written, world.clock.now())


def _of_object(world: World, thing: PageObject) -> Values:
    posted_at = thing.created_at if thing.public is None else thing.public.posted_at
    written = sum(one.is_shown for one in thing.comments)
    return world.figures.of_post(thing.id, posted_at, written, world.clock.now())


def _asked(request: GraphRequest) -> list[str]:
    names = [name.strip() for name in request.parameters.get("metric", "").split(",")]
    if not any(names):
        raise GraphError(100, message="(#100) The parameter metric is required")
    return [name for name in names if name]


def _known(request: GraphRequest, names: list[str], *maps: Mapping[str, str]) -> list[str]:
    """All names, if each of them is a metric of today; one that is not fails them all."""
    withdrawn = request.world.switches.withdrawn_metrics.split(",")
    for name in names:
        if name in withdrawn or not any(name in known for known in maps):
            raise GraphError(
                100, message=f"(#100) The value must be a valid insights metric: {name}"
            )
    return names


def _media_rows(request: GraphRequest, post: PublicPost) -> list[dict[str, Any]]:
    if post.account is not request.account or post.is_deleted:
        raise GraphError(100, 33)
    known = {"reel": REEL, "story": STORY}.get(post.kind, FEED)
    names = _known(request, _asked(request), known)
    values = of_public(request.world, post)
    if post.kind == "story" and request.world.clock.now() > post.posted_at + 2 * DAY_S:
        raise GraphError(100, 33)  # the figures of a story are gone a day after it
    rows = [_lifetime(post.id, name, _in_unit(known[name], values)) for name in names]
    return [row for row in rows if row is not None]


def _account_rows(request: GraphRequest, names: list[str]) -> list[dict[str, Any]]:
    world, account, given = request.world, request.account, request.parameters
    now = world.clock.now()
    kind = given.get("metric_type", "time_series")
    _known(request, names, TOTALS, SERIES)
    of_kind = TOTALS if kind == "total_value" else SERIES
    start = number_of(given, "since", now - DAY_S)
    end = number_of(given, "until", now)
    if not start < end <= start + 30 * DAY_S:
        raise GraphError(100, message="(#100) There cannot be more than 30 days between them")
    values = world.figures.of_window(account.id, start, end, now)
    followers = world.figures.followers(account.id, now) or 0
    rows: list[dict[str, Any]] = []
    for name in names:
        if name not in of_kind:
            continue  # of the other type: dropped without a word, as documented
        value = values.get(of_kind[name])
        if value is None or (name == "follower_count" and followers < FEWEST_FOLLOWERS):
            continue
        row: dict[str, Any] = {
            "name": name,
            "period": "day",
            "title": name,
            "id": f"{account.id}/insights/{name}/day",
        }
        if kind != "total_value":
            row["values"] = [{"value": value, "end_time": printed(end)}]
        elif name == "follows_and_unfollows" and given.get("breakdown") == "follow_type":
            row["total_value"] = _follows(value, values["follows_lost"])
        else:
            row["total_value"] = {"value": value}
        rows.append(row)
    return rows


def _follows(gained: float, lost: float | None) -> dict[str, Any]:
    results = [
        {"dimension_values": ["FOLLOWER"], "value": gained},
        {"dimension_values": ["NON_FOLLOWER"], "value": lost or 0},
    ]
    return {"breakdowns": [{"dimension_keys": ["follow_type"], "results": results}]}


def _page_rows(request: GraphRequest, names: list[str]) -> list[dict[str, Any]]:
    """A value for each Pacific day from ``since`` up to, without, ``until``."""
    world, account, given = request.world, request.account, request.parameters
    _known(request, names, PAGE)
    now = world.clock.now()
    today = datetime.fromtimestamp(now, PACIFIC).date()
    start = day_of(given.get("since", "")) or today - timedelta(days=1)
    end = day_of(given.get("until", "")) or start + timedelta(days=1)
    rows = []
    for name in names:
        shown = []
        day = start
        while day < min(end, today + timedelta(days=1)):
            value = world.figures.of_day(account.id, day, PACIFIC, now).get(PAGE[name])
            day += timedelta(days=1)
            if value is not None:
                ends_at = datetime(day.year, day.month, day.day, tzinfo=PACIFIC).timestamp()
                shown.append({"value": value, "end_time": printed(ends_at)})
        if shown:
            place = f"{account.id}/insights/{name}/day"
            rows.append({"name": name, "period": "day", "values": shown, "id": place})
    return rows


def _page_object_rows(
    request: GraphRequest, thing: PageObject, names: list[str]
) -> list[dict[str, Any]]:
    if thing.account is not request.account or thing.is_deleted:
        raise GraphError(100, 33)
    known = PAGE_VIDEO if isinstance(thing, PageVideo) else PAGE_POST
    _known(request, names, known)
    values = _of_object(request.world, thing)
    rows = [_lifetime(thing.id, name, _in_unit(known[name], values)) for name in names]
    return [row for row in rows if row is not None]


def _in_unit(ours: str, values: Values) -> float | None:
    value = values.get(ours)
    return value if value is None or ours not in IN_MS else round(value * 1000)


def _lifetime(owner: str, name: str, value: float | None) -> dict[str, Any] | None:
    if value is None:
        return None
    place = f"{owner}/insights/{name}/lifetime"
    return {"name": name, "period": "lifetime", "values": [{"value": value}], "id": place}


class ManyReader:
    """``GET /?ids=…``: one object for each id, or one error for all.

    Source: https://developers.facebook.com/docs/graph-api/overview, read 2026-11-23.

    Args:
        route: finds the call that reads one of them.
    """

    def __init__(self, route: Callable[[World, str, tuple[str, ...]], Call | None]) -> None:
        self._route = route

    async def read(self, request: GraphRequest) -> dict[str, Any]:
        """Objects by id."""
        ids = [one for one in request.parameters.get("ids", "").split(",") if one]
        if not ids or len(ids) > IDS_OF_A_CALL:
            raise GraphError(100, message="(#100) ids takes from 1 to 50 ids")
        found = {}
        for one in ids:
            call = self._route(request.world, "GET", (one,))
            if call is None:
                raise GraphError(100, 33)
            found[one] = await call.act(replace(request, node=one))
        return found
