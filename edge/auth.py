"""Who is at the other end: a JWT, checked and turned into an identity.

::

    AccessDenied
    ├── TokenRefused          the token proves nothing
    ├── TokenRevoked          it was good once
    ├── UserMismatch          it is good, and somebody else's
    ├── TooManyConnections    it is good, and its user has enough connections
    └── KeysUnavailable       nobody can tell now

Each says with which code a connection ends because of it.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import jwt

from edge.close_codes import CloseCode
from models.revocation import Bearer

SUBPROTOCOL: Final = "sns.v1"
_BEARS_TOKEN: Final = "auth."  # noqa: S105
_USER_ID: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_LONGEST_TOKEN_ID: Final = 256  # characters; it becomes a key in Redis

_LAST_SECOND: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
"""Later than this there are no dates."""


class AccessDenied(Exception):
    """Whoever asks does not get in; the message never holds the token."""

    code: ClassVar[CloseCode]


class TokenRefused(AccessDenied):
    """The token proves nothing: expired, forged, for somebody else, or not a token at all."""

    code = CloseCode.TOKEN_INVALID


class TokenRevoked(AccessDenied):
    """The token was taken back before its time."""

    code = CloseCode.REVOKED


class UserMismatch(AccessDenied):
    """A refresh brought another user's token."""

    code = CloseCode.REFUSED


class TooManyConnections(AccessDenied):
    """The user has as many connections as anyone may have."""

    code = CloseCode.TOO_MANY_CONNECTIONS


class KeysUnavailable(AccessDenied):
    """The issuer's public keys cannot be read now."""

    code = CloseCode.TRY_LATER


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token proves.

    Attributes:
        user_id: whose events the connection gets.
        roles: names of roles.
        client_ids: clients that the user works for; ``None`` if the issuer does not say.
        expires_at: Unix seconds.
        token_id: by which the token can be revoked, if it has a ``jti``.
        issued_at: Unix seconds, if the issuer says.
    """

    user_id: int
    roles: frozenset[str]
    client_ids: frozenset[int] | None
    expires_at: int
    token_id: str | None = None
    issued_at: float | None = None

    @property
    def expires_on(self) -> datetime:
        """When the token expires."""
        return datetime.fromtimestamp(self.expires_at, UTC)

    @property
    def bearer(self) -> Bearer:
        """What of it can be revoked."""
        return Bearer(self.user_id, self.token_id, self.issued_at)


class PublicKeys:
    """Keys of an issuer that signs with RS256 or ES256; none here, see :mod:`edge.keys`."""

    async def find(self, key_id: str | None, algorithm: str) -> Any:
        """A key that may check this algorithm.

        Raises:
            TokenRefused: there is no such key.
            KeysUnavailable: nobody can tell now.
        """
        raise TokenRefused("no key for this algorithm")


class Verifier:
    """Checks tokens: HS256 against secrets, RS256 and ES256 against public keys, nothing else.

    The header of a token only says which key to try. What algorithm belongs to a key is not the
    token's to say, so that a public key never serves as a secret.

    Args:
        secrets: of HS256, all of them good at once while one takes the place of another.
        issuer: what ``iss`` must be.
        audience: what ``aud`` must be.
        keys: of RS256 and ES256.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        issuer: str,
        audience: str,
        keys: PublicKeys | None = None,
    ) -> None:
        self._secrets = tuple(secrets)
        self._issuer = issuer
        self._audience = audience
        self._keys = keys or PublicKeys()

    async def verify(self, token: str) -> Identity:
        """Check a token and read its claims.

        Raises:
            TokenRefused: signature, ``exp``, ``iss``, ``aud`` or ``sub`` is missing or wrong, or
                ``roles``, ``clients``, ``jti`` or ``iat`` has another shape.
            KeysUnavailable: the issuer's keys cannot be read now.
        """
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm == "HS256":
                return _identity(self._decode_with_secrets(token))
            if algorithm in {"RS256", "ES256"}:
                key = await self._keys.find(header.get("kid"), algorithm)
                return _identity(self._decode(token, key, algorithm))
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
            # Other errors of the decoder come from tokens that are not even text.
            raise TokenRefused(type(error).__name__) from None
        raise TokenRefused("algorithm not taken")

    def _decode_with_secrets(self, token: str) -> dict[str, Any]:
        *older, last = self._secrets
        for secret in older:
            try:
                return self._decode(token, secret, "HS256")
            except jwt.InvalidSignatureError:
                continue
        return self._decode(token, last, "HS256")

    def _decode(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._audience,
            issuer=self._issuer,
            # A clock of the issuer that is ahead by a second is no reason to refuse.
            options={"require": ["exp", "aud", "iss", "sub"], "verify_iat": False},
        )
        return claims


def _identity(claims: dict[str, Any]) -> Identity:
    if not _USER_ID.fullmatch(claims["sub"]):
        raise TokenRefused("sub is not a user id")
    roles, clients = claims.get("roles", []), claims.get("clients")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise TokenRefused("roles is not a list of names")
    if clients is not None and (
        not isinstance(clients, list) or not all(type(client) is int for client in clients)
    ):
        raise TokenRefused("clients is not a list of ids")
    token_id, issued_at = claims.get("jti"), claims.get("iat")
    if token_id is not None and not (
        isinstance(token_id, str) and 0 < len(token_id) <= _LONGEST_TOKEN_ID
    ):
        raise TokenRefused("jti is not a short text")
    if issued_at is not None and type(issued_at) not in (int, float):
        raise TokenRefused("iat is not a number")
    return Identity(
        int(claims["sub"]),
        frozenset(roles),
        None if clients is None else frozenset(clients),
        min(int(claims["exp"]), _LAST_SECOND),
        token_id,
        issued_at,
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
