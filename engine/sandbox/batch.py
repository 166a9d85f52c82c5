"""Several calls in one request.

Source: https://developers.facebook.com/docs/graph-api/batch-requests, read 2026-11-23. Every item
counts as one call and is listed as one request; the fault plan strikes only the whole batch.
"""

import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from engine.sandbox.graph import (
    VERSION,
    Call,
    GraphRequest,
    authenticate,
    is_elsewhere,
    product_of,
    spend_a_call,
    unsupported,
)
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.parameters import Parameters
from engine.sandbox.state import SeenRequest, World

ITEM_LIMIT: Final = 50
METHODS: Final = ("GET", "POST", "DELETE")
JSON_HEADER: Final = {"name": "Content-Type", "value": "application/json; charset=UTF-8"}


class BatchError(GraphError):
    """The batch as a whole makes no sense."""

    type = "GraphBatchException"


class Batch:
    """Carries out the items of a batch one after another.

    Args:
        route: finds the call of one item.
    """

    def __init__(self, route: Callable[[World, str, tuple[str, ...]], Call | None]) -> None:
        self._route = route

    async def run(self, request: GraphRequest) -> list[dict[str, Any] | None]:
        """One ``{code, headers, body}`` for each item in order; null for one that timed out."""
        items = _items(request.parameters.get("batch", ""))
        every = request.world.switches.batch_null_every
        answers: list[dict[str, Any] | None] = []
        for place, item in enumerate(items, start=1):
            if every and place % every == 0:
                answers.append(None)  # whether it was carried out the caller cannot know
            else:
                answers.append(await self._run_item(request, item))
        return answers

    async def _run_item(self, request: GraphRequest, item: dict[str, Any]) -> dict[str, Any]:
        world = request.world
        method = str(item.get("method", "GET")).upper()
        address = urlsplit(str(item.get("relative_url", "")))
        parts = address.path.strip("/").split("/")
        version = request.version
        if VERSION.match(parts[0]):
            version, parts = parts[0], parts[1:] or [""]
        segments = tuple(parts)
        parameters = Parameters(parse_qsl(address.query, keep_blank_values=True))
        parameters.update(parse_qsl(str(item.get("body", "")), keep_blank_values=True))
        token = parameters.pop("access_token", None) or request.account.token
        if "appsecret_proof" in request.parameters:
            parameters.setdefault("appsecret_proof", request.parameters["appsecret_proof"])
        call = self._route(world, method, segments) if method in METHODS else None
        seen = SeenRequest(
            id=f"A{world.number():010d}",
            method=method,
            path="/" + "/".join(segments),
            call=call.name_for(world, segments[0], parameters) if call else "unknown",
            account=world.owner_of(segments[0]),
            arrived_at=time.time(),
        )
        world.requests.append(seen)
        try:
            account = authenticate(world, token, parameters)
            if call is None or call.name == "batch" or is_elsewhere(call, version):
                raise unsupported(method, segments)
            if call.concerns_account and account.id != segments[0]:
                raise GraphError(190)
            seen.account = account.id
            spend_a_call(world, product_of(world, call, account, segments[0]), account, [])
            one = GraphRequest(
                world=world,
                node=segments[0],
                parameters=parameters,
                account=account,
                seen=seen,
                base_url=request.base_url,
                version=version,
                is_repeat=request.is_repeat,
            )
            seen.status, body = 200, orjson.dumps(await call.act(one))
        except GraphError as error:
            seen.status, body = error.status, error.body(seen.id)
        return {"code": seen.status, "headers": [JSON_HEADER], "body": body.decode()}


def _items(text: str) -> list[dict[str, Any]]:
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BatchError(100, message="(#100) Param batch must be an array")
    if len(items) > ITEM_LIMIT:
        raise BatchError(
            -3, message="Too many requests in batch message. Maximum batch size is 50", status=400
        )
    return items
