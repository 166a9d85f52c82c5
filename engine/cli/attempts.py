"""``sns attempts``: the write-ahead ledger of one content, readable."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy.ext.asyncio import AsyncSession

    from models.accounts import PlatformAccount
    from models.contents import Content
    from models.publishing import PublishingAttempt, PublishingLog

    Post = tuple[PublishingLog, PlatformAccount, list[PublishingAttempt]]


def attempts(
    content_id: Annotated[int, typer.Argument(help="Which content.")],
    data: DataOption = DEFAULT,
) -> None:
    """Show every call that was made to publish a content, and what came of it.

    An attempt is written before the call; one without an outcome was cut short, and nobody knows.
    """
    settings = configure(data)
    from engine.cli.seoul import day_and_clock
    from engine.cli.session import visit
    from engine.cli.terminal import table_console

    async def read(session: "AsyncSession") -> "tuple[Content, list[Post]]":
        return await read_posts(session, content_id)

    content, posts = visit(settings.database_url, read)
    console = table_console()
    console.print(
        f"content {content.id} “{content.title}” is {content.status}, "
        f"due {day_and_clock(content.scheduled_at)} (times in Asia/Seoul)",
        highlight=False,
    )
    if not posts:
        console.print("nothing was tried yet: no account's publishing has begun")
    for post in posts:
        show_post(console, *post)


async def read_posts(session: "AsyncSession", content_id: int) -> "tuple[Content, list[Post]]":
    """A content and its posts, each with its account and its attempts, oldest first.

    Raises:
        CommandFailed: there is no such content.
    """
    from sqlmodel import col, select

    from models.accounts import PlatformAccount
    from models.contents import Content
    from models.publishing import PublishingAttempt, PublishingLog

    content = await session.get(Content, content_id)
    if content is None:
        raise CommandFailed(f"there is no content {content_id}")
    logs = await session.execute(
        select(PublishingLog, PlatformAccount)
        .join(PlatformAccount, col(PlatformAccount.id) == PublishingLog.platform_account_id)
        .where(col(PublishingLog.content_id) == content_id)
        .order_by(col(PublishingLog.id))
    )
    posts: list[Post] = []
    for log, account in logs.all():
        tried = await session.scalars(
            select(PublishingAttempt)
            .where(col(PublishingAttempt.publishing_log_id) == log.id)
            .order_by(col(PublishingAttempt.number))
        )
        posts.append((log, account, list(tried.all())))
    return content, posts


def show_post(
    console: "Console",
    log: "PublishingLog",
    account: "PlatformAccount",
    tried: "list[PublishingAttempt]",
) -> None:
    """Print one post and its ledger."""
    from rich.table import Table

    from engine.cli.seoul import day_and_clock

    state = f"{log.status}, {log.retry_count} retries" + (", late" if log.is_late else "")
    facts = [log.platform_post_url or log.platform_post_id, log.error_code, log.error_message]
    console.print(
        f"\n{account.platform} @{account.username} (account {account.id}): {state}  "
        + "  ".join(fact for fact in facts if fact),
        highlight=False,
    )
    table = Table()
    for heading in ("number", "call", "started", "finished", "outcome", "evidence"):
        table.add_column(heading, overflow="fold")
    for attempt in tried:
        table.add_row(
            str(attempt.number),
            attempt.call,
            day_and_clock(attempt.started_at),
            day_and_clock(attempt.finished_at),
            attempt.outcome or "not known",
            json.dumps(attempt.evidence, ensure_ascii=False),
        )
    console.print(table)
