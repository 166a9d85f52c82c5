"""The inboxes as a worker opens them: one per platform, guarded, and with proofs."""

from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet

from engine.cli.stack import sandbox_addresses
from engine.platforms.registry import open_inboxes
from engine.ports import AccountAccess
from engine.settings import Settings
from models.accounts import AccessToken, Platform
from tests.contracts.inbox_levers import ACCOUNT

SECRET = "app-secret"


async def test_every_platform_has_an_inbox_that_reaches_it(sandbox):
    sandbox.switch(app_secret=SECRET)
    sandbox.add_account(ACCOUNT)
    settings = Settings.load(
        {
            **sandbox_addresses(sandbox.base_url),
            "SNS_TOKEN_KEYS": Fernet.generate_key().decode(),
            "SNS_JWT_SECRET": "x" * 32,
            "SNS_META_APP_SECRET": SECRET,
        }
    )
    inboxes = open_inboxes(settings)
    assert set(inboxes) == set(Platform)
    access = AccountAccess(ACCOUNT, AccessToken(sandbox.token(ACCOUNT)))
    since = datetime.now(UTC) - timedelta(minutes=2)
    for platform, inbox in inboxes.items():
        given = {"account": ACCOUNT, "platform": platform.value}
        (post_id,) = sandbox.ask("POST", "/sandbox/posts", given)["ids"]
        pages = inbox.watched_posts(access, since=since, known=())
        assert [post.post_id async for page in pages for post in page] == [post_id]
        assert inbox.traits.reply_limit > 0
        await inbox.close()
