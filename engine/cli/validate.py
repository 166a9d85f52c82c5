"""``sns validate``: what the platforms would refuse of a content, before it is due."""

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from engine.services.validating import Check
    from engine.settings import Settings


def validate(
    content_id: Annotated[int, typer.Argument(help="Which content.")],
    data: DataOption = DEFAULT,
) -> None:
    """Check a content for each of its accounts: text, media, permissions, what is left of the day.

    Pictures and videos are fetched and looked at. Each problem names the field and what to do, in
    Korean and English. The exit code is 1 when there is any.
    """
    settings = configure(data)
    from engine.cli.session import call

    checks = call(settings.database_url, lambda database: _validate(database, settings, content_id))
    for check in checks:
        name = f"{check.platform} @{check.username} (account {check.account_id})"
        typer.secho(f"{name}: ", nl=False, bold=True)
        typer.secho(
            f"{len(check.problems)} to fix" if check.problems else "good",
            fg="red" if check.problems else "green",
        )
        for problem in check.problems:
            print(f"  {problem.field}: {problem.korean}")
            print(f"  {' ' * len(problem.field)}  {problem.english}")
    if any(check.problems for check in checks):
        raise typer.Exit(1)


async def _validate(
    database: "AsyncEngine", settings: "Settings", content_id: int
) -> "Sequence[Check]":
    from engine.cli.platforms import opened
    from engine.clock import SystemClock
    from engine.errors import InvalidCommand
    from engine.services.validating import Validation, validate_content

    async with opened(settings) as (platforms, probe):
        validation = Validation(platforms=platforms, probe=probe, vault=settings.vault())
        try:
            return await validate_content(
                database, validation, content_id=content_id, now=SystemClock().now()
            )
        except InvalidCommand as error:
            raise CommandFailed(str(error)) from error
