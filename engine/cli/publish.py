"""``sns publish``: publish one content now, as the main API would ask for it."""

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncSession


def publish(
    content_id: Annotated[int, typer.Argument(help="Which content; it must be approved.")],
    data: DataOption = DEFAULT,
) -> None:
    """Send a content to each of its accounts now, whatever time it is planned for.

    Sending it twice publishes it once. `sns attempts` shows what came of it.
    """
    settings = configure(data)
    from engine.cli.session import visit

    async def read(session: "AsyncSession") -> "Sequence[int]":
        return await _accounts(session, content_id)

    accounts = visit(settings.database_url, read)
    from dramatiq.errors import ConnectionError as BrokerAway

    from engine.actors.publishing import publish_to_platform

    for account_id in accounts:
        try:
            publish_to_platform.send(content_id, account_id)
        except BrokerAway as error:
            raise CommandFailed(
                "cannot reach Redis; start it with `sns up`, or check SNS_REDIS_URL"
            ) from error
        print(f"content {content_id} is on its way to account {account_id}")
    print(f"`sns attempts {content_id}` shows what came of it")


async def _accounts(session: "AsyncSession", content_id: int) -> "Sequence[int]":
    from sqlmodel import col, select

    from models.contents import Content, ContentTarget
    from models.words import ContentStatus

    content = await session.get(Content, content_id)
    if content is None:
        raise CommandFailed(f"there is no content {content_id}")
    if content.status == ContentStatus.PUBLISHED:
        raise CommandFailed(f"content {content_id} is published already; see `sns attempts`")
    if content.status != ContentStatus.APPROVED:
        raise CommandFailed(
            f"content {content_id} is {content.status}; only an approved one is published"
        )
    targets = await session.scalars(
        select(ContentTarget.platform_account_id)
        .where(col(ContentTarget.content_id) == content_id)
        .order_by(col(ContentTarget.platform_account_id))
    )
    found = targets.all()
    if not found:
        raise CommandFailed(f"content {content_id} has no account to go to; add a target first")
    return found
