"""The guard on real names and sockets; only the name server is the test's."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Sequence

import httpcore
import pytest

from engine.errors import MediaForbidden, MediaUnreachable
from engine.media.guard import GuardedBackend, checked_url
from engine.media.source import HttpMediaSource

NO_WEB_ADDRESS = [
    "",
    "picture.jpg",
    "//a.test/b.jpg",
    "ftp://a.test/b.jpg",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "data:image/png;base64,AAAA",
    "http://",
    "http:///etc/passwd",
    "http://a.test/\x00",
    "http://[::1",
    "http://a.test/" + "a" * 9000,
]
TRICKS = [
    "http://127.0.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:7f00:0001]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127.0.0.1。:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://192.168.0.1:{port}/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fe80::1]:{port}/",
]


@pytest.mark.parametrize("url", NO_WEB_ADDRESS)
def test_what_is_no_web_address_is_forbidden(url: str) -> None:
    with pytest.raises(MediaForbidden) as caught:
        checked_url(url)
    assert caught.value.code == "bad_url"


@pytest.mark.parametrize("url", ["http://me:secret@a.test/b.jpg", "https://me@a.test/"])
def test_credentials_are_forbidden_and_not_repeated(url: str) -> None:
    with pytest.raises(MediaForbidden) as caught:
        checked_url(url)
    assert caught.value.code == "credentials"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("port", [1, 22, 25, 81, 444, 1023, 65536, 99999])
def test_port_of_another_service_is_forbidden(port: int) -> None:
    with pytest.raises(MediaForbidden) as caught:
        checked_url(f"http://a.test:{port}/")
    assert caught.value.code == "bad_port"


@pytest.mark.parametrize("port", [80, 443, 1024, 8080, 65535])
def test_port_of_a_web_server_is_fine(port: int) -> None:
    assert checked_url(f"https://a.test:{port}/b.jpg?c=d#e").fragment == ""


def test_korean_file_name_is_encoded() -> None:
    assert str(checked_url("https://a.test/봄.jpg")) == "https://a.test/%EB%B4%84.jpg"


@pytest.mark.parametrize("trick", TRICKS)
async def test_no_spelling_of_an_inner_address_is_connected_to(trick: str) -> None:
    source = HttpMediaSource()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        try:
            with pytest.raises((MediaForbidden, MediaUnreachable)) as caught:
                await source.head(trick.format(port=listener.getsockname()[1]))
            # A resolver may not know a spelling at all; what it knows must be refused.
            assert caught.value.code in ("private_address", "name_not_found", "bad_url")
            with pytest.raises(BlockingIOError):
                listener.accept()
        finally:
            await source.close()


class NameServer:
    """Gives one answer after the other, the last one from then on."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Network(httpcore.AsyncNetworkBackend):
    """Notes where a connection would go, and refuses it."""

    def __init__(self) -> None:
        self.went_to: list[str] = []

    async def connect_tcp(self, host, port, *_args, **_options):
        self.went_to.append(host)
        raise httpcore.ConnectError("refused")


async def test_connection_goes_to_the_address_that_was_checked() -> None:
    """DNS rebinding: public when checked, loopback when asked again."""
    names, network = NameServer(["8.8.8.8"], ["127.0.0.1"]), Network()
    backend = GuardedBackend(resolve=names)
    backend._network = network
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("rebind.test", 80)
    assert network.went_to == ["8.8.8.8"]
    assert names.asked == 1
    with pytest.raises(MediaForbidden):
        await backend.connect_tcp("rebind.test", 80)
    assert network.went_to == ["8.8.8.8"]


@pytest.mark.parametrize(
    "answer",
    [["8.8.8.8", "127.0.0.1"], ["::ffff:10.0.0.1"], ["2606:4700::1", "fd00::1"]],
)
async def test_one_inner_address_condemns_the_name(answer: list[str]) -> None:
    backend = GuardedBackend(resolve=NameServer(answer))
    backend._network = network = Network()
    with pytest.raises(MediaForbidden) as caught:
        await backend.connect_tcp("mixed.test", 443)
    assert network.went_to == []
    assert not any(address in str(caught.value) for address in answer)


async def test_next_address_is_tried_when_one_does_not_answer() -> None:
    backend = GuardedBackend(resolve=NameServer(["8.8.8.8", "2606:4700::1"]))
    backend._network = network = Network()
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("two.test", 443, timeout=5)
    assert network.went_to == ["8.8.8.8", "2606:4700::1"]


async def test_sockets_of_this_machine_are_never_opened() -> None:
    with pytest.raises(MediaForbidden):
        await GuardedBackend(allow_private=True).connect_unix_socket("/run/docker.sock")


@pytest.mark.parametrize(
    ("fault", "is_retryable"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such name"), False),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), True),
    ],
)
async def test_unknown_name_is_unreachable(fault: OSError, is_retryable: bool) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise fault

    with pytest.raises(MediaUnreachable) as caught:
        await GuardedBackend(resolve=resolve).connect_tcp("none.test", 80)
    assert caught.value.code == "name_not_found"
    assert caught.value.is_retryable is is_retryable


async def test_slow_name_server_is_a_timeout() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(httpcore.ConnectTimeout):
        await GuardedBackend(resolve=resolve).connect_tcp("slow.test", 80, timeout=0.01)


async def test_lifting_the_rule_about_addresses_leaves_the_one_about_urls() -> None:
    source = HttpMediaSource(allow_private=True)
    for url in ("http://127.0.0.1:22/", "http://a:b@127.0.0.1:8080/", "file:///etc/passwd"):
        with pytest.raises(MediaForbidden):
            await source.head(url)
    await source.close()


def test_no_proxy_of_the_environment_and_no_decoder_gets_into_a_worker() -> None:
    """A proxy would resolve names behind the guard's back; decoders run elsewhere."""
    code = """
import asyncio, sys
from engine.errors import MediaForbidden
from engine.media.source import HttpMediaSource
import engine.media.probe
async def main():
    try: await HttpMediaSource().head("http://127.0.0.1:8080/")
    except MediaForbidden: print("forbidden")
asyncio.run(main())
assert not {"av", "PIL"} & sys.modules.keys()
"""
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert said.stdout == "forbidden\n"
