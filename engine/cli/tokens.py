"""``sns tokens``: the accounts' connections: how long they hold, renewed, checked, sealed anew."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from engine.services.resealing import Resealing
    from engine.services.tokens import Result, TokenKeeper
    from engine.settings import Settings

tokens = typer.Typer(
    help="The accounts' connections: how long they hold, renewed, checked, sealed anew.",
    no_args_is_help=True,
)

AccountArgument = Annotated[
    int | None, typer.Argument(metavar="[ACCOUNT]", help="Id of one account, as `list` shows it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

LIST = """
SELECT a.id, a.platform, a.username, a.status, a.stopped_reason, a.token_expires_at,
       a.data_access_expires_at, a.token_checked_at, a.token_failures,
       a.sealed_token IS NOT NULL AS has_token,
       (SELECT count(*) FROM content_targets t
        JOIN contents c ON c.id = t.content_id AND c.status = 'approved'
                       AND c.scheduled_at IS NOT NULL
        LEFT JOIN publishing_logs l ON l.content_id = t.content_id
                                   AND l.platform_account_id = t.platform_account_id
        WHERE t.platform_account_id = a.id
          AND coalesce(l.status, 'pending') IN ('pending', 'staged', 'sending')) AS waiting_posts
FROM platform_accounts a ORDER BY a.id
"""


@tokens.command("list")
def list_tokens(as_json: JsonOption = False, data: DataOption = DEFAULT) -> None:
    """Show each account's connection: its state, its end, the last check, the posts that wait."""
    settings = configure(data)
    from rich.table import Table
    from sqlalchemy import text

    from engine.cli.seoul import day_and_clock
    from engine.cli.session import visit
    from engine.cli.terminal import table_console

    async def read(session: "AsyncSession") -> list[dict[str, Any]]:
        return [dict(row) for row in (await session.execute(text(LIST))).mappings()]

    rows = visit(settings.database_url, read)
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False, default=_iso))
        return
    if not rows:
        print("no accounts")
        return
    now = datetime.now(UTC)
    table = Table(title="Times in Asia/Seoul")
    for heading in ("id", "account", "status", "ends in", "checked", "waiting posts"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        state = row["status"] if row["has_token"] else f"{row['status']}, no token"
        table.add_row(
            str(row["id"]),
            f"{row['platform']} @{row['username']}",
            state if row["stopped_reason"] is None else f"{state}: {row['stopped_reason']}",
            _left(row["token_expires_at"], now),
            day_and_clock(row["token_checked_at"]),
            str(row["waiting_posts"]),
        )
    table_console().print(table)


@tokens.command("refresh")
def refresh_tokens(
    account: AccountArgument = None, as_json: JsonOption = False, data: DataOption = DEFAULT
) -> None:
    """Renew the tokens whose time has come, or one account's now.

    A token that the platform refuses for good marks its account, as it would by itself.
    """
    settings = configure(data)
    found = _keep(settings, lambda keeper: keeper.renew(account))
    if not found and account is not None:
        raise CommandFailed(
            f"account {account} has nothing to renew: it is unknown, not active, of a platform "
            "whose tokens are not renewed, or being renewed at this moment; see `sns tokens list`"
        )
    _show(found, as_json, nothing="no token is due")


@tokens.command("check")
def check_tokens(
    account: AccountArgument = None, as_json: JsonOption = False, data: DataOption = DEFAULT
) -> None:
    """Ask the platforms now whether tokens are good: every account's, or one's.

    An account that needed a reconnect and turns out to be good is active again.
    """
    settings = configure(data)

    async def check(keeper: "TokenKeeper") -> "list[Result]":
        if account is not None:
            return await keeper.check(account)
        return await keeper.check_all()

    found = _keep(settings, check)
    if not found and account is not None:
        raise CommandFailed(f"there is no account {account} with a token; see `sns tokens list`")
    _show(found, as_json, nothing="no account has a token")


@tokens.command("reseal")
def reseal_tokens(data: DataOption = DEFAULT) -> None:
    """Seal every token with the newest of SNS_TOKEN_KEYS, while everything runs.

    Put the new key first, let every process start anew with it, run this, and drop the old key when
    nothing is left unreadable. Running it again does no harm. Progress goes to standard error, one
    JSON line of figures to standard output.
    """
    settings = configure(data)
    from engine.cli.session import call
    from engine.services.resealing import reseal

    def report(figures: "Resealing") -> None:
        print(f"{figures.accounts} accounts, {figures.resealed} resealed", file=sys.stderr)

    figures = call(
        settings.database_url, lambda database: reseal(database, settings.vault(), report=report)
    )
    print(json.dumps(asdict(figures)))
    if figures.unreadable or figures.contended:
        raise typer.Exit(1)


def _keep(
    settings: "Settings", act: "Callable[[TokenKeeper], Awaitable[list[Result]]]"
) -> "list[Result]":
    from engine.cli.session import call

    async def work(database: "AsyncEngine") -> "list[Result]":
        from random import Random

        from engine.clock import SystemClock
        from engine.platforms.registry import open_tokens
        from engine.services.tokens import TokenKeeper

        clients = open_tokens(settings)
        keeper = TokenKeeper(
            database=database,
            clients=clients,
            vault=settings.vault(),
            clock=SystemClock(),
            random=Random(),  # noqa: S311  # jitter is no secret
        )
        try:
            return await act(keeper)
        finally:
            for client in clients.values():
                await client.close()

    return call(settings.database_url, work)


def _show(found: "list[Result]", as_json: bool, *, nothing: str) -> None:
    from engine.services.tokens import Outcome

    for result in found:
        if as_json:
            print(json.dumps(asdict(result), ensure_ascii=False))
        else:
            reason = f" ({result.reason})" if result.reason else ""
            print(
                f"account {result.account_id}, {result.platform} @{result.username}: "
                f"{result.outcome.replace('_', ' ')}{reason}"
            )
    if not found and not as_json:
        print(nothing)
    if any(result.outcome in (Outcome.DISCONNECTED, Outcome.PUT_OFF) for result in found):
        raise typer.Exit(1)


def _left(end: datetime | None, now: datetime) -> str:
    if end is None:
        return "–"
    left = end - now
    if left <= timedelta():
        return "ended"
    if left >= timedelta(days=2):
        return f"{left.days} days"
    hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
    return f"{hours} h {minutes} min"


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
