"""When a thing of a Page is to become public: at once, later, or not by itself."""

from datetime import datetime
from typing import Literal

from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import is_true

Wanted = Literal["now", "later", "never"]


def wanted_of(request: GraphRequest) -> tuple[Wanted, float | None]:
    """What ``published`` and ``scheduled_publish_time`` ask for, with the instant if later.

    Raises:
        GraphError: the two contradict each other, or the instant is out of bounds.
    """
    given = request.parameters
    is_published = is_true(given, "published", default=True)
    if "scheduled_publish_time" in given:
        if is_published and "published" in given:
            raise GraphError(100, message="A scheduled post must have published set to false")
        return "later", scheduled_time(request)
    if given.get("unpublished_content_type") == "SCHEDULED":
        raise GraphError(100, message="The parameter scheduled_publish_time is required")
    return ("now" if is_published else "never"), None


def scheduled_time(request: GraphRequest) -> float:
    """The instant of ``scheduled_publish_time``: unix seconds, or ISO 8601.

    Raises:
        GraphError: it is none, too soon or too far.
    """
    text = request.parameters.get("scheduled_publish_time", "")
    try:
        instant = float(text) if text.isdigit() else datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise GraphError(100, message="(#100) The scheduled publish time is invalid") from None
    switches = request.world.switches
    ahead_s = instant - request.world.clock.now()
    if not int(switches.schedule_least_s) - 1 <= ahead_s <= switches.schedule_most_s:
        raise GraphError(
            100,
            message="(#100) The specified scheduled publish time is invalid: it is too soon"
            if ahead_s < switches.schedule_least_s
            else "(#100) The specified scheduled publish time is invalid: it is too far",
        )
    return instant
