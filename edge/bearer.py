"""The token of a plain HTTP request."""

from starlette.datastructures import Headers


def bearer_of(headers: Headers) -> str:
    """The token behind ``Authorization: Bearer``; empty, which no verifier takes, without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
