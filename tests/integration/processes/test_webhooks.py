"""From Meta's request to the inbox, through every process that stands between."""

import asyncio
import hashlib
import hmac

import httpx
from sqlalchemy import text

from models.people import ClientMember
from tests.factories import Factory
from tests.integration.processes.conftest import CRITICAL, Start
from tests.meta_pushes import entry, envelope, instagram_comment, written
from tests.running_edge import running

HIGH = ("-m", "dramatiq", "engine.workers:high", "--processes", "1", "--threads", "4")
SECRET = "the app secret of Meta"


async def test_a_pushed_comment_goes_through_edge_relay_and_worker_into_the_inbox(
    start: Start, make: Factory, redis_url: str, database_url: str
) -> None:
    account, operator = await make.account(), await make.user()
    await make.add(ClientMember(client_id=account.client_id, user_id=operator.id))
    relay, worker = start(*CRITICAL), start(*HIGH, SNS_METRICS_PORT_HIGH="0")
    for process in (relay, worker):
        await process.until_said("worker is up")
    body = written(
        envelope(
            "instagram", entry(account.platform_user_id, instagram_comment(), at=1_764_072_000)
        )
    )
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    async with (
        running(1, redis_url, database_url=database_url, edge_webhook_secrets=SECRET) as [edge],
        httpx.AsyncClient(trust_env=False) as meta,
    ):
        for _ in range(3):
            answer = await meta.post(
                f"http://127.0.0.1:{edge.port}/webhooks/meta",
                content=body,
                headers={"X-Hub-Signature-256": f"sha256={digest}"},
            )
            assert answer.status_code == 200
        async with asyncio.timeout(20), make.database.connect() as connection:
            while not (
                found := (
                    await connection.execute(
                        text(
                            "SELECT c.message, (SELECT count(*) FROM webhook_deliveries"
                            " WHERE processed_at IS NOT NULL) AS taken FROM comments_inbox c"
                        )
                    )
                ).all()
            ):
                await asyncio.sleep(0.03)
    assert [(row.message, row.taken) for row in found] == [("예뻐요", 1)]
    assert worker.stop() == 0
    assert "예뻐요" not in worker.said  # no log tells what people write
