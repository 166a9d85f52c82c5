"""Who may come in: a token that proves something, was not taken back, and has room.

The one place that sockets, streams and the HTTP API ask.
"""

import structlog
from redis.exceptions import RedisError

from edge.admission import Admission
from edge.auth import AccessDenied, Identity, KeysUnavailable, Verifier
from edge.problems import Problem

log = structlog.get_logger("edge.gate")


class Gate:
    """Checks tokens against keys, revocations and limits.

    Args:
        verifier: checks what can be checked without asking anyone.
        admission: asks Redis.
    """

    def __init__(self, verifier: Verifier, admission: Admission) -> None:
        self._verifier = verifier
        self._admission = admission

    async def verify(self, token: str) -> Identity:
        """Who a token says its bearer is; whether it was revoked comes with :meth:`admit`.

        Raises:
            TokenRefused: it proves nothing.
            KeysUnavailable: the issuer's keys cannot be read now.
        """
        return await self._verifier.verify(token)

    async def admit(self, connection_id: str, identity: Identity) -> None:
        """Let a connection in; from here on it is present, until it leaves.

        Waits for Redis as long as its caller does.

        Raises:
            TokenRevoked: by its id, or with all tokens of its user.
            TooManyConnections: the user has enough, over all edges.
        """
        await self._admission.admit(connection_id, identity)

    async def check(self, identity: Identity) -> None:
        """Make sure that a token is not revoked.

        Raises:
            TokenRevoked: it is.
            redis.RedisError: nobody can tell now.
        """
        await self._admission.check(identity)

    async def identify(self, token: str) -> Identity:
        """Who makes an HTTP request.

        Raises:
            Problem: 401 if the token proves nothing or is revoked, 503 if nobody can tell now.
        """
        try:
            identity = await self.verify(token)
            await self.check(identity)
        except KeysUnavailable:
            raise Problem.try_later(
                "tokens cannot be checked now", kind="keys-unavailable"
            ) from None
        except AccessDenied as denied:
            log.info("access denied", reason=f"{type(denied).__name__}: {denied}")
            raise Problem.unauthorized() from None
        except (RedisError, OSError) as error:
            log.warning("Redis away", error=type(error).__name__)
            raise Problem.try_later("Redis is not available", kind="redis-unavailable") from error
        return identity
