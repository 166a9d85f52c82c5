"""``sns delete``: take a live post down again."""

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from engine.settings import Settings


def delete(
    content_id: Annotated[int, typer.Argument(help="Which content.")],
    account: Annotated[
        int | None, typer.Option("--account", help="Only on this account; otherwise on all.")
    ] = None,
    data: DataOption = DEFAULT,
) -> None:
    """Delete the live posts of a content at their platforms, where these allow it.

    Asking twice deletes once. What the platform cannot delete is said, and stays.
    """
    settings = configure(data)
    from engine.cli.attempts import read_posts
    from engine.cli.session import call, visit
    from models.publishing import PublishingStatus

    _, posts = visit(settings.database_url, lambda session: read_posts(session, content_id))
    live = [
        found.id or 0
        for log, found, _ in posts
        if log.status is PublishingStatus.SUCCESS and account in (None, found.id)
    ]
    if not live:
        raise CommandFailed(f"nothing of content {content_id} is live there; see `sns attempts`")
    failed = 0
    for account_id in live:
        said = call(
            settings.database_url,
            lambda database, account_id=account_id: _delete(  # type: ignore[misc]
                database, settings, content_id, account_id
            ),
        )
        failed += said is not None
        print(f"content {content_id} on account {account_id}: {said or 'deleted'}")
    if failed:
        raise typer.Exit(1)


async def _delete(
    database: "AsyncEngine", settings: "Settings", content_id: int, account_id: int
) -> str | None:
    """Nothing when it is deleted, else why not."""
    from engine.cli.platforms import opened
    from engine.errors import PlatformError
    from engine.services.deleting import delete_post

    async with opened(settings) as (platforms, _):
        try:
            await delete_post(
                database,
                content_id=content_id,
                account_id=account_id,
                user_id=None,
                platforms=platforms,
                vault=settings.vault(),
            )
        except PlatformError as error:
            return f"not deleted: {error}"
    return None
