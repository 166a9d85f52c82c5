"""The transport against servers that misbehave, byte by byte."""

import asyncio
import datetime
import ipaddress
import logging
import re
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.errors import NotSent, OutcomeUnknown, ReconnectNeeded
from engine.platforms import transport as transport_module
from engine.platforms.transport import Transport
from models.accounts import AccessToken

HOME = ipaddress.ip_address("127.0.0.1")
TOKEN = AccessToken("s3cret-token")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """One accepted connection of a scripted server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read_request(self) -> bytes:
        """Head and body of the next request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        return head + (await self.reader.readexactly(int(length[1])) if length else b"")

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


class Server:
    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}/v25.0"
        self.connections = 0
        self.requests: list[bytes] = []


@asynccontextmanager
async def serving(
    script: Callable[[Server, Peer, int], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server that runs the script on every connection, numbered from 1, then closes it."""
    tasks = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        server.connections += 1
        try:
            await script(server, Peer(reader, writer), server.connections)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the test ended
        finally:
            writer.close()

    listening = await asyncio.start_server(run, "127.0.0.1", 0, ssl=tls)
    server = Server(listening.sockets[0].getsockname()[1], "https" if tls else "http")
    yield server
    listening.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def answering(*answers: bytes) -> Callable[[Server, Peer, int], Awaitable[None]]:
    """Each connection gives these answers, one per request, and then closes."""

    async def script(server: Server, peer: Peer, number: int) -> None:
        for answer in answers:
            server.requests.append(await peer.read_request())
            await peer.say(answer)

    return script


async def for_ever(server: Server, peer: Peer, number: int) -> None:
    while True:
        server.requests.append(await peer.read_request())
        await peer.say(OK)


async def stalling(server: Server, peer: Peer, number: int) -> None:
    server.requests.append(await peer.read_request())
    await peer.reader.read()


async def post(transport: Transport, timeout_s: float = 5.0):
    return await transport.post(
        "/1/media_publish", {"creation_id": "2"}, TOKEN, timeout_s=timeout_s
    )


async def test_requests_share_one_kept_alive_connection():
    async with serving(for_ever) as server:
        transport = Transport(server.url)
        for _ in range(3):
            assert (await post(transport)).body == b"{}"
        await transport.close()
    assert server.connections == 1
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v25.0/1/media_publish HTTP/1.1\r\n")
    assert b"Authorization: Bearer s3cret-token" in head
    assert body == b"creation_id=2"


async def test_refused_connection_means_not_sent():
    async with serving(for_ever) as server:
        pass
    with pytest.raises(NotSent) as caught:
        await post(Transport(server.url))
    assert caught.value.code == "not-connected"


async def test_host_is_reached_by_whichever_of_its_addresses_answers(monkeypatch):
    async with serving(for_ever) as server:
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        # 192.0.2.0/24 is kept for documentation: nothing there answers.
        addresses = [(*stream, ("192.0.2.1", port)), (*stream, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        transport = Transport(f"http://localhost:{port}")
        async with asyncio.timeout(3):
            assert (await post(transport)).status == 200
        await transport.close()


async def test_tls_that_never_completes_means_not_sent(monkeypatch):
    monkeypatch.setattr(transport_module, "CONNECT_TIMEOUT_S", 0.1)

    async def silent(server: Server, peer: Peer, number: int) -> None:
        server.requests.append(await peer.reader.read(1))
        await peer.reader.read()

    async with serving(silent) as server:
        with pytest.raises(NotSent):
            await post(Transport(server.url.replace("http:", "https:")))


async def test_certificate_that_does_not_hold_means_not_sent(tmp_path):
    async with serving(for_ever, self_signed(tmp_path)) as server:
        with pytest.raises(NotSent) as caught:
            await post(Transport(server.url))
    assert server.requests == []
    assert caught.value.evidence == {"failure": "SSLCertVerificationError"}


async def test_certificate_that_holds_lets_the_request_through(tmp_path, monkeypatch):
    tls = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "self.pem"))
    async with serving(for_ever, tls) as server:
        transport = Transport(server.url)
        await transport.warm_up()
        assert [(await post(transport)).status for _ in range(2)] == [200, 200]
        await transport.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10 + b"Content-Length: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 5_000_000,
    ],
)
async def test_answer_that_is_not_whole_leaves_a_post_unknown_and_sent_once(said):
    async with serving(answering(said)) as server:
        transport = Transport(server.url)
        with pytest.raises(OutcomeUnknown) as caught:
            await post(transport)
        await transport.close()
    assert caught.value.code == "connection-lost"
    assert len(server.requests) == 1


async def test_headers_without_end_are_cut_off():
    many = b"".join(b"h%d: x\r\n" % number for number in range(300))
    async with serving(answering(b"HTTP/1.1 200 OK\r\n" + many + b"\r\n")) as server:
        with pytest.raises(OutcomeUnknown):
            await post(Transport(server.url))


async def test_read_replaces_a_lost_connection_once():
    async def second_time_lucky(server: Server, peer: Peer, number: int) -> None:
        server.requests.append(await peer.read_request())
        if number == 2:
            await peer.say(OK)

    async with serving(second_time_lucky) as server:
        transport = Transport(server.url)
        assert (await transport.get("/1", {"fields": "id"}, TOKEN)).status == 200
        with pytest.raises(OutcomeUnknown):
            await transport.get("/1", {"fields": "id"}, TOKEN)
        await transport.close()
    assert server.requests[0].startswith(b"GET /v25.0/1?fields=id HTTP/1.1\r\n")
    # The second read found the connection of the first ended, tried a new one, and one more.
    assert len(server.requests) in (3, 4)


async def test_answer_that_does_not_come_in_time_leaves_a_post_unknown():
    async with serving(stalling) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            await post(Transport(server.url), timeout_s=0.05)
    assert caught.value.code == "answer-late"


async def test_late_read_is_not_repeated():
    async with serving(stalling) as server:
        with pytest.raises(OutcomeUnknown):
            await Transport(server.url).get("/1", {}, TOKEN, timeout_s=0.05)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
    ],
)
async def test_answer_may_come_in_any_lawful_shape_and_in_single_bytes(said):
    async def byte_by_byte(server: Server, peer: Peer, number: int) -> None:
        await peer.read_request()
        for byte in said:
            await peer.say(bytes([byte]))

    async with serving(byte_by_byte) as server:
        answer = await post(Transport(server.url))
    assert (answer.status, answer.body) == (200, b"{}")


async def test_redirect_is_an_answer_and_is_not_followed():
    async with serving(for_ever) as elsewhere:
        location = elsewhere.url.encode()
        said = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location
        async with serving(answering(said)) as server:
            assert (await post(Transport(server.url))).status == 302
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "last", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", OK + OK]
)
async def test_connection_that_said_enough_is_not_used_again(last):
    async with serving(answering(last, OK)) as server:
        transport = Transport(server.url)
        for _ in range(2):
            assert (await post(transport)).body == b"{}"
        await transport.close()
    assert server.connections == 2


async def test_connection_that_the_server_closed_while_idle_costs_nothing():
    gone = asyncio.Event()

    async def one_each(server: Server, peer: Peer, number: int) -> None:
        server.requests.append(await peer.read_request())
        await peer.say(OK)
        peer.writer.close()
        await peer.writer.wait_closed()
        gone.set()

    async with serving(one_each) as server:
        transport = Transport(server.url)
        await post(transport)
        await gone.wait()
        await until(lambda: not any(one.is_usable for one in transport._idle))
        assert (await post(transport)).status == 200
    assert len(server.requests) == 2


async def test_connection_is_not_kept_longer_than_allowed():
    async with serving(for_ever) as server:
        transport = Transport(server.url, keep_alive_s=0)
        await post(transport)
        await post(transport)
    assert server.connections == 2


async def test_warm_up_opens_connections_that_carry_nothing_until_needed():
    async with serving(for_ever) as server:
        transport = Transport(server.url, warm=3)
        await transport.warm_up()
        await until(lambda: server.connections == 3)
        assert server.requests == []
        await asyncio.gather(*(transport.warm_up() for _ in range(3)))
        await asyncio.gather(*(post(transport) for _ in range(3)))
        await transport.close()
    assert server.connections == 3


async def test_warm_up_without_a_server_says_nothing():
    async with serving(for_ever) as server:
        pass
    await Transport(server.url).warm_up()


async def test_request_that_finds_every_connection_busy_is_not_sent(monkeypatch):
    monkeypatch.setattr(transport_module, "CONNECT_TIMEOUT_S", 0.1)
    async with serving(stalling) as server:
        transport = Transport(server.url, connections=1)
        busy = asyncio.create_task(post(transport, timeout_s=5))
        await until(lambda: server.requests)
        with pytest.raises(NotSent) as caught:
            await post(transport)
        assert caught.value.code == "no-free-connection"
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)


async def test_cancelled_request_takes_its_connection_with_it():
    async with serving(stalling) as server:
        transport = Transport(server.url)
        task = asyncio.create_task(post(transport))
        await until(lambda: server.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not transport._idle


async def test_request_that_ends_after_close_leaves_no_connection():
    release = asyncio.Event()

    async def when_told(server: Server, peer: Peer, number: int) -> None:
        server.requests.append(await peer.read_request())
        await release.wait()
        await peer.say(OK)

    async with serving(when_told) as server:
        transport = Transport(server.url)
        task = asyncio.create_task(post(transport))
        await until(lambda: server.requests)
        await transport.close()
        release.set()
        assert (await task).status == 200
        assert not transport._idle


@pytest.mark.parametrize(
    "url",
    [
        "http://graph.instagram.com/v25.0",
        "http://10.0.0.1/",
        "http://127.0.0.1.evil.test/",
        "x",
        "",
    ],
)
def test_token_is_not_sent_in_the_clear_to_another_machine(url):
    with pytest.raises(ValueError, match="http"):
        Transport(url)


@pytest.mark.parametrize(
    "url", ["https://graph.instagram.com/v25.0", "http://localhost:1/", "http://[::1]:1/"]
)
def test_https_and_this_machine_may_have_the_token(url):
    Transport(url)


@pytest.mark.parametrize("secret", ["", "a\r\nHost: evil", "a b", "a\n", "토큰"])
async def test_token_that_would_break_the_head_is_refused(secret):
    async with serving(for_ever) as server:
        with pytest.raises(ReconnectNeeded):
            await Transport(server.url).get("/1", {}, AccessToken(secret))
    assert server.requests == []


async def test_token_appears_in_no_error_and_no_log(caplog):
    caplog.set_level(logging.DEBUG)
    async with serving(answering(b"HTTP/1.1 nonsense s3cret-token\r\n\r\n")) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            await post(Transport(server.url))
    told = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in told + repr(caught.value) + repr(caught.value.evidence) + caplog.text


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the event loop is about to do."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def self_signed(folder) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(HOME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "self.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
