"""``sns dead-letters``: what no actor will run again by itself, and its second chance."""

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

    from models.outbox import DeadLetter

dead_letters = typer.Typer(
    help="Messages that failed for good: list them, send them again.", no_args_is_help=True
)


@dead_letters.command("list")
def list_letters(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were sent again.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    data: DataOption = DEFAULT,
) -> None:
    """Show what died, newest first, with the reason."""
    settings = configure(data)
    from rich.table import Table
    from sqlmodel import col, select

    from engine.cli.seoul import day_and_clock
    from engine.cli.session import visit
    from engine.cli.terminal import table_console
    from models.outbox import DeadLetter

    async def read(session: "AsyncSession") -> "Sequence[DeadLetter]":
        query = select(DeadLetter).order_by(col(DeadLetter.id).desc()).limit(limit)
        if not everything:
            query = query.where(col(DeadLetter.replayed_at).is_(None))
        return (await session.scalars(query)).all()

    found = visit(settings.database_url, read)
    if not found:
        print("no dead letters")
        return
    table = Table(title="Times in Asia/Seoul")
    for heading in ("id", "died", "tier", "actor", "arguments", "reason", "sent again"):
        table.add_column(heading, overflow="fold")
    for letter in found:
        arguments = [
            *map(repr, letter.message.get("args", [])),
            *(f"{name}={value!r}" for name, value in letter.message.get("kwargs", {}).items()),
        ]
        table.add_row(
            str(letter.id),
            day_and_clock(letter.died_at),
            letter.queue,
            letter.actor or "(unreadable)",
            ", ".join(arguments),
            letter.reason,
            day_and_clock(letter.replayed_at),
        )
    table_console().print(table)


@dead_letters.command("replay")
def replay_letter(
    letter_id: Annotated[int, typer.Argument(help="The id that `list` shows.")],
    data: DataOption = DEFAULT,
) -> None:
    """Send one again, with all its retries; mend what it died of first."""
    settings = configure(data)
    from engine.cli.session import visit
    from engine.errors import InvalidCommand
    from engine.services.replaying import replay

    try:
        letter = visit(settings.database_url, lambda session: replay(session, letter_id))
    except InvalidCommand as error:
        raise CommandFailed(f"{error}; `sns dead-letters list` shows what there is") from error
    print(f"{letter.actor} is on its way again, on tier {letter.queue}")
