"""Which addresses we ever connect to when somebody else names the URL.

A content's media URL is input. Without a guard it could make us ask the cloud's metadata service,
a database's HTTP port or a neighbour in the private network. The name is resolved here, every
address it has must be public, and the connection goes to the very address that was checked, so
that a name which resolves differently a moment later gains nothing. Each redirect is a new request
and is checked again.

Source: OWASP, Server-Side Request Forgery Prevention, read 2026-11-25; special-purpose blocks as
registered by IANA, which :mod:`ipaddress` knows.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx

from engine.errors import MediaForbidden, MediaUnreachable

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

WELL_KNOWN_PORTS: Final = frozenset({80, 443})
FIRST_FREE_PORT: Final = 1024  # below are other services of a host: mail, SSH, databases
NAT64: Final = IPv6Network("64:ff9b::/96")  # https://www.rfc-editor.org/rfc/rfc6052
TEREDO: Final = IPv6Network("2001::/32")


def is_public(address: Address) -> bool:
    """Whether an address is one that anybody on the internet could be asked at.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, NAT64) is as public as that one.
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.sixtofour is not None:
            return is_public(address.sixtofour)
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address in TEREDO:
            return False
    return address.is_global and not address.is_multicast


def check_url(url: httpx.URL) -> None:
    """Refuse what no media host needs, before anything is resolved.

    Raises:
        MediaForbidden: another scheme, a user name, no host, or a port of another service.
    """
    if url.scheme not in ("http", "https") or not url.host:
        raise MediaForbidden("only http and https addresses are fetched")
    if url.userinfo:
        raise MediaForbidden("an address with a user name or password is not fetched")
    port = url.port
    if port is not None and port not in WELL_KNOWN_PORTS and port < FIRST_FREE_PORT:
        raise MediaForbidden(f"port {port} is not a web server's")


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Every address of a name, as the system knows it."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport that connects to public addresses only.

    Args:
        allow_private: lift the rule on addresses; for machines whose media are served on loopback.
        resolve: gives a name's addresses.
        transport: what sends.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolve = resolve_by_system,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._transport = transport or httpx.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx; the request goes to the address that was checked.

        Raises:
            MediaForbidden: the URL, or an address of its host, is not public.
            MediaUnreachable: the name has no address.
        """
        check_url(request.url)
        address = await self._address_of(request.url)
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=str(address)),
            # The host's name stays in the header, and TLS goes on verifying it.
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return await self._transport.handle_async_request(pinned)

    async def aclose(self) -> None:
        """See httpx."""
        await self._transport.aclose()

    async def _address_of(self, url: httpx.URL) -> Address:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await self._resolve(url.host, port)
        except (OSError, UnicodeError):
            raise MediaUnreachable(f"the host {url.host} has no address") from None
        addresses = [ip_address(one.partition("%")[0]) for one in found]
        if not addresses:
            raise MediaUnreachable(f"the host {url.host} has no address")
        if not self._allow_private and not all(is_public(one) for one in addresses):
            # Not said which: an answer must not map somebody's private network.
            raise MediaForbidden(f"the host {url.host} is not on the public internet")
        return addresses[0]
