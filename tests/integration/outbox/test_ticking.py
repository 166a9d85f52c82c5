"""A tick is a row: once over any number of schedulers, whole or not at all."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from engine.daemon import every
from engine.services import ticking
from engine.services.ticking import Job, tick
from tests.integration.outbox.conftest import Post

JOB = Job("scan", every(60), "known", timedelta(seconds=60))
AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


async def test_replicas_that_fire_one_tick_together_send_one_message(post: Post) -> None:
    fired = await asyncio.gather(
        *(tick(post.database, JOB, planned_at=AT, fired_by=f"replica {n}") for n in range(8))
    )
    assert sorted(fired) == [False] * 7 + [True]
    [row] = await post.rows("SELECT key, actor FROM outbox")
    assert row == {"key": f"tick:scan:{AT.timestamp():.0f}", "actor": "known"}


async def test_a_replica_that_dies_between_tick_and_message_leaves_neither(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(ticking, "put_message", die)
        with pytest.raises(RuntimeError, match="killed"):
            await tick(post.database, JOB, planned_at=AT, fired_by="first")
    assert await post.rows("SELECT * FROM ticks") == []
    assert await tick(post.database, JOB, planned_at=AT, fired_by="second")
    [row] = await post.rows("SELECT fired_by FROM ticks")
    assert row == {"fired_by": "second"}
