"""What Meta pushes, put down as it came: one row, one message to a worker, one commit.

Meta wants an answer within seconds and repeats for 36 hours what it did not get one for, so nothing
is understood here. Whoever cannot sign is turned away before anything is written, and soon before
anything is read: this process belongs to its sockets.

Sources, read 2026-11-23: https://developers.facebook.com/docs/graph-api/webhooks/getting-started
(verification, signature, repeats).
"""

import asyncio
import hashlib
import hmac
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edge.bodies import read_body
from edge.database import Database, DatabaseAway
from edge.doorway import neighbourhood
from edge.metrics import Metrics
from edge.pace import Pace
from edge.problems import MEDIA_TYPE, Problem
from models.outgoing import put_message

PATH: Final = "/webhooks/meta"
MAX_DELIVERY_BYTES: Final = 1024 * 1024  # a thousand changes, the most of one delivery, are 400 KiB
MAX_CHALLENGE: Final = 1000  # characters; Meta's are numbers

_AT_ONCE: Final = 32
"""Deliveries that are read or written at a time; so much junk in memory, and no more."""

_WAIT_S: Final = 3.0
"""How long one more waits for its place, its body unread. What is refused comes minutes later."""

_REFUSED_PER_S: Final = 1.0
_REFUSED_BURST: Final = 20
"""Bad signatures and bodies of one address, for long and at once; then it is not even read."""

_SIGNATURE: Final = re.compile(r"sha256=([0-9a-fA-F]{64})")

log = structlog.get_logger("edge.webhooks")


def is_signed(body: bytes, signature: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether one of ``secrets`` made ``signature`` (HMAC-SHA256) of ``body``.

    Takes the same time whichever secret it was, and wherever the signature differs.
    """
    matches = [
        hmac.compare_digest(hmac.digest(secret, body, "sha256"), signature) for secret in secrets
    ]
    return any(matches)


class Letterbox:
    """Takes in what Meta pushes.

    Args:
        database: where it is put down.
        metrics: counts.
        verify_token: what Meta says when a webhook is set up; empty for none.
        secrets: of the apps that may push, any order; none for no webhooks.
    """

    def __init__(
        self, *, database: Database, metrics: Metrics, verify_token: str, secrets: Sequence[str]
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._verify_token = verify_token.encode()
        self._secrets = [secret.encode() for secret in secrets]
        self._refused = Pace(per_s=_REFUSED_PER_S, burst=_REFUSED_BURST)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._said: set[str] = set()

    def routes(self) -> list[Route]:
        """What is served."""
        return [
            Route(PATH, self.verify, methods=["GET"], name="verify_webhook"),
            Route(PATH, self.take, methods=["POST"], name="take_webhook"),
        ]

    async def verify(self, request: Request) -> Response:
        """Prove to Meta that this is the place: its challenge, bare."""
        if not self._verify_token:
            raise self._not_configured("SNS_EDGE_WEBHOOK_VERIFY_TOKEN")
        query = request.query_params
        given = query.get("hub.verify_token", "").encode()
        is_known = hmac.compare_digest(given, self._verify_token)
        if not is_known or query.get("hub.mode") != "subscribe":
            log.warning("webhook not verified", is_token_right=is_known)
            raise Problem(HTTPStatus.FORBIDDEN, "hub.mode or hub.verify_token is not right")
        challenge = query.get("hub.challenge", "")
        if not 0 < len(challenge) <= MAX_CHALLENGE:
            raise Problem(HTTPStatus.BAD_REQUEST, "hub.challenge is missing, or too long")
        log.info("webhook verified")
        return PlainTextResponse(challenge, headers=_SAFE)

    async def take(self, request: Request) -> Response:
        """Put a delivery down; one that is there already is answered in the same way."""
        if not self._secrets:
            raise self._not_configured("SNS_EDGE_WEBHOOK_SECRETS")
        address = neighbourhood(request.client.host) if request.client else ""
        self._refuse_the_hasty(address)
        signature = self._signature(request, address)
        async with self._place():
            body = await self._read(request, address)
            if not is_signed(body, signature, self._secrets):
                raise self._refusal(address, HTTPStatus.FORBIDDEN, "the signature is not right")
            is_new = await self._keep(body)
        self._metrics.webhooks.labels("taken" if is_new else "repeated").inc()
        return PlainTextResponse("ok\n", headers=_SAFE)

    # One step each

    def _refuse_the_hasty(self, address: str) -> None:
        wait_s = self._refused.wait_s(address, asyncio.get_running_loop().time())
        if wait_s:
            self._metrics.webhooks.labels("too fast").inc()
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many bad signatures came from this address",
                kind="too-fast",
                headers={"Retry-After": str(math.ceil(wait_s)), **_UNREAD},
            )

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._places.acquire()
        except TimeoutError:
            self._metrics.webhooks.labels("full").inc()
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too many deliveries at a time",
                kind="full",
                headers={"Retry-After": "1", **_UNREAD},
            ) from None
        try:
            yield
        finally:
            self._places.release()

    def _signature(self, request: Request, address: str) -> bytes:
        header = request.headers.get("x-hub-signature-256", "")
        if (found := _SIGNATURE.fullmatch(header.strip())) is None:
            raise self._refusal(
                address,
                HTTPStatus.UNAUTHORIZED,
                "X-Hub-Signature-256: sha256=… is needed",
                # RFC 9110 has every 401 say how; there is no registered word for this way.
                headers={"WWW-Authenticate": "X-Hub-Signature-256", **_UNREAD},
            )
        return bytes.fromhex(found[1])

    async def _read(self, request: Request, address: str) -> bytes:
        try:
            return await read_body(request, most_bytes=MAX_DELIVERY_BYTES)
        except Problem as problem:
            self._refused.take(address, asyncio.get_running_loop().time())
            self._metrics.webhooks.labels("unreadable").inc()
            log.warning("webhook not read", status=problem.status)
            raise

    async def _keep(self, body: bytes) -> bool:
        """Whether it is new. Raises 503, upon which Meta says it again."""
        digest = hashlib.sha256(body).hexdigest()
        try:
            async with self._database.transaction() as connection:
                rows = await connection.fetch(
                    """
                    INSERT INTO webhook_deliveries (digest, body) VALUES ($1::text, $2::bytea)
                    ON CONFLICT (digest) DO NOTHING
                    RETURNING id
                    """,
                    digest,
                    body,
                )
                for row in rows:
                    await put_message(
                        connection,
                        key=f"take_webhook:{row['id']}",
                        actor="take_webhook",
                        args=[row["id"]],
                        trace_id=uuid4().hex,
                    )
        except DatabaseAway as error:
            self._metrics.webhooks.labels("database away").inc()
            log.warning("database away", operation="take_webhook", error=str(error))
            raise Problem.try_later(
                "the database is not available", kind="database-unavailable"
            ) from error
        log.info("webhook taken", is_new=bool(rows), size_bytes=len(body), digest=digest[:16])
        return bool(rows)

    def _refusal(
        self,
        address: str,
        status: HTTPStatus,
        detail: str,
        headers: Mapping[str, str] | None = None,
    ) -> Problem:
        self._refused.take(address, asyncio.get_running_loop().time())
        self._metrics.webhooks.labels("refused").inc()
        log.warning("webhook refused", status=status, reason=detail)
        return Problem(status, detail, kind="signature-invalid", headers=headers)

    def _not_configured(self, key: str) -> Problem:
        if key not in self._said:  # once: anybody may ask, and as often as they like
            self._said.add(key)
            log.warning("a webhook was called and is not configured", missing=key)
        return Problem(HTTPStatus.NOT_FOUND, "webhooks are not configured here")


_SAFE: Final = MappingProxyType({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
_UNREAD: Final = MappingProxyType({"Connection": "close"})  # a body stands there, unread


def _text(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": True, "schema": {"type": "string"}}


PATHS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        PATH: {
            "get": {
                "operationId": "verify_webhook",
                "summary": "Prove to Meta that its webhook leads here",
                "parameters": [
                    _parameter(name, "query")
                    for name in ("hub.mode", "hub.verify_token", "hub.challenge")
                ],
                "responses": {
                    "200": _text("hub.challenge, bare"),
                    "400": _problem("no challenge"),
                    "403": _problem("not the token that is set here"),
                    "404": _problem("webhooks are not configured"),
                },
            },
            "post": {
                "operationId": "take_webhook",
                "summary": "Take what Meta pushes; a repeated delivery changes nothing",
                "parameters": [_parameter("X-Hub-Signature-256", "header")],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {}}},
                },
                "responses": {
                    "200": _text("it is kept; a worker reads it"),
                    "400": _problem("the body ends too early"),
                    "401": _problem("no signature"),
                    "403": _problem("the signature is not that of an app which is known here"),
                    "404": _problem("webhooks are not configured"),
                    "408": _problem("the body did not come in time"),
                    "413": _problem(f"the body has more than {MAX_DELIVERY_BYTES} bytes"),
                    "429": _problem("too many bad signatures; Retry-After says when to ask again"),
                    "503": _problem("not now; Retry-After says when to ask again"),
                },
            },
        }
    }
)
"""As the OpenAPI document has it."""
