"""The medium worker keeps tokens alive: by itself, and as the scheduler asks."""

from dramatiq import Message
from sqlalchemy import text

from engine.brokers import Tiers, connect
from tests.factories import Factory, in_seconds
from tests.integration.processes.conftest import Start
from tests.integration.processes.test_critical_worker import until
from tests.running_sandbox import RunningSandbox

MEDIUM = ("-m", "dramatiq", "engine.workers:medium", "--processes", "1", "--threads", "2")


def ask(redis_url: str) -> None:
    """What a tick comes to."""
    tiers = Tiers(connect=lambda: connect(redis_url))
    tiers["medium"].enqueue(
        Message(
            queue_name="medium",
            actor_name="refresh_expiring_tokens",
            args=(),
            kwargs={},
            options={},
        )
    )
    tiers.close()


async def test_a_worker_renews_at_its_start_and_checks_when_it_is_asked(
    start: Start, make: Factory, redis_url: str, sandbox: RunningSandbox
) -> None:
    account = await make.account()
    sandbox.add_account(account.platform_user_id)
    async with make.database.begin() as connection:
        await connection.execute(
            text("UPDATE platform_accounts SET token_issued_at = :issued, token_expires_at = :end"),
            {"issued": in_seconds(-51 * 86_400), "end": in_seconds(9 * 86_400)},
        )
    worker = start(*MEDIUM, SNS_METRICS_PORT_MEDIUM="0")
    await until(
        make, "SELECT token_expires_at > now() + interval '59 days' FROM platform_accounts", True
    )
    sandbox.change_token(account.platform_user_id, subcode=460)
    ask(redis_url)
    await until(make, "SELECT status FROM platform_accounts", "reconnect_needed")
    assert "sandbox-renewed" not in worker.said
    assert worker.stop() == 0
