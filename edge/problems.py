"""Every error of the HTTP API as ``application/problem+json`` (RFC 9457).

A problem says what the caller can do; it never repeats what was sent, which may be a secret.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"

log = structlog.get_logger("edge.problems")


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="path to the field, such as body.ids.0")
    message: str


class ProblemDetails(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="a URI that names the kind of problem; about:blank: its status")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str | None = None
    faults: list[Fault] | None = None


class Problem(Exception):
    """Ends the handling of a request with this answer.

    Args:
        status: of the answer.
        detail: one sentence for the caller.
        kind: names the problem where the status alone does not.
        headers: further ones of the answer.
        faults: what is wrong, field by field.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        faults: list[Fault] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.details = ProblemDetails(
            type=f"urn:sns:problem:{kind}" if kind else "about:blank",
            title=status.phrase,
            status=status,
            detail=detail,
            faults=faults,
        )

    @classmethod
    def unauthorized(cls) -> Self:
        """No token, or one that proves nothing."""
        return cls(
            HTTPStatus.UNAUTHORIZED,
            "a valid token is needed: Authorization: Bearer …",
            kind="token-invalid",
            headers={"WWW-Authenticate": 'Bearer realm="sns-edge"'},
        )

    @classmethod
    def try_later(cls, detail: str, *, kind: str | None = None, retry_after_s: int = 2) -> Self:
        """The edge could not do it now."""
        return cls(
            HTTPStatus.SERVICE_UNAVAILABLE,
            detail,
            kind=kind,
            headers={"Retry-After": str(retry_after_s)},
        )

    @classmethod
    def invalid(cls, error: ValidationError, root: str) -> Self:
        """A request that is not what its model says; ``root`` is ``body`` or ``query``."""
        faults = [
            Fault(where=".".join([root, *map(str, fault["loc"])]), message=fault["msg"])
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        return cls(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "the request does not have the form that is documented",
            kind="invalid",
            faults=faults[:20],
        )

    def response(self) -> Response:
        """The answer."""
        return Response(
            self.details.model_dump_json(exclude_none=True),
            status_code=self.status,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


async def answer_problem(_: Request, error: Exception) -> Response:
    """For Starlette: a :class:`Problem`, or what routing itself refuses (404, 405)."""
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        error = Problem(status, status.description or status.phrase, headers=error.headers)
    if not isinstance(error, Problem):
        raise error
    return error.response()


async def answer_fault(_: Request, error: Exception) -> Response:
    """For Starlette: a fault of ours. It is logged where it is raised again, and not shown."""
    log.error("request failed", error=type(error).__name__)
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the server; it is logged"
    ).response()


HANDLERS: Final[Mapping[Any, Any]] = {
    Problem: answer_problem,
    HTTPException: answer_problem,
    Exception: answer_fault,
}
"""By what an application is given them."""
