"""The body of a request: within a size and a time, whoever sends it."""

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect, Request

from edge.problems import Problem

PASSED_OVER_BYTES: Final = 4 * 1024 * 1024
"""A body that is too large is read and dropped up to here: a connection that is closed with unread
input is reset, and the client would not see why."""

BODY_S: Final = 10
"""Seconds in which a body must have come; a client that trickles holds a connection, no more."""


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """All of it, of which no more than ``most_bytes`` are ever held.

    Raises:
        Problem: it is too large, ends too early, or does not come in time.
    """
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= most_bytes:
                    body += chunk
                elif size > PASSED_OVER_BYTES:
                    break
    except TimeoutError:
        raise Problem(
            HTTPStatus.REQUEST_TIMEOUT,
            "the body did not come in time",
            headers={"Connection": "close"},  # the rest of it would be read as a request
        ) from None
    except ClientDisconnect:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body ends too early") from None
    if size > most_bytes:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a body has {most_bytes} bytes at most",
            headers={"Connection": "close"} if size > PASSED_OVER_BYTES else None,
        )
    return bytes(body)
