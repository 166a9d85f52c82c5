import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import InvalidResponse, ResponseError

from edge.pushes import Push, PushReader


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def encoded(push: Push) -> bytes:
    kind, channel, data = push
    last = b":%d\r\n" % data if isinstance(data, int) else bulk(data)
    return b"*3\r\n" + bulk(kind) + bulk(channel) + last


def read(pieces: list[bytes]) -> list[Push]:
    found: list[Push] = []
    rest = b""
    for piece in pieces:
        reader = PushReader(rest + piece)
        found += reader
        rest = reader.rest
    assert rest == b""
    return found


# Channels may be named after roles, and those are any text: line ends and all.
binary = st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n", b"*3\r\n$7\r\nmessage\r\n"]))
pushes = st.one_of(
    st.tuples(st.just(b"message"), binary, binary),
    st.tuples(st.sampled_from([b"subscribe", b"unsubscribe"]), binary, st.integers(0, 10_000)),
)


@given(st.lists(pushes), st.lists(st.integers(1, 60), min_size=1))
def test_pushes_are_read_wherever_the_stream_is_cut(said: list[Push], cuts: list[int]) -> None:
    stream = b"".join(map(encoded, said))
    pieces, at, index = [], 0, 0
    while at < len(stream):
        size = cuts[index % len(cuts)]
        pieces.append(stream[at : at + size])
        at, index = at + size, index + 1

    assert read(pieces) == said


def test_answers_to_pings_are_left_out() -> None:
    pong = b"*2\r\n" + bulk(b"pong") + bulk(b"")
    message = (b"message", b"channel", b"data")

    assert read([pong + encoded(message) + pong]) == [message]


def test_refusal_is_raised() -> None:
    with pytest.raises(ResponseError, match="NOPERM"):
        read([b"-NOPERM this user may not subscribe\r\n"])


def test_what_is_not_redis_is_not_taken_for_silence() -> None:
    with pytest.raises(InvalidResponse):
        read([b"HTTP/1.1 400 Bad Request\r\n"])
