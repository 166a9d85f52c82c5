"""What every imitated host does with a request: carry it out and answer, or misbehave on plan."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from starlette.types import Receive, Scope, Send

from engine.sandbox.faults import Fault
from engine.sandbox.state import SeenRequest, World
from engine.sandbox.wire import Wire

JSON: Final = (b"content-type", b"application/json; charset=UTF-8")
HTML: Final = (b"content-type", b"text/html; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


CarryOut = Callable[[bool], Awaitable[Answer]]
"""Does what was asked; told whether it is the platform itself that does it once more."""

PlannedError = Callable[[Fault, SeenRequest], Answer]
"""An error of the fault plan, in the host's own envelope."""


class Surface:
    """Answers for every host, and counts.

    Args:
        registry: where the counters live.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "sandbox_answers", "Answers given", ["call", "status"], registry=registry
        )
        self._faults = Counter("sandbox_faults", "Faults applied", ["answer"], registry=registry)

    async def respond(
        self,
        world: World,
        seen: SeenRequest,
        carry_out: CarryOut,
        planned_error: PlannedError,
        *,
        wire: Wire,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer one request whose call is known."""
        fault = world.faults.take(seen.method, seen.path, seen.call, seen.account)
        if fault is None:
            answer = await carry_out(False)
            if world.switches.answer_ms:
                await asyncio.sleep(world.switches.answer_ms / 1000)
            await self._send(answer, seen, send)
            return
        self.note(world, fault, seen)
        await asyncio.sleep(fault.delay_before_s)
        answer = Answer(200, b"", [JSON])
        for turn in range(fault.carry_out):
            repeated = await carry_out(turn > 0)
            answer = answer if turn else repeated
        await asyncio.sleep(fault.delay_after_s)
        await self._misbehave(fault, answer, planned_error, wire, seen, receive, send)

    def note(self, world: World, fault: Fault, seen: SeenRequest) -> None:
        """Remember that a fault struck a request."""
        world.faults.record(fault, seen.id, seen.path)
        self._faults.labels(fault.answer).inc()
        seen.fault = fault.id

    async def _misbehave(
        self,
        fault: Fault,
        answer: Answer,
        planned_error: PlannedError,
        wire: Wire,
        seen: SeenRequest,
        receive: Receive,
        send: Send,
    ) -> None:
        match fault.answer:
            case "normal":
                await self._send(answer, seen, send)
            case "close":
                wire.close()
                await gone(receive)
            case "reset":
                wire.reset()
                await gone(receive)
            case "stall":
                await gone(receive)
            case "error":
                await self._send(planned_error(fault, seen), seen, send)
            case "html":
                status = fault.status or 502
                page = f"<html><head><title>{status}</title></head><body>Bad Gateway</body></html>"
                await self._send(Answer(status, page.encode(), [HTML]), seen, send)
            case "wrong_json":
                await self._send(Answer(fault.status or 200, b'{"ok":1}', [JSON]), seen, send)
            case "truncated":
                await _send_head(answer, send)
                half = answer.body[: len(answer.body) // 2]
                await send({"type": "http.response.body", "body": half, "more_body": True})
                wire.close()
                await gone(receive)

    async def _send(self, answer: Answer, seen: SeenRequest, send: Send) -> None:
        seen.status = answer.status
        self._answers.labels(seen.call, answer.status).inc()
        await _send_head(answer, send)
        await send({"type": "http.response.body", "body": answer.body})


async def _send_head(answer: Answer, send: Send) -> None:
    headers = answer.headers
    if answer.status != 204:  # which has no content to tell the length of (RFC 9110, 8.6)
        headers = [*headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def gone(receive: Receive) -> None:
    """Return when the connection has ended; only then may an application leave unanswered."""
    while (await receive())["type"] != "http.disconnect":
        pass


def base_url_of(scope: Scope) -> str:
    """The host as the caller addressed it, without a slash at the end."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return f"{scope['scheme']}://{host.decode('latin-1')}"
