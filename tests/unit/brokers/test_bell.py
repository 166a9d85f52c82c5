"""The bell that worker threads ring for the consumer."""

import select

from engine.brokers.bell import Bell


def rings(bell: Bell) -> bool:
    poll = select.poll()
    poll.register(bell.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def test_ring_is_heard_until_hushed() -> None:
    bell = Bell()
    assert not rings(bell)
    bell.ring()
    bell.ring()
    assert rings(bell)
    bell.hush()
    assert not rings(bell)
    bell.hush()
    bell.close()


def test_ringing_never_blocks_nor_fails() -> None:
    bell = Bell()
    for _ in range(100_000):  # more than a pipe holds
        bell.ring()
    bell.close()
    bell.close()
    bell.ring()
