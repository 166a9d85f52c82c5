"""A media file that fails on its way to a platform, as what the engine does next."""

from engine.errors import (
    InputInvalid,
    MediaChanged,
    MediaFault,
    MediaUnreachable,
    Refused,
    RetryLater,
)
from engine.rules.media_faults import problem_of_fault


def refusal_of(fault: MediaFault, field: str) -> Refused:
    """``RetryLater`` for what may pass or is begun anew, else an ``InputInvalid``.

    Args:
        fault: what the media source said.
        field: where a person finds the address, such as ``"media[0]"``.
    """
    if isinstance(fault, MediaChanged):
        return RetryLater(str(fault), code="media_changed", evidence=fault.evidence)
    if isinstance(fault, MediaUnreachable) and fault.is_retryable:
        return RetryLater(str(fault), code="media_unreachable", evidence=fault.evidence)
    problem = problem_of_fault(fault, field)
    return InputInvalid(
        problem.korean, code="media_unusable", english=problem.english, evidence=problem.evidence
    )
