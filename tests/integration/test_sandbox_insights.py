"""The imitated insights from outside, with a client that knows nothing of our adapters."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000009"
SEOUL = ZoneInfo("Asia/Seoul")
PACIFIC = ZoneInfo("America/Los_Angeles")


class Caller:
    """Plain HTTP as one account."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(
            base_url=sandbox.base_url,
            headers={"Authorization": f"Bearer {sandbox.token(ACCOUNT)}"},
            trust_env=False,
        )

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(path, params=query)

    def insights(self, node: str = ACCOUNT, **query: Any) -> Any:
        answer = self.get(f"/v25.0/{node}/insights", **query)
        assert answer.status_code == 200, answer.text
        return {row["name"]: row for row in answer.json()["data"]}

    def total(self, day: datetime, metric: str = "reach") -> float:
        query = {"metric_type": "total_value", "period": "day", "metric": metric}
        end = day + timedelta(days=1)
        found = self.insights(since=int(day.timestamp()), until=int(end.timestamp()), **query)
        return found[metric]["total_value"]["value"]

    def set_figures(self, **instruction: Any) -> None:
        self.sandbox.ask("POST", "/sandbox/insights", instruction)

    def picture(self) -> str:
        made = self.http.post(
            f"/v25.0/{ACCOUNT}/media", data={"image_url": self.sandbox.picture(), "caption": "봄"}
        ).json()["id"]
        answer = self.http.post(
            f"/v25.0/{ACCOUNT}/media_publish", data={"creation_id": made}
        ).json()
        return answer["id"]


@pytest.fixture
def caller(sandbox: RunningSandbox) -> Iterator[Caller]:
    sandbox.switch(container_ready_s=0, fetch_media=False)
    caller = Caller(sandbox)
    yield caller
    caller.http.close()


def midnight(days_ago: int = 0) -> datetime:
    now = datetime.now(SEOUL).replace(hour=0, minute=0, second=0, microsecond=0)
    return now - timedelta(days=days_ago)


def test_unknown_metric_fails_the_whole_call(caller):
    answer = caller.get(
        f"/v25.0/{ACCOUNT}/insights", metric="reach,impressions", metric_type="total_value"
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 100


def test_metric_of_the_other_type_is_dropped_without_a_word(caller):
    found = caller.insights(metric="reach,views,follower_count", metric_type="total_value")
    assert set(found) == {"reach", "views"}
    assert set(caller.insights(metric="reach,views", metric_type="time_series")) == {"reach"}


def test_small_account_has_no_follower_count(caller):
    assert "follower_count" in caller.insights(metric="follower_count", metric_type="time_series")
    caller.set_figures(account=ACCOUNT, values={"followers": 99})
    assert caller.insights(metric="follower_count", metric_type="time_series") == {}


def test_day_grows_by_late_corrections_for_two_days_and_then_stands_still(caller):
    caller.sandbox.freeze()
    yesterday = midnight(1)
    seen = [caller.total(yesterday)]
    for _ in range(4):
        caller.sandbox.advance(24 * 3600)
        seen.append(caller.total(yesterday))
    assert seen[0] < seen[1] <= seen[2]
    assert seen[2] == seen[3] == seen[4]


def test_figures_are_the_same_each_time_and_can_be_set(caller):
    caller.sandbox.freeze()
    day = midnight(3)
    assert caller.total(day) == caller.total(day)
    caller.set_figures(account=ACCOUNT, day=day.date().isoformat(), values={"reach": 77})
    assert caller.total(day) == 77


def test_withdrawn_metric_starts_to_be_refused(caller):
    query = {"metric": "views,reach", "metric_type": "total_value"}
    assert set(caller.insights(**query)) == {"views", "reach"}
    caller.sandbox.switch(withdrawn_metrics="saves,views")
    assert caller.get(f"/v25.0/{ACCOUNT}/insights", **query).json()["error"]["code"] == 100


def test_post_grows_with_the_clock_and_missing_data_is_an_empty_list(caller):
    post = caller.picture()
    first = caller.insights(post, metric="views,saved")["views"]["values"][0]["value"]
    caller.sandbox.advance(24 * 3600)
    assert caller.insights(post, metric="views,saved")["views"]["values"][0]["value"] > first
    caller.set_figures(post=post, values={"views": None, "saves": 0})
    found = caller.insights(post, metric="views,saved")
    assert "views" not in found
    assert found["saved"]["values"] == [{"value": 0}]


def test_metric_of_another_kind_of_post_is_refused(caller):
    post = caller.picture()
    answer = caller.get(f"/v25.0/{post}/insights", metric="views,ig_reels_avg_watch_time")
    assert answer.json()["error"]["code"] == 100


def test_account_shows_how_many_follow(caller):
    caller.set_figures(account=ACCOUNT, values={"followers": 4321})
    assert caller.get(f"/v25.0/{ACCOUNT}", fields="followers_count").json() == {
        "followers_count": 4321
    }
    assert caller.get(f"/v26.0/{ACCOUNT}", fields="fan_count").json() == {"fan_count": 4321}


def test_page_is_counted_by_pacific_day_and_old_metrics_are_gone(caller):
    day = (datetime.now(PACIFIC) - timedelta(days=3)).date()
    caller.set_figures(account=ACCOUNT, day=day.isoformat(), values={"reach": 5})
    window = {"since": day.isoformat(), "until": (day + timedelta(days=1)).isoformat()}
    path = f"/v26.0/{ACCOUNT}/insights"
    answer = caller.get(path, metric="page_total_media_view_unique", period="day", **window)
    [row] = answer.json()["data"]
    [value] = row["values"]
    assert value["value"] == 5
    assert value["end_time"].startswith((day + timedelta(days=1)).isoformat())
    for gone in ("page_impressions", "page_fans"):
        assert caller.get(path, metric=gone, **window).json()["error"]["code"] == 100


def test_several_posts_of_a_page_are_read_in_one_call(caller):
    ids = [
        caller.http.post(f"/v26.0/{ACCOUNT}/feed", data={"message": f"글 {n}"}).json()["id"]
        for n in range(2)
    ]
    caller.set_figures(post=ids[0], values={"likes": 4, "shares": 0, "reach": 50})
    fields = (
        "reactions.limit(0).summary(true),comments.limit(0).summary(true),shares,"
        "insights.metric(post_total_media_view_unique)"
    )
    found = caller.get("/v26.0/", ids=",".join(ids), fields=fields).json()
    assert set(found) == set(ids)
    assert found[ids[0]]["reactions"]["summary"]["total_count"] == 4
    assert "shares" not in found[ids[0]]  # of what nobody shared the platform says nothing
    assert found[ids[0]]["insights"]["data"][0]["values"] == [{"value": 50}]
    gone = caller.get("/v26.0/", ids=f"{ids[0]},{ACCOUNT}_999", fields="shares")
    assert gone.json()["error"]["code"] == 100


def test_threads_followers_ignore_the_window(caller):
    caller.set_figures(account=ACCOUNT, values={"followers": 700})
    old = midnight(20)
    answer = caller.get(
        f"/v1.0/{ACCOUNT}/threads_insights",
        metric="followers_count,views",
        since=int(old.timestamp()),
        until=int((old + timedelta(days=1)).timestamp()),
    )
    rows = {row["name"]: row for row in answer.json()["data"]}
    assert rows["followers_count"]["total_value"]["value"] == 700
    too_old = caller.get(f"/v1.0/{ACCOUNT}/threads_insights", metric="views", since=1_600_000_000)
    assert too_old.json()["error"]["code"] == 100


def test_youtube_report_is_a_table_and_has_no_rows_while_nothing_is_counted(caller):
    day = (datetime.now(PACIFIC) - timedelta(days=3)).date().isoformat()
    caller.set_figures(account=ACCOUNT, day=day, values={"views": 12, "watch_time_s": 600})
    query = {
        "ids": "channel==MINE",
        "startDate": day,
        "endDate": day,
        "metrics": "views,estimatedMinutesWatched",
    }
    table = caller.get("/v2/reports", **query).json()
    assert [column["name"] for column in table["columnHeaders"]] == query["metrics"].split(",")
    assert table["rows"] == [[12, 10]]
    by_day = caller.get("/v2/reports", **query, dimensions="day").json()
    assert by_day["rows"] == [[day, 12, 10]]
    caller.sandbox.switch(analytics_lag_s=7 * 86_400)
    assert "rows" not in caller.get("/v2/reports", **query).json()
    unknown = caller.get("/v2/reports", **{**query, "metrics": "views,impressions"})
    assert unknown.status_code == 400


def test_youtube_counters_are_text(caller):
    caller.set_figures(account=ACCOUNT, values={"followers": 12_345})
    found = caller.get("/youtube/v3/channels", part="statistics", mine="true").json()
    assert found["items"][0]["statistics"]["subscriberCount"] == "12300"


@pytest.mark.parametrize(
    "instruction",
    [
        {"values": {"views": 1}},
        {"account": "1", "day": "yesterday", "values": {}},
        {"account": "1", "values": {"views": "many"}},
        {"account": "1", "value": {}},
        {"account": "1", "values": {"saved": 1}},
    ],
)
def test_figures_that_make_no_sense_are_refused(caller, instruction):
    answer = caller.http.post("/sandbox/insights", json=instruction)
    assert answer.status_code == 400
