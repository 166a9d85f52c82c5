"""Platform accounts and the sealing of their OAuth tokens.

A token exists in three forms only: sealed bytes in the row, an :class:`AccessToken` in memory,
and the ``Authorization`` header of a request. No form prints itself.
"""

from collections.abc import Sequence
from enum import StrEnum

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Integer, LargeBinary, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, foreign_key, one_of, primary_key, utc
from models.words import Platform as Platform


class AccountStatus(StrEnum):
    """Whether the account may be used; the other two need a person."""

    ACTIVE = "active"
    RECONNECT_NEEDED = "reconnect_needed"
    STOPPED = "stopped"


class PlatformAccount(SQLModel, table=True):
    """One connected account of a client on one platform.

    ``scopes`` are the permissions that its owner granted; null when nobody asked yet.
    ``held_until`` is when the platform lets it in again after it was throttled, or when a quota of
    it frees; nothing of it is prepared or sent before.

    ``token_issued_at`` is when the stored token was made, as far as we know;
    ``sealed_refresh_token`` is what Google's access tokens are renewed with. ``token_retry_at`` is
    when a renewal that met a transient fault is tried again, ``token_failures`` how many in a row.
    ``token_checked_at`` is the last time the platform was asked whether the token is good;
    ``token_warned_days`` the last of the marks 7, 3, 1 that people were told for this token.
    ``data_access_expires_at`` is Meta's: the data behind a token that itself never expires.
    """

    __tablename__ = "platform_accounts"
    __table_args__ = (
        one_of("platform", Platform),
        one_of("status", AccountStatus),
        UniqueConstraint("platform", "platform_user_id"),
    )

    id: int | None = primary_key()
    client_id: int = foreign_key("clients.id", index=True)
    platform: Platform = Field(sa_type=Text)
    platform_user_id: str = Field(sa_type=Text)
    username: str = Field(sa_type=Text)
    status: AccountStatus = Field(default=AccountStatus.ACTIVE, sa_type=Text)
    stopped_reason: str | None = Field(default=None, sa_type=Text)
    sealed_token: bytes | None = Field(default=None, sa_type=LargeBinary, repr=False)
    token_expires_at: Timestamp = utc()
    token_issued_at: Timestamp = utc()
    sealed_refresh_token: bytes | None = Field(default=None, sa_type=LargeBinary, repr=False)
    token_retry_at: Timestamp = utc()
    token_failures: int = Field(
        default=0, sa_type=Integer, sa_column_kwargs={"server_default": "0"}
    )
    token_checked_at: Timestamp = utc()
    token_warned_days: int | None = Field(default=None, sa_type=Integer)
    data_access_expires_at: Timestamp = utc()
    scopes: list[str] | None = Field(default=None, sa_type=JSONB)
    held_until: Timestamp = utc()
    held_reason: str | None = Field(default=None, sa_type=Text)
    created_at: Timestamp = utc(server_default="now()")


class PlatformHold(SQLModel, table=True):
    """A whole platform that takes no calls of ours until a time: the app's own limit is spent."""

    __tablename__ = "platform_holds"
    __table_args__ = (one_of("platform", Platform),)

    platform: Platform = Field(sa_type=Text, primary_key=True)
    held_until: Timestamp = utc(server_default="now()")
    reason: str = Field(sa_type=Text)


class AccessToken:
    """A secret that shows itself only when asked by :meth:`reveal`."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def reveal(self) -> str:
        """The bare token, for a request's header and nothing else."""
        return self._secret

    def __repr__(self) -> str:
        return "AccessToken(…)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("an access token is never pickled")


class TokenUnreadable(Exception):
    """No key of ours opens this sealed token: it was sealed by a key that is gone, or damaged."""


class TokenVault:
    """Seals and opens tokens with the first of several keys; the others still open older seals.

    Args:
        keys: url-safe base64 Fernet keys, newest first; at least one.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a token vault needs at least one key")
        self._newest = Fernet(keys[0])
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, token: AccessToken) -> bytes:
        """Encrypt under the newest key."""
        return self._fernet.encrypt(token.reveal().encode())

    def open(self, sealed: bytes) -> AccessToken:
        """Decrypt under whichever key sealed it.

        Raises:
            TokenUnreadable: no key fits. Nothing of the token is in the message.
        """
        try:
            return AccessToken(self._fernet.decrypt(sealed).decode())
        except InvalidToken:
            raise TokenUnreadable("sealed token does not open with any configured key") from None

    def is_newest(self, sealed: bytes) -> bool:
        """Whether the newest key sealed this."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def reseal(self, sealed: bytes) -> bytes:
        """Move a seal to the newest key, keeping its time stamp.

        Raises:
            TokenUnreadable: no key fits.
        """
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise TokenUnreadable("sealed token does not open with any configured key") from None
