"""What goes on in the demo beside its posts: people comment, and tokens grow old."""

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, Final

import httpx

from engine.cli.demo_comments import (
    COMMENTS,
    RATE,
    SETTLE_S,
    CommentsReport,
    ask_for_sync,
    connect_webhooks,
    judge,
    keep_syncing,
    read_inbox,
    read_truth,
)
from engine.cli.demo_tokens import TokensReport, age_rows, age_tokens, read_tokens

if TYPE_CHECKING:
    from engine.cli.launch import Stack

SECOND_OPERATOR: Final = "minjae.choi@haneul.example"
POSTS_TO_COMMENT: Final = 2  # an account
LOOK_EVERY_S: Final = 0.5


class SideShow:
    """One run beside the posts.

    Args:
        stack: that is up.
        author_events: every frame of the author's browser, who is an operator; it grows.
    """

    def __init__(self, stack: "Stack", author_events: list[dict[str, Any]]) -> None:
        self._stack = stack
        self._watched: list[list[dict[str, Any]]] = [author_events, []]
        self.comments = CommentsReport()
        self.tokens = TokensReport()

    def faults(self) -> list[str]:
        """Everything that is not as promised, one line each."""
        return [*self.comments.faults, *self.tokens.faults()]

    def listed(self) -> dict[str, Any]:
        """For the demo's last line."""
        return {"comments": self.comments.listed(), "tokens": self.tokens.listed()}

    async def run(self) -> None:
        """Write the comments, and wait until all of it is where it should be, or long enough."""
        from engine.cli.token import mint
        from engine.cli.watcher import Watcher
        from engine.settings import Settings

        settings = Settings.load(self._stack.settings)
        operator = await asyncio.to_thread(_user_id, settings.database_url)
        watcher = Watcher(
            self._stack.edge_url.replace("http", "ws", 1),
            mint(settings, operator, ["operator"], ()),
            self._watched[1].append,
        )
        tasks = [asyncio.create_task(watcher.run())]
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
                async with asyncio.timeout(10):
                    await watcher.connected.wait()
                await connect_webhooks(self._stack, client)
                tasks.append(asyncio.create_task(keep_syncing(settings.database_url)))
                ids = await asyncio.to_thread(_accounts, settings.database_url)
                await age_tokens(self._stack, client, ids)
                await asyncio.to_thread(age_rows, settings)
                await self._talk(client, ids)
                await self._settle(client, settings)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _talk(self, client: httpx.AsyncClient, ids: dict[str, str]) -> None:
        """Have people comment on some posts of every account."""
        from engine.cli.replay import LivePost, Manners, replay, sample_texts

        posts = []
        for id_, platform in ids.items():
            made = await client.post(
                f"{self._stack.sandbox_url}/sandbox/posts",
                json={"account": id_, "platform": platform, "count": POSTS_TO_COMMENT},
            )
            made.raise_for_status()
            posts += [LivePost(post_id, platform) for post_id in made.json()["ids"]]
        async with httpx.AsyncClient(
            base_url=self._stack.sandbox_url, trust_env=False, timeout=15
        ) as people:
            await replay(
                sample_texts()[:COMMENTS],
                client=people,
                posts=posts,
                rate=RATE,
                manners=Manners(),
                random=Random(7),  # noqa: S311  # the same conversation every time
            )

    async def _settle(self, client: httpx.AsyncClient, settings: Any) -> None:
        """Look again and again until everything holds, at most so long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_S
        while True:
            truth = await read_truth(self._stack, client)
            inbox = await read_inbox(settings.database_url)
            self.comments = judge(truth, inbox, self._watched)
            self.tokens = await asyncio.to_thread(read_tokens, settings)
            if not self.faults() or loop.time() > deadline:
                return
            await asyncio.sleep(LOOK_EVERY_S)
            await ask_for_sync(settings.database_url)


def _user_id(database_url: str) -> int:
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlmodel import col, select

    from engine.cli.faults import CommandFailed
    from engine.cli.session import visit
    from models.people import User

    async def read(session: AsyncSession) -> int | None:
        return await session.scalar(select(User.id).where(col(User.email) == SECOND_OPERATOR))

    found = visit(database_url, read)
    if found is None:
        raise CommandFailed("the sample data is missing; start in an empty folder")
    return found


def _accounts(database_url: str) -> dict[str, str]:
    """Each account's platform, by its id there."""
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlmodel import select

    from engine.cli.session import visit
    from models.accounts import PlatformAccount

    async def read(session: AsyncSession) -> dict[str, str]:
        rows = (await session.scalars(select(PlatformAccount))).all()
        return {row.platform_user_id: str(row.platform) for row in rows}

    return visit(database_url, read)
