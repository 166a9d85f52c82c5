"""The cache of current figures: written after reading, rebuilt when lost, never the only copy."""

import orjson
from redis.asyncio import Redis

from engine.services import current_figures
from models import channels


async def test_collection_leaves_the_current_figures_in_redis(desk):
    account = await desk.make.account()
    post_id = await desk.published(account)
    await desk.measure(account)
    kept = orjson.loads(await desk.redis.get(channels.figures(account.id)))
    assert kept["figures"]["followers"] > 0
    assert [post["post_id"] for post in kept["posts"]] == [post_id]
    assert await current_figures.read(desk.database, desk.redis, account.id) == kept


async def test_lost_cache_is_rebuilt_from_postgresql(desk):
    account = await desk.make.account()
    await desk.published(account)
    await desk.measure(account)
    before = await current_figures.read(desk.database, desk.redis, account.id)
    await desk.redis.flushall()
    assert await current_figures.read(desk.database, desk.redis, account.id) == before
    assert await desk.redis.get(channels.figures(account.id)) is not None
    assert await desk.redis.ttl(channels.figures(account.id)) > 0


async def test_figures_are_there_while_redis_is_away(desk):
    account = await desk.make.account()
    nobody = Redis.from_url("redis://127.0.0.1:1/0")
    kept, desk.redis = desk.redis, nobody
    measured = await desk.measure(account)
    assert measured.error is None
    found = await current_figures.read(desk.database, nobody, account.id)
    desk.redis = kept
    assert found["figures"]["followers"] > 0
    await nobody.aclose()


async def test_next_collection_replaces_what_is_cached(desk):
    account = await desk.make.account()
    user = account.platform_user_id
    for followers in (500, 510):
        desk.set_figures(account=user, values={"followers": followers})
        await desk.measure(account)
        found = await current_figures.read(desk.database, desk.redis, account.id)
        assert found["figures"]["followers"] == followers


async def test_account_without_figures_has_none_current(desk):
    account = await desk.make.account()
    assert await current_figures.read(desk.database, desk.redis, account.id) is None
