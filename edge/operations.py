"""One operation of the HTTP API: declared once, served and documented from the declaration.

What every operation shares is here: who asks and how often, whether the page may, how large a body
is, whether it has the form that its model says, and what is answered when PostgreSQL or Redis is
away.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import structlog
from asyncpg import DataError
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge import origins
from edge.auth import Identity
from edge.bearer import bearer_of
from edge.bodies import read_body
from edge.database import Database, DatabaseAway
from edge.gate import Gate
from edge.pace import Pace
from edge.problems import Problem
from models.delivery import Delivery

MAX_BODY_BYTES: Final = 64 * 1024

log = structlog.get_logger("edge.operations")


class Nothing(BaseModel):
    """An operation without parameters, or without a body."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation works with.

    Attributes:
        identity: who asks; everything it reads or changes is this user's.
        database: the truth.
        delivery: histories and counts in Redis.
    """

    identity: Identity
    database: Database
    delivery: Delivery


Handler = Callable[[Context, Any, Any], Awaitable[BaseModel]]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the HTTP API.

    Attributes:
        handle: takes context, parameters and body, each as the models below say.
        parameters: those in braces come from the path, the others from the query.
        body: of JSON; :class:`Nothing` takes none.
        problems: statuses it may answer besides those that all have, and when.
    """

    method: str
    path: str
    name: str
    summary: str
    handle: Handler
    answer: type[BaseModel]
    status: HTTPStatus = HTTPStatus.OK
    parameters: type[BaseModel] = Nothing
    body: type[BaseModel] = Nothing
    problems: Mapping[HTTPStatus, str] = field(default_factory=lambda: MappingProxyType({}))


class Desk:
    """Serves operations.

    Args:
        gate: lets in who brings a good token.
        database: the truth.
        delivery: histories and counts in Redis.
        pace: at which one user may ask.
        allowed_origins: of pages, besides the edge's own host and loopback.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        database: Database,
        delivery: Delivery,
        pace: Pace,
        allowed_origins: Collection[str],
    ) -> None:
        self._gate = gate
        self._database = database
        self._delivery = delivery
        self._pace = pace
        self._allowed_origins = allowed_origins

    def route(self, operation: Operation) -> Route:
        """The route that serves ``operation``."""

        async def endpoint(request: Request) -> Response:
            return await self._serve(operation, request)

        return Route(operation.path, endpoint, methods=[operation.method], name=operation.name)

    async def _serve(self, operation: Operation, request: Request) -> Response:
        context = Context(await self._identify(request), self._database, self._delivery)
        parameters = _parameters(operation, request)
        body = await _body(operation, request)
        try:
            answer = await operation.handle(context, parameters, body)
        except DatabaseAway as error:
            log.warning("database away", operation=operation.name, error=str(error))
            raise Problem.try_later(
                "the database is not available", kind="database-unavailable"
            ) from error
        except RedisError as error:
            log.warning("Redis away", operation=operation.name, error=type(error).__name__)
            raise Problem.try_later("Redis is not available", kind="redis-unavailable") from error
        except DataError as error:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY, "a value that cannot be stored", kind="invalid"
            ) from error
        return Response(
            answer.model_dump_json(),
            status_code=operation.status,
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def _identify(self, request: Request) -> Identity:
        headers = request.headers
        if not origins.is_allowed(
            headers.get("origin"), headers.get("host"), self._allowed_origins
        ):
            raise Problem(
                HTTPStatus.FORBIDDEN, "this page may not use the API", kind="origin-refused"
            )
        identity = await self._gate.identify(bearer_of(headers))
        wait_s = self._pace.take(identity.user_id, asyncio.get_running_loop().time())
        if wait_s:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "this user asks too often",
                kind="too-fast",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        return identity


def _parameters(operation: Operation, request: Request) -> BaseModel:
    query = request.query_params
    given: dict[str, Any] = {
        name: values[0] if len(values := query.getlist(name)) == 1 else values for name in query
    }
    try:
        return operation.parameters.model_validate(given | request.path_params)
    except ValidationError as error:
        raise Problem.invalid(error, "query") from None


async def _body(operation: Operation, request: Request) -> BaseModel:
    if operation.body is Nothing:
        return Nothing()
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    text = await read_body(request, most_bytes=MAX_BODY_BYTES)
    try:
        return operation.body.model_validate_json(text)
    except ValidationError as error:
        if error.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid":
            raise Problem(HTTPStatus.BAD_REQUEST, "the body is not JSON", kind="not-json") from None
        raise Problem.invalid(error, "body") from None
