"""No request of ours goes inside, whatever a URL, a redirect or a name server says.

A name is resolved here, every address of it is checked, and the connection is made to the very
address that was checked: a name that answers differently a moment later (DNS rebinding) changes
nothing. TLS still verifies the host's name, because only the network layer sees the address.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import httpcore
import httpx

from engine.errors import MediaForbidden, MediaUnreachable
from engine.media.addresses import is_public

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses, best first. Raises ``OSError`` when there is none."""

WEB_PORTS: Final = (80, 443)
FIRST_FREE_PORT: Final = 1024  # below it, only the web's own: no mail server, no shell
LAST_PORT: Final = 65535
URL_LIMIT: Final = 8192  # characters; signed URLs of clouds are up to about 2,000
ADDRESSES_TRIED: Final = 4  # of one name; each may cost a whole connect timeout's share


def checked_url(url: str) -> httpx.URL:
    """The URL as it will be requested.

    Raises:
        MediaForbidden: not http or https, no host, credentials in it, or a port that is neither
            80 nor 443 nor at least 1024.
    """
    if len(url) > URL_LIMIT:
        raise MediaForbidden("the address is too long", code="bad_url")
    try:
        parsed = httpx.URL(url.strip())
        host, port = parsed.host, parsed.port
    except (httpx.InvalidURL, ValueError):
        raise MediaForbidden("this is no web address", code="bad_url") from None
    if parsed.scheme not in ("http", "https") or not host:
        raise MediaForbidden("the address must start with http:// or https://", code="bad_url")
    if parsed.userinfo:
        raise MediaForbidden("the address must hold no user name or password", code="credentials")
    if port is not None and port not in WEB_PORTS and not FIRST_FREE_PORT <= port <= LAST_PORT:
        raise MediaForbidden(
            f"port {port} is not for web servers", code="bad_port", evidence={"host": host}
        )
    return parsed.copy_with(fragment=None)


async def resolve_by_system(host: str, port: int) -> list[str]:
    """What the machine's resolver says, in its order, each address once."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to public addresses only.

    Args:
        allow_private: lift the rule about addresses; the one about URLs stays.
        resolve: the name server to ask.
    """

    def __init__(self, *, allow_private: bool = False, resolve: Resolve = resolve_by_system):
        self._allow_private = allow_private
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """See httpcore.

        Raises:
            MediaForbidden: one of the name's addresses is not public.
            MediaUnreachable: the name has no address.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self.addresses_of(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout("the name server is slow") from None
        share = None if timeout is None else timeout / len(addresses)
        lost: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                lost = error
        raise lost or httpcore.ConnectError("no address")

    async def addresses_of(self, host: str, port: int) -> list[str]:
        """The addresses to connect to, all of them checked.

        One bad address among good ones condemns the name: no honest name points inside.

        Raises:
            MediaForbidden: one of them is not public.
            MediaUnreachable: there is none.
        """
        try:
            addresses = list(await self._resolve(host.strip("[]"), port))
        except (OSError, UnicodeError) as error:
            is_retryable = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise MediaUnreachable(
                f"the name {host} was not found",
                code="name_not_found",
                is_retryable=is_retryable,
                evidence={"host": host},
            ) from None
        if not addresses:
            raise MediaUnreachable(
                f"the name {host} has no address",
                code="name_not_found",
                is_retryable=False,
                evidence={"host": host},
            )
        if not self._allow_private and not all(map(is_public, addresses)):
            # The address itself is not told: a stranger could map the inner network with it.
            raise MediaForbidden(
                f"{host} is not on the public internet",
                code="private_address",
                evidence={"host": host},
            )
        return addresses[:ADDRESSES_TRIED]

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never.

        Raises:
            MediaForbidden: always.
        """
        raise MediaForbidden("no sockets of this machine", code="private_address")

    async def sleep(self, seconds: float) -> None:
        """See httpcore."""
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx over a guarded network: no proxy, no HTTP/2, no setting of the environment."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend, *, keepalive: int = 8) -> None:
        super().__init__(trust_env=False)
        # httpx has no parameter for the network; its pool is replaced before anything opened.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=None,  # the source bounds what runs at once
            max_keepalive_connections=keepalive,
            keepalive_expiry=15.0,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx; the URL is checked here too, so that no caller can forget it."""
        checked_url(str(request.url))
        return await super().handle_async_request(request)
