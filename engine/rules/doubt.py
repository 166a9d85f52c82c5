"""What to believe of a post whose outcome is unknown. Only reads of the platform decide.

The container's own state and the list of live posts are two witnesses; either may lag. A post is
sent again only when both say that it is not live, for long enough.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from engine.ports import ContainerState, LivePost


class Verdict(StrEnum):
    """What follows from one look."""

    BIND = "bind"  # exactly one live post is ours
    LOOK_AGAIN = "look_again"
    SEND_SAME = "send_same"  # not live, and the container can still be published
    PREPARE_ANEW = "prepare_anew"  # not live, and the container is gone
    GIVE_UP = "give_up"  # not live, and the platform blocked the action: never repeat
    ASK_PERSON = "ask_person"  # several match, or no read can decide


@dataclass(frozen=True, slots=True)
class Witnesses:
    """One look: the container, the matching posts, and what else could explain them.

    Attributes:
        container: what the platform says of it.
        matches: live posts that can be ours.
        names_post: a published container named the live post by itself, so no list is needed.
        is_repeatable: publishing the container once more makes no second post.
        has_twin: another open post of ours on the account has the same text, so a single match may
            be the twin's.
        is_blocked: the answer we did get said that the action is blocked.
    """

    container: ContainerState
    matches: tuple[LivePost, ...]
    names_post: bool = False
    is_repeatable: bool = False
    has_twin: bool = False
    is_blocked: bool = False


def judge(
    seen: Witnesses, *, in_doubt_for: timedelta, wait: timedelta, give_up: timedelta
) -> Verdict:
    """Weigh one look.

    Args:
        seen: what was read just now.
        in_doubt_for: how long ago the request was sent.
        wait: a READY container must stay unpublished this long before it is sent again; see
            ``resend_wait``.
        give_up: without any proof, no match after this long means that the post is not live.
    """
    if seen.names_post:
        return Verdict.BIND
    if seen.is_repeatable and seen.container is ContainerState.READY and not seen.is_blocked:
        return Verdict.SEND_SAME if in_doubt_for >= wait else Verdict.LOOK_AGAIN
    if len(seen.matches) > 1:
        return Verdict.ASK_PERSON
    if len(seen.matches) == 1 and not (seen.container is ContainerState.READY and seen.has_twin):
        return Verdict.BIND
    if seen.matches:  # our container is READY, so the match is the twin's, or the state lags
        return Verdict.ASK_PERSON if in_doubt_for >= give_up else Verdict.LOOK_AGAIN
    match seen.container:
        case ContainerState.READY if in_doubt_for >= wait:
            if seen.is_blocked:
                return Verdict.GIVE_UP if in_doubt_for >= give_up else Verdict.LOOK_AGAIN
            return Verdict.SEND_SAME
        case ContainerState.PUBLISHED if in_doubt_for >= give_up:
            return Verdict.ASK_PERSON  # live by its own word, and not to be found
        case ContainerState.EXPIRED | ContainerState.FAILED | ContainerState.UNKNOWN if (
            in_doubt_for >= give_up
        ):
            return Verdict.GIVE_UP if seen.is_blocked else Verdict.PREPARE_ANEW
        case ContainerState.IN_PROGRESS if in_doubt_for >= give_up:
            return Verdict.ASK_PERSON
        case _:
            return Verdict.LOOK_AGAIN


def resend_wait(
    *, is_repeatable: bool, doubt_wait: timedelta, retry_count: int, retry_base: timedelta
) -> timedelta:
    """How long after a call of unknown outcome the same container may be sent again.

    A call that may be repeated waits for nothing the first time; one that may not waits until the
    platform's reads are surely of now. Each further time backs off like any other retry, so that a
    platform which is down is not hammered.
    """
    backoff = retry_base * 2 ** (retry_count - 1) if retry_count else timedelta()
    return backoff if is_repeatable else max(doubt_wait, backoff)


def next_look_s(in_doubt_for: timedelta, *, wait: timedelta) -> float:
    """Seconds until the next look: soon at first, then a tenth of the doubt's age, at most 60."""
    age_s = in_doubt_for.total_seconds()
    wait_s = wait.total_seconds()
    step_s = min(60.0, max(1.0, age_s / 10))
    # Land on the moment at which a READY container may be sent again, not up to a step later.
    return min(step_s, wait_s - age_s) if age_s < wait_s else step_s
