"""The current figures of an account, cached in Redis and rebuilt from PostgreSQL when lost."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.rules.figures import engagement_rate
from models import channels

LIFE_S: Final = 2 * 86_400  # figures that nobody collected for so long are not current

_LATEST_DAYS = text("""
SELECT day, figures, unavailable, fetched_at FROM analytics_snapshots
WHERE platform_account_id = :account_id AND platform_post_id = '' ORDER BY day DESC LIMIT 2
""")

_LATEST_POSTS = text("""
SELECT DISTINCT ON (platform_post_id) platform_post_id AS post_id, content_id, day, figures
FROM analytics_snapshots
WHERE platform_account_id = :account_id AND platform_post_id <> ''
  AND day > CAST(:day AS date) - 8
ORDER BY platform_post_id, day DESC
""")


async def read(database: AsyncEngine, redis: Redis, account_id: int) -> dict[str, Any] | None:
    """An account's current figures; None when none were ever collected.

    From Redis when they are there, else from PostgreSQL, and then into Redis. Redis may be away.

    Returns:
        ``day``, ``fetched_at``, ``figures`` and ``unavailable`` of the latest day; ``previous``,
        the figures of the day before it; ``engagement`` as ``{"rate", "by"}`` or null; and
        ``posts``: ``{"post_id", "content_id", "day", "figures", "engagement"}`` of the last week.
    """
    try:
        kept = await redis.get(channels.figures(account_id))
    except (RedisError, OSError):
        return await _from_database(database, account_id)
    if kept is not None:
        found: dict[str, Any] = orjson.loads(kept)
        return found
    current = await _from_database(database, account_id)
    if current is not None:
        # Not over what a collection wrote meanwhile: that is newer.
        await _keep(redis, account_id, current, is_only_if_missing=True)
    return current


async def refresh(database: AsyncEngine, redis: Redis, account_id: int) -> None:
    """Put what PostgreSQL knows into Redis.

    Raises:
        RedisError: Redis is away.
    """
    current = await _from_database(database, account_id)
    if current is not None:
        await redis.set(channels.figures(account_id), orjson.dumps(current), ex=LIFE_S)


async def _keep(
    redis: Redis, account_id: int, current: Mapping[str, Any], *, is_only_if_missing: bool
) -> None:
    try:
        await redis.set(
            channels.figures(account_id), orjson.dumps(current), ex=LIFE_S, nx=is_only_if_missing
        )
    except (RedisError, OSError):
        return  # the caller has what it asked for


async def _from_database(database: AsyncEngine, account_id: int) -> dict[str, Any] | None:
    async with database.connect() as connection:
        days = (await connection.execute(_LATEST_DAYS, {"account_id": account_id})).all()
        if not days:
            return None
        latest = days[0]
        posts = await connection.execute(
            _LATEST_POSTS, {"account_id": account_id, "day": latest.day}
        )
        return {
            "account_id": account_id,
            "day": latest.day.isoformat(),
            "fetched_at": latest.fetched_at.isoformat(),
            "figures": latest.figures,
            "unavailable": latest.unavailable,
            "previous": days[1].figures if len(days) > 1 else None,
            "engagement": _engagement(latest.figures),
            "posts": [
                {
                    "post_id": post.post_id,
                    "content_id": post.content_id,
                    "day": post.day.isoformat(),
                    "figures": post.figures,
                    "engagement": _engagement(post.figures),
                }
                for post in posts
            ],
        }


def _engagement(values: Mapping[str, float | None]) -> dict[str, Any] | None:
    rate = engagement_rate([values])
    return None if rate is None else {"rate": rate.value, "by": rate.by.value}
