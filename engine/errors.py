"""The engine's errors, split by what the caller does next.

::

    EngineError
    ├── BootFailed              one line for a person, then exit code 1
    ├── InvalidCommand          the arguments name nothing that can be acted on: dead letter
    ├── LeaseLost               somebody else works on it by now: stop, write nothing
    ├── MediaFault              a media URL does not give a file that can be used
    │   ├── MediaForbidden      the guard does not go there: another address
    │   ├── MediaUnreachable    nothing came; ``is_retryable`` says whether a retry can help
    │   ├── MediaTooLarge       more bytes than the caller takes: a smaller file
    │   ├── MediaChanged        no longer the file that was begun with: begin again at its start
    │   └── MediaUnreadable     it came, and is no picture or video that can be read: another file
    └── PlatformError           a platform, or the road to it, said no
        ├── NotSent             no byte of the request left: retry later
        │   └── CircuitOpen     we do not ask for a while: too many calls failed; burns no attempt
        ├── OutcomeUnknown      it may have happened: only reads may decide
        └── Refused             the platform answered, nothing became visible
            ├── RetryLater      transient: retry with back-off
            ├── NotReady        the container is still being made: poll on
            ├── ContainerGone   prepare a new container
            ├── Throttled       wait; attempts are not burnt
            │   └── QuotaSpent  park until the quota of posts frees
            ├── ReconnectNeeded the account's token or permission is gone: a person reconnects
            ├── AccountStopped  the platform blocks the account: a person looks
            ├── InputInvalid    the post itself is wrong: fix it
            ├── SeveralFound    several things may be ours: a person removes those that are not
            └── Unsupported     the platform has no such operation
"""

from typing import Any


class EngineError(Exception):
    """Root of everything the engine raises on purpose."""


class BootFailed(EngineError):
    """The process cannot start; the message is one line and says what to do."""


class InvalidCommand(EngineError):
    """The arguments of a command name nothing that can be acted on; a retry cannot help."""


class LeaseLost(EngineError):
    """The lease on what is being worked on ended; whoever holds it now goes on."""


class MediaFault(EngineError):
    """A media URL does not give a file that can be used.

    Args:
        message: for a person; never holds the URL's query, which may be a signature.
        code: a word of ours, such as ``"timeout"`` or ``"status_404"``.
        evidence: what was seen (host, status, sizes).
    """

    def __init__(self, message: str, *, code: str, evidence: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.evidence = evidence or {}


class MediaForbidden(MediaFault):
    """The URL, or what its name resolves to, is nothing that the engine connects to."""


class MediaUnreachable(MediaFault):
    """No file came from the URL.

    Args:
        is_retryable: whether the same request may do better later: a timeout or a 503 may, a 404
            will not.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        is_retryable: bool,
        evidence: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, evidence=evidence)
        self.is_retryable = is_retryable


class MediaTooLarge(MediaFault):
    """The file has more bytes than the caller takes."""


class MediaChanged(MediaFault):
    """The URL now gives another file than the one that was begun with."""


class MediaUnreadable(MediaFault):
    """The bytes are no picture or video that can be read."""


class PlatformError(EngineError):
    """A call to a platform did not give what was asked.

    Args:
        message: for a person; never holds a token.
        code: the platform's own code, such as ``"9007/2207027"``, or a word of ours.
        evidence: what was seen (status, headers that matter, the platform's trace id).
    """

    def __init__(self, message: str, *, code: str, evidence: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.evidence = evidence or {}


class NotSent(PlatformError):
    """No byte of the request left this machine, so nothing can have happened."""


class CircuitOpen(NotSent):
    """Too many calls of this kind failed in a row; nothing is sent for a while.

    Args:
        retry_after_s: seconds until one call is let through to see.
    """

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, code="circuit-open")
        self.retry_after_s = retry_after_s


class OutcomeUnknown(PlatformError):
    """The request may have been carried out: timeout, cut connection, 5xx, unreadable answer."""


class Refused(PlatformError):
    """The platform answered, and by its own contract nothing became visible."""


class RetryLater(Refused):
    """A transient fault."""


class NotReady(Refused):
    """The container is still being processed."""


class ContainerGone(Refused):
    """The container expired, failed or is unknown; a new one is needed."""


class Throttled(Refused):
    """Too many calls.

    Args:
        retry_after_s: seconds until the platform lets us in again, as far as it said.
        scope: ``account``, ``page`` (which is the account, where Pages are accounts), or ``app``:
            every account of the platform.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        retry_after_s: float,
        scope: str = "account",
        evidence: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, evidence=evidence)
        self.retry_after_s = retry_after_s
        self.scope = scope


class QuotaSpent(Throttled):
    """The account's posts of the day are used up.

    It goes on when the first of them is a day old, or at the platform's midnight.
    """


class ReconnectNeeded(Refused):
    """The token is dead or lacks a permission; only the account's owner can mend it."""


class AccountStopped(Refused):
    """The platform restricts the account; every further call makes it worse."""


class InputInvalid(Refused):
    """The post breaks a rule of the platform; it has to be changed.

    Args:
        english: what to do, where the message says it in Korean.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        english: str = "",
        evidence: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, evidence=evidence)
        self.english = english or message


class SeveralFound(Refused):
    """What was prepared is there several times, unseen, and only a person can tell which is ours.

    The message says in Korean what to do.
    """


class Unsupported(Refused):
    """The platform, or this way of signing in to it, does not offer the operation."""
