"""YouTube's counters, and the reports of its analytics host.

Sources: the discovery documents of youtube.v3, revision 20261104, and youtubeAnalytics.v2, revision
20240707, read 2026-11-23. That figures of a day come days later is not documented there.
"""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from engine.sandbox.figures import PACIFIC, Values, day_of
from engine.sandbox.state import Account, World
from engine.sandbox.youtube_errors import YouTubeError

if TYPE_CHECKING:
    from engine.sandbox.youtube import YouTubeRequest
    from engine.sandbox.youtube_state import Video

REPORTS: Final = "/v2/reports"
METRICS: Final = {
    "views": "views",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "estimatedMinutesWatched": "watch_time_s",
    "averageViewDuration": "average_watch_s",
    "subscribersGained": "follows_gained",
    "subscribersLost": "follows_lost",
}


def video_statistics(world: World, video: "Video") -> dict[str, Any]:
    """Counters are strings; one that the channel hides is left out."""
    comments = sum(one.is_shown for one in video.post.comments) if video.post else 0
    posted_at = video.post.posted_at if video.post else world.clock.now()
    values = world.figures.of_post(video.id, posted_at, comments, world.clock.now())
    names = {"viewCount": "views", "likeCount": "likes", "commentCount": "comments"}
    return {name: _text(values[ours]) for name, ours in names.items() if values[ours] is not None}


def channel_statistics(world: World, channel: Account) -> dict[str, Any]:
    """Subscribers are rounded down to three digits, as everybody sees them."""
    followers = world.figures.followers(channel.id, world.clock.now())
    shown: dict[str, Any] = {
        "viewCount": "0",
        "hiddenSubscriberCount": followers is None,
        "videoCount": str(len(channel.posts)),
    }
    if followers is not None:
        count = int(followers)
        step = 10 ** max(0, len(str(count)) - 3)
        shown["subscriberCount"] = str(count // step * step)
    return shown


async def read_report(request: "YouTubeRequest") -> dict[str, Any]:
    """A table; without rows when there is nothing to tell, as of a day that is not counted yet."""
    query, world = request.query, request.world
    if query.get("ids") not in ("channel==MINE", f"channel=={request.account.id}"):
        raise YouTubeError("forbidden")
    names = [name for name in query.get("metrics", "").split(",") if name]
    withdrawn = world.switches.withdrawn_metrics.split(",")
    for name in names:
        if name not in METRICS or name in withdrawn:
            message = f"Unknown identifier ({name}) given in field parameters.metrics."
            raise YouTubeError("badRequest", message=message)
    start, end = (day_of(query.get(name, "")) for name in ("startDate", "endDate"))
    if not names or start is None or end is None or end < start:
        raise YouTubeError("invalidParameter")
    dimensions = query.get("dimensions", "")
    if dimensions not in ("", "day"):
        raise YouTubeError("badRequest", message="The query is not supported.")
    days = _counted_days(world, request.account, start, end)
    columns = [
        *([{"name": "day", "columnType": "DIMENSION", "dataType": "STRING"}] if dimensions else []),
        *({"name": name, "columnType": "METRIC", "dataType": "INTEGER"} for name in names),
    ]
    table: dict[str, Any] = {"kind": "youtubeAnalytics#resultTable", "columnHeaders": columns}
    if dimensions:
        rows: list[list[Any]] = [[day.isoformat(), *_row(names, [one])] for day, one in days]
    else:
        rows = [list(_row(names, [one for _, one in days]))] if days else []
    if rows:
        table["rows"] = rows
    return table


def _counted_days(
    world: World, account: Account, start: date, end: date
) -> list[tuple[date, Values]]:
    now = world.clock.now()
    last = datetime.fromtimestamp(now - world.switches.analytics_lag_s, PACIFIC).date()
    days, day = [], start
    while day <= min(end, last):
        days.append((day, world.figures.of_day(account.id, day, PACIFIC, now)))
        day += timedelta(days=1)
    return days


def _row(names: list[str], days: list[Values]) -> list[float]:
    row: list[float] = []
    for name in names:
        values = [value for day in days if (value := day.get(METRICS[name])) is not None]
        if name == "estimatedMinutesWatched":
            row.append(sum(values) // 60)
        elif name == "averageViewDuration":
            seconds = sum(day.get("watch_time_s") or 0 for day in days)
            row.append(int(seconds // max(1, sum(day.get("views") or 0 for day in days))))
        else:
            row.append(sum(values))
    return row


def _text(value: float | None) -> str:
    return str(int(value or 0))
