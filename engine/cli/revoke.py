"""``sns revoke``: tokens that are no longer good, from now on and on every edge."""

from typing import Annotated

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT


def revoke(
    user: Annotated[
        str | None,
        typer.Option("--user", help="All tokens that this user has by now.", metavar="ID|EMAIL"),
    ] = None,
    token_id: Annotated[
        str | None, typer.Option("--token-id", help="The one token with this jti.", metavar="JTI")
    ] = None,
    keep_days: Annotated[
        int,
        typer.Option("--keep-days", min=1, help="At least as long as such a token could live."),
    ] = 30,
    data: DataOption = DEFAULT,
) -> None:
    """Take tokens back before they expire: open connections close at once, with code 4010.

    Tokens that the user is given afterwards are good again.
    """
    if (user is None) == (token_id is None):
        raise CommandFailed("name one of --user and --token-id")
    settings = configure(data)
    import asyncio

    user_id = None if user is None else _user_id(settings.database_url, user)
    told = asyncio.run(_revoke(settings.redis_url, user_id, token_id, keep_days * 86_400))
    print(f"revoked; {told} {'edge was' if told == 1 else 'edges were'} told")


def _user_id(database_url: str, user: str) -> int:
    if user.isdecimal():
        return int(user)  # it may be one whom the database no longer knows
    from engine.cli.people import find_person

    return find_person(database_url, user).id


async def _revoke(redis_url: str, user_id: int | None, token_id: str | None, keep_s: int) -> int:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    from models.revocation import revoke_token, revoke_user

    try:
        async with Redis.from_url(redis_url, socket_connect_timeout=5) as client:
            if user_id is not None:
                return await revoke_user(client, user_id, keep_s=keep_s)
            return await revoke_token(client, token_id or "", keep_s=keep_s)
    except (RedisError, OSError) as error:
        raise CommandFailed(
            f"cannot reach Redis ({error}); start it with `sns up`, or check SNS_REDIS_URL"
        ) from error
