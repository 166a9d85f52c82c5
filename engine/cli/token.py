"""``sns token``: a JWT that the edge accepts, for one user or for many."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from engine.settings import Settings

DEFAULT_TTL_S = 12 * 3600  # a working day and a half


def token(
    user: Annotated[str, typer.Option("--user", help="Id or e-mail address.", metavar="ID|EMAIL")],
    role: Annotated[
        list[str] | None,
        typer.Option("--role", help="Instead of the user's own role; may be repeated."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=1, help="Tokens for this many ids, from --user upwards.")
    ] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help='Print [{"user_id": …, "token": …}, …].')
    ] = False,
    ttl: Annotated[int, typer.Option("--ttl", min=1, help="Seconds until it expires.")] = (
        DEFAULT_TTL_S
    ),
    data: DataOption = DEFAULT,
) -> None:
    """Print a token with which a browser may listen as a user.

    With --count the users need not exist: it is meant for load tests.
    """
    settings = configure(data)
    if count == 1:
        from engine.cli.people import find_person

        found = find_person(settings.database_url, user)
        minted = [(found.id, mint(settings, found.id, role or [found.role], found.clients, ttl))]
    elif user.isdecimal():
        ids = range(int(user), int(user) + count)
        roles = role or ["operator"]
        minted = [(number, mint(settings, number, roles, None, ttl)) for number in ids]
    else:
        raise CommandFailed("--count needs a number as --user: the first id")
    if as_json:
        print(json.dumps([{"user_id": number, "token": text} for number, text in minted]))
    else:
        for _, text in minted:
            print(text)


def mint(
    settings: "Settings",
    user_id: int,
    roles: Sequence[str],
    clients: Sequence[int] | None,
    ttl_s: int = DEFAULT_TTL_S,
) -> str:
    """A signed token for one user; one that does not say whose clients it serves, if ``None``."""
    import jwt

    now = datetime.now(UTC)
    claims = {
        "sub": str(user_id),
        "roles": list(roles),
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "iat": now,
        "exp": now + timedelta(seconds=ttl_s),
        "jti": uuid4().hex,
    }
    if clients is not None:
        claims["clients"] = list(clients)
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")
