"""The public keys of an issuer that signs with RS256 or ES256: a JWKS, from a file or a URL.

Keys change while the edge runs. A key that nobody has heard of is a reason to read them again, but
anyone can make up such a key, so that this happens seldom; and they are read again from time to
time, so that a key that the issuer took back stops working here.
"""

import asyncio
import http.client
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
import orjson
import structlog

from edge.auth import KeysUnavailable, PublicKeys, TokenRefused

REREAD_AFTER_S: Final = 10
"""Least time between two readings because of unknown keys."""

_STALE_AFTER_S: Final = 600
"""Keys older than this are read again when one of them is wanted."""

_TIMEOUT_S: Final = 5
_LARGEST_BYTES: Final = 1024 * 1024
_SMALLEST_RSA_BITS: Final = 2048

log = structlog.get_logger("edge.keys")

_Keys = dict[str | None, tuple[str, Any]]  # key id → its algorithm, the key


class KeySourceInvalid(ValueError):
    """Neither a file nor an address from which keys may be taken."""


class KeySet(PublicKeys):
    """Keys of one JWKS, read when they are first needed and again when they may have changed.

    Args:
        read: gives the JWKS's text; called in a thread, may raise ``OSError`` and ``ValueError``.
        clock: monotonic seconds.
    """

    def __init__(self, read: Callable[[], bytes], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._keys: _Keys | None = None
        self._read_at = -float("inf")
        self._is_good = False  # the last reading gave keys
        self._reading = asyncio.Lock()

    async def find(self, key_id: str | None, algorithm: str) -> Any:
        """A key that may check this algorithm; without an id, the only key there is.

        Raises:
            TokenRefused: there is no such key, or it is one of another algorithm.
            KeysUnavailable: the keys cannot be read now.
        """
        if self._has(key_id) and self._clock() - self._read_at < _STALE_AFTER_S:
            return self._take(key_id, algorithm)
        async with self._reading:  # whoever waited here finds them read
            if self._clock() - self._read_at >= (
                _STALE_AFTER_S if self._has(key_id) else REREAD_AFTER_S
            ):
                await self._reread()
        if not self._has(key_id) and not self._is_good:
            raise KeysUnavailable("keys cannot be read")
        return self._take(key_id, algorithm)

    def _has(self, key_id: str | None) -> bool:
        return self._keys is not None and (key_id in self._keys or key_id is None)

    def _take(self, key_id: str | None, algorithm: str) -> Any:
        keys = self._keys or {}
        if key_id is None and len(keys) == 1:
            (key_id,) = keys
        if key_id not in keys:
            raise TokenRefused("unknown key")
        owned, key = keys[key_id]
        if owned != algorithm:
            raise TokenRefused("the key is of another algorithm")
        return key

    async def _reread(self) -> None:
        self._read_at = self._clock()
        try:
            self._keys = _parse(await asyncio.to_thread(self._read))
            self._is_good = True
        except (OSError, ValueError, http.client.HTTPException) as error:
            # The keys at hand stay good: an issuer that is down has not taken them back.
            self._is_good = False
            log.warning("keys unreadable", error=f"{type(error).__name__}: {error}")


def source(where: str) -> Callable[[], bytes]:
    """How to read a JWKS.

    Args:
        where: an ``https`` URL, an ``http`` URL of this machine, or the path of a file.

    Raises:
        KeySourceInvalid: it is something else.
    """
    if "://" not in where:
        path = Path(where)
        if not path.is_file():
            raise KeySourceInvalid("no such file")
        return path.read_bytes
    try:
        parts = urlsplit(where)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise KeySourceInvalid("not a URL") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))):
        raise KeySourceInvalid("https, or http on this machine")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    is_tls = parts.scheme == "https"
    return lambda: _fetch(host, port, target, is_tls)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fetch(host: str, port: int | None, target: str, is_tls: bool) -> bytes:
    """Read one page; a redirect is not followed, for it could leave TLS."""
    connection: http.client.HTTPConnection
    if is_tls:
        connection = http.client.HTTPSConnection(
            host, port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", target, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise OSError(f"status {answer.status}")
        page = answer.read(_LARGEST_BYTES + 1)
        if len(page) > _LARGEST_BYTES:
            raise ValueError("larger than any JWKS")
        return page
    finally:
        connection.close()


def _parse(page: bytes) -> _Keys:
    """Take the keys that we can use out of a JWKS; each with the one algorithm it is for."""
    found = orjson.loads(page)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise ValueError("not a JWKS")
    keys: _Keys = {}
    for entry in found["keys"]:
        algorithm = _algorithm(entry)
        if algorithm is None:
            continue
        try:
            key = jwt.PyJWK(entry, algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            log.warning("key unreadable", error=type(error).__name__)
            continue
        if algorithm == "RS256" and key.key_size < _SMALLEST_RSA_BITS:
            log.warning("key too short", bits=key.key_size)
            continue
        key_id = entry.get("kid")
        keys[key_id if isinstance(key_id, str) else None] = (algorithm, key)
    return keys


def _algorithm(entry: Any) -> str | None:
    """What a key may check; ``None`` if it is not for us."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    match entry.get("kty"), entry.get("crv"):
        case "RSA", _:
            algorithm = "RS256"
        case "EC", "P-256":
            algorithm = "ES256"
        case _:
            return None
    return algorithm if entry.get("alg", algorithm) == algorithm else None
