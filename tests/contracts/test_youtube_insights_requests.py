"""What our reader of YouTube's figures sends is held against Google's own descriptions of it."""

from datetime import UTC, datetime

from engine.platforms.registry import open_insights
from engine.ports import AccountAccess, PostReference
from engine.rules.calendar import bounds_of, day_of
from models.accounts import AccessToken, Platform
from tests.contracts.discovery import Discovery
from tests.contracts.test_insights_client import settings_of

CHANNEL = "UCsandbox000000000000001"


async def test_every_request_for_figures_is_as_google_describes_it(sandbox):
    opened = open_insights(settings_of(sandbox))
    reader = opened[Platform.YOUTUBE]
    access = AccountAccess(CHANNEL, AccessToken(sandbox.token(CHANNEL)))
    start, end = bounds_of(day_of(datetime.now(UTC)))
    await reader.read_account(access, start=start, end=end, without={})
    await reader.read_posts(access, [PostReference(str(n)) for n in range(51)], without={})
    for client in opened.values():
        await client.close()
    data, reports = Discovery.of_youtube(), Discovery.of_youtube_analytics()
    rows = sandbox.requests(account=CHANNEL)
    paths = [row["path"] for row in rows]
    assert paths == [
        "/v2/reports",
        "/youtube/v3/channels",
        "/youtube/v3/videos",
        "/youtube/v3/videos",
    ]
    for row in rows:
        judge = reports if row["path"].startswith("/v2/") else data
        assert judge.problems_of(row) == []
