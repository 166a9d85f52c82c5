"""How the imitated platforms behave, where real ones differ, are undocumented, or can be broken."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

from engine.sandbox.instructions import check


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Every switch with its default; ``POST /sandbox/switches`` changes them while running.

    Attributes:
        answer_ms: milliseconds from the moment a request is carried out to its answer.
        auto_accounts: an unknown account whose token is ``sandbox-token-<id>`` exists at once.
        container_ready_s: seconds of the sandbox's clock until a container is ready.
        container_ready_polls: reads of a container that still answer ``IN_PROGRESS``.
        container_life_s: seconds until an unpublished container expires.
        fetch_media: pictures are fetched and checked, as the platform does.
        media_faults: a bad picture shows in the container's status, or at once as an error.
        publish_quota: posts of one account in a rolling day.
        republish: what a second publish of a published container gives. Undocumented.
        expired_publish: the error of publishing an expired container; both are documented.
        call_budget: calls on one account in a rolling day; None is without end.
        app_usage_percent: what ``X-App-Usage`` reports.
        app_secret: when set, ``appsecret_proof`` is demanded beside every token.
        flicker_every: every nth read of a container or post says 100/33; 0 is never.
        threads_quota: posts of one Threads account in a rolling day, at most 250.
        throttle: this Graph error code answers every call; 0 is none.
        refuse_duplicates: a Page's repeated message is refused with 506.
        unreachable_links: links in posts cannot be read: 1609005.
        null_batch_item: this item of every batch times out and is null; None is none.
        youtube_quota_model: uploads have a bucket of their own, or cost 1600 units each.
        youtube_uploads_a_day: of the project, in its own bucket.
        youtube_units_a_day: of the project, for everything else.
        upload_limit_reached: the channel's own limit of a day is spent.
        sessions_lost: no upload session is known any more.
        session_life_s: seconds until an upload session is gone. Undocumented.
        reject_duplicates: the same bytes on one channel are rejected.
        comments_disabled: of every video.
        sparse_pages: lists put an empty page with ``next`` between full ones.
    """

    answer_ms: float = 0.0
    auto_accounts: bool = True
    container_ready_s: float = 0.3
    container_ready_polls: int = 0
    container_life_s: float = 86_400.0
    fetch_media: bool = True
    media_faults: Literal["container", "direct"] = "container"
    publish_quota: int = 100
    republish: Literal["error", "same", "double"] = "error"
    expired_publish: Literal["24/2207008", "-2/2207020"] = "24/2207008"
    call_budget: int | None = None
    app_usage_percent: int = 0
    app_secret: str | None = None
    flicker_every: int = 0
    threads_quota: int = 250
    throttle: int = 0
    refuse_duplicates: bool = False
    unreachable_links: bool = False
    null_batch_item: int | None = None
    youtube_quota_model: Literal["buckets", "units"] = "buckets"
    youtube_uploads_a_day: int = 100
    youtube_units_a_day: int = 10_000
    upload_limit_reached: bool = False
    sessions_lost: bool = False
    session_life_s: float = 6 * 86_400.0
    reject_duplicates: bool = False
    comments_disabled: bool = False
    sparse_pages: bool = False

    def changed(self, wanted: dict[str, Any]) -> Self:
        """The same switches with some of them set anew.

        Raises:
            BadInstruction: names the switch that does not exist or the value it cannot take.
        """
        check(wanted, {field.name: field.type for field in fields(self)})
        return replace(self, **wanted)
