"""Who is at the other end: a JWT, checked and turned into an identity."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import jwt

SUBPROTOCOL: Final = "sns.v1"
_BEARS_TOKEN: Final = "auth."  # noqa: S105
_USER_ID: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class TokenRefused(Exception):
    """The token proves nothing: expired, forged, for somebody else, or not a token at all.

    The message never holds the token.
    """


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token proves.

    Attributes:
        user_id: whose events the connection gets.
        roles: names of roles.
        client_ids: clients that the user works for.
        expires_at: Unix seconds.
    """

    user_id: int
    roles: frozenset[str]
    client_ids: frozenset[int]
    expires_at: int


class Verifier:
    """Checks tokens signed with HS256; no other algorithm is taken, whatever the header says."""

    def __init__(self, secret: str, *, issuer: str, audience: str) -> None:
        self._secret = secret
        self._issuer = issuer
        self._audience = audience

    def verify(self, token: str) -> Identity:
        """Check a token and read its claims.

        Raises:
            TokenRefused: signature, ``exp``, ``iss``, ``aud`` or ``sub`` is missing or wrong, or
                ``roles`` or ``clients`` has another shape.
        """
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=self._audience,
                issuer=self._issuer,
                # A clock of the issuer that is ahead by a second is no reason to refuse.
                options={"require": ["exp", "aud", "iss", "sub"], "verify_iat": False},
            )
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            # Other errors of the decoder come from tokens that are not even text.
            raise TokenRefused(type(error).__name__) from None
        if not _USER_ID.fullmatch(claims["sub"]):
            raise TokenRefused("sub is not a user id")
        roles, clients = claims.get("roles", []), claims.get("clients", [])
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise TokenRefused("roles is not a list of names")
        if not isinstance(clients, list) or not all(type(client) is int for client in clients):
            raise TokenRefused("clients is not a list of ids")
        return Identity(
            int(claims["sub"]), frozenset(roles), frozenset(clients), int(claims["exp"])
        )


def token_among(subprotocols: Iterable[str]) -> str | None:
    """The token that a client put among its offered subprotocols as ``auth.<base64url JWT>``.

    A browser cannot set headers on a WebSocket, and a URL ends up in logs.

    Returns:
        ``None`` if there is none; an empty text, which no verifier takes, if it is unreadable.
    """
    for offered in subprotocols:
        if offered.startswith(_BEARS_TOKEN):
            encoded = offered.removeprefix(_BEARS_TOKEN)
            try:
                padded = encoded + "=" * (-len(encoded) % 4)
                return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
            except (binascii.Error, ValueError):
                return ""
    return None
