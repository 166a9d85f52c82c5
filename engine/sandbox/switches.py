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
        fetch_media: pictures and videos are fetched and checked, as the platform does.
        media_faults: a bad file shows in the container's status, or at once as an error.
        publish_quota: posts of one account in a rolling day.
        republish: what a second publish of a published container gives. Undocumented.
        expired_publish: the error of publishing an expired container; both are documented.
        call_budget: calls on one account in a rolling day; None is without end.
        app_usage_percent: what ``X-App-Usage`` reports.
        app_secret: when set, ``appsecret_proof`` is demanded beside every token.
        flicker_every: every nth read of a container or post says 100/33; 0 is never.
        throttle: every call is answered with this rate limit error; 0 is none.
        container_quota: containers of one Instagram account in a rolling day.
        container_error_subcode: every new container ends in ``ERROR`` with this subcode.
        threads_quota: posts of one Threads account in a rolling day.
        threads_reply_quota: replies of one Threads account in a rolling day.
        threads_delete_quota: deletions of one Threads account in a rolling day.
        threads_error: every new Threads container ends in ``ERROR`` with this message.
        late_container_s: seconds after the first ``FINISHED`` during which publishing still
            says 24, as seen on Threads.
        duplicate_s: seconds in which a Page may not repeat a message (506); 0 is never refused.
        scrape_links: the link of a Page's post is fetched, and 1609005 if that fails; a host
            under ``.invalid`` always fails.
        schedule_least_s: a Page's post may be scheduled this many seconds ahead, not less.
        schedule_most_s: and not more; the real bound is not documented.
        batch_null_every: every nth item of a batch is answered with null; 0 is never.
        youtube_quota_model: uploads have a bucket of their own, or cost 1600 units each.
        youtube_uploads_a_day: of the project, in its own bucket.
        youtube_units_a_day: of the project, for everything else.
        upload_limit_reached: the channel's own limit of a day is spent.
        sessions_lost: no upload session is known any more.
        session_life_s: seconds until an upload session is gone. Undocumented.
        sessions_move: every 308 names a new address of the session, and the old one is gone.
        uploads_lag_s: seconds until an upload stands in the channel's playlist. Undocumented.
        access_token_life_s: seconds until an access token from ``/token`` has expired.
        refresh_token_life_s: seconds until a refresh token has, as while an app is in "Testing";
            None is never.
        rotate_refresh_tokens: every refresh gives a new refresh token and ends the old one.
        google_client_secret: when set, ``/token`` takes no other.
        reject_duplicates: the same bytes on one channel are rejected.
        comments_disabled: of every video.
        comment_empty_page: comments begin with an empty page that has a ``next``.
        comment_pages_shift: somebody comments on a post whenever a page of its comments is read,
            and cursors count from the newest: what moves on is seen twice.
        comment_authors: without, nobody who comments is named, as without some permission.
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
    throttle: Literal[0, 4, 17, 32, 341, 613] = 0
    container_quota: int = 400
    container_error_subcode: int | None = None
    threads_quota: int = 250
    threads_reply_quota: int = 1000
    threads_delete_quota: int = 100
    threads_error: str | None = None
    late_container_s: float = 0.0
    duplicate_s: float = 0.0
    scrape_links: bool = False
    schedule_least_s: float = 600.0
    schedule_most_s: float = 30 * 86_400.0
    batch_null_every: int = 0
    youtube_quota_model: Literal["buckets", "units"] = "buckets"
    youtube_uploads_a_day: int = 100
    youtube_units_a_day: int = 10_000
    upload_limit_reached: bool = False
    sessions_lost: bool = False
    session_life_s: float = 6 * 86_400.0
    sessions_move: bool = False
    uploads_lag_s: float = 0.0
    access_token_life_s: float = 3599.0
    refresh_token_life_s: float | None = None
    rotate_refresh_tokens: bool = False
    google_client_secret: str | None = None
    reject_duplicates: bool = False
    comments_disabled: bool = False
    comment_empty_page: bool = False
    comment_pages_shift: bool = False
    comment_authors: bool = True
    sparse_pages: bool = False

    def changed(self, wanted: dict[str, Any]) -> Self:
        """The same switches with some of them set anew.

        Raises:
            BadInstruction: names the switch that does not exist or the value it cannot take.
        """
        check(wanted, {field.name: field.type for field in fields(self)})
        return replace(self, **wanted)
