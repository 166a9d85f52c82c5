"""``sns reconcile``: posts in doubt, looked at now, or decided by a person."""

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from engine.cli.attempts import Post
    from engine.services.resolving import Decision
    from engine.settings import Settings


def reconcile(
    content_id: Annotated[int, typer.Argument(help="Which content.")],
    account: Annotated[
        int | None,
        typer.Option("--account", help="Which of its accounts, when several are in doubt."),
    ] = None,
    bind: Annotated[
        str | None,
        typer.Option("--bind", metavar="POST_ID", help="It is live: this post of the platform."),
    ] = None,
    not_live: Annotated[
        bool, typer.Option("--not-live", help="I have looked: it is not live.")
    ] = False,
    data: DataOption = DEFAULT,
) -> None:
    """Show what is known of posts in doubt and have them looked at, or decide them yourself.

    Without --bind or --not-live nothing is decided: workers look at the platform now instead of
    later. --bind checks that the platform shows the post. After --not-live nothing is sent by
    itself; `sns publish` sends it again, from the same container where that still exists.
    """
    if bind is not None and not_live:
        raise CommandFailed("--bind and --not-live contradict each other; give one of them")
    settings = configure(data)
    from engine.cli.attempts import read_posts, show_post
    from engine.cli.session import call, visit
    from engine.cli.terminal import table_console
    from engine.services.resolving import OPEN, Decision, look_now

    _, posts = visit(settings.database_url, lambda session: read_posts(session, content_id))
    in_doubt = [post for post in posts if post[0].status in OPEN]
    if not in_doubt:
        states = ", ".join(f"{found.username}: {log.status}" for log, found, _ in posts)
        raise CommandFailed(
            f"nothing of content {content_id} is in doubt ({states or 'nothing was tried'})"
        )
    if bind is None and not not_live:
        hurried = call(settings.database_url, lambda database: look_now(database, content_id))
        console = table_console()
        for post in in_doubt:
            show_post(console, *post)
        if hurried:
            print(f"{hurried} will be looked at within a second; ask again to see what was found")
        print(
            "to decide yourself: look at the account, then "
            f"`sns reconcile {content_id} --account ID --bind POST_ID`, or --not-live"
        )
        return
    chosen = _chosen(in_doubt, account)
    decision = Decision(content_id=content_id, account_id=chosen, post_id=bind)
    call(settings.database_url, lambda database: _decide(database, settings, decision))
    print(
        f"content {content_id} on account {chosen} is "
        + (f"bound to post {bind}" if bind else "marked as not live")
    )


def _chosen(in_doubt: "list[Post]", account: int | None) -> int:
    ids = {found.id or 0: found for _, found, _ in in_doubt}
    if account is None and len(ids) == 1:
        return next(iter(ids))
    if account not in ids:
        listed = ", ".join(
            f"{id_} ({found.platform} @{found.username})" for id_, found in ids.items()
        )
        raise CommandFailed(f"say which account with --account: {listed}")
    return account


async def _decide(database: "AsyncEngine", settings: "Settings", decision: "Decision") -> None:
    from engine.cli.platforms import opened
    from engine.errors import InvalidCommand, PlatformError
    from engine.services.resolving import resolve

    async with opened(settings) as (platforms, _):
        try:
            await resolve(database, decision, platforms=platforms, vault=settings.vault())
        except InvalidCommand as error:
            raise CommandFailed(str(error)) from error
        except PlatformError as error:
            raise CommandFailed(f"the platform cannot be read now ({error}); try again") from error
