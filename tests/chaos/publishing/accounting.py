"""What became of every intent, from the platform's own truth; and whether our rows agree with it.

Nothing is forgiven here. An intent is settled in one of five ways: it is live and its row says so;
it failed with a reason; a person is asked; it was withdrawn and is not live; or it is lost.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.publishing.intents import Intent
from tests.chaos.publishing.servers import Servers

LOGS = """
SELECT l.id, l.content_id, l.platform_account_id AS account_id, l.status, l.kind, l.container_id,
    l.platform_post_id AS post_id, l.error_code, l.error_message, l.retry_count, l.trace_id,
    l.act_at, l.lease_owner, l.lease_number, l.lease_expires_at, l.parts,
    coalesce(e.count, 0) AS success_events, d.log_id IS NOT NULL AS was_in_doubt
FROM publishing_logs l
LEFT JOIN (
    SELECT CAST(split_part(key, ':', 2) AS bigint) AS log_id, count(*) FROM outbox
    WHERE key LIKE 'publish_result:%' AND payload->>'status' = 'success' GROUP BY 1
) e ON e.log_id = l.id
LEFT JOIN (SELECT DISTINCT log_id FROM chaos_steps WHERE after = 'in_doubt') d ON d.log_id = l.id
"""
ATTEMPTS = """
SELECT publishing_log_id AS log_id, number, lease_number, call, started_at, finished_at, outcome,
    evidence
FROM publishing_attempts ORDER BY publishing_log_id, number
"""


@dataclass(slots=True)
class Tally:
    """The figures of one run, and every disagreement in words."""

    intents: int = 0
    live: int = 0
    failed: int = 0
    cancelled: int = 0
    needs_person: int = 0
    duplicates: int = 0
    platform_doubled: int = 0
    doubled_unseen: int = 0
    lost: int = 0
    in_doubt_resolved: int = 0
    unexplained: int = 0
    complaints: list[tuple[Intent, str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """The sum of two runs."""
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            else:
                setattr(self, name, mine + theirs)


class Books:
    """Everything that is known at the end of a run."""

    def __init__(
        self,
        posts: Iterable[Mapping[str, Any]],
        logs: Sequence[Mapping[str, Any]],
        attempts: Iterable[Mapping[str, Any]],
        steps: Iterable[Mapping[str, Any]],
    ) -> None:
        self._posts: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
        self._all_posts = [post for post in posts if not post.get("is_deleted")]
        for post in self._all_posts:
            self._posts[post.get("platform", "instagram"), post["account"]].append(post)
        self._logs = {(log["content_id"], log["account_id"]): log for log in logs}
        self._attempts: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for attempt in attempts:
            self._attempts[attempt["log_id"]].append(attempt)
        self._steps: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for step in steps:
            self._steps[step["log_id"]].append(step)

    @classmethod
    async def read(cls, servers: Servers) -> "Books":
        """The truth of the platform, and the rows."""
        return cls(
            await servers.sandbox.posts(),
            await servers.ask(LOGS),
            await servers.ask(ATTEMPTS),
            await servers.ask("SELECT * FROM chaos_steps ORDER BY id"),
        )

    def posts_of(self, intent: Intent) -> list[Mapping[str, Any]]:
        """The public posts that show this intent's words on its account."""
        kind = intent.kind
        on_account = self._posts[str(kind.platform), intent.user_id]
        if kind.shows is None:  # the account is this intent's alone
            return on_account
        return [post for post in on_account if (post.get(kind.shows) or "") == intent.words]

    def log_of(self, intent: Intent) -> Mapping[str, Any] | None:
        """Its row; None when it was never armed."""
        return self._logs.get((intent.content_id, intent.account_id))

    def account(self, intents: Sequence[Intent]) -> Tally:
        """Settle every intent."""
        total = Tally(intents=len(intents))
        belonging = 0
        for intent in intents:
            posts = self.posts_of(intent)
            belonging += len(posts)
            self._settle(intent, posts, total)
        if belonging != len(self._all_posts):
            raise RuntimeError(
                f"{len(self._all_posts) - belonging} public posts belong to no intent"
            )
        return total

    def _settle(self, intent: Intent, posts: Sequence[Mapping[str, Any]], total: Tally) -> None:
        requests = Counter(post["request_id"] for post in posts)
        is_doubled = any(count > 1 for count in requests.values())
        log = self.log_of(intent)
        status = "none" if log is None else log["status"]
        total.live += bool(posts)
        total.platform_doubled += is_doubled
        if len(requests) > 1:
            total.duplicates += 1
            total.complaints.append((intent, f"{len(requests)} of our requests became visible"))
        if log is not None:
            total.in_doubt_resolved += log["was_in_doubt"] and status in ("success", "failed")
            if log["error_code"]:
                total.reasons[f"{status}: {log['error_code']}"] += 1
        complaint = self._complaint(intent, posts, log)
        if complaint is not None:
            total.lost += 1
            total.complaints.append((intent, complaint))
            return
        match status:
            case "success":
                total.doubled_unseen += is_doubled
            case "failed":
                total.failed += 1
            case "needs_person":
                total.needs_person += 1
                if not is_doubled:
                    total.unexplained += 1
                    total.complaints.append((intent, "a person is asked, though one read decides"))
            case "cancelled" | "none":
                total.cancelled += 1

    def _complaint(
        self,
        intent: Intent,
        posts: Sequence[Mapping[str, Any]],
        log: Mapping[str, Any] | None,
    ) -> str | None:
        """In which way an intent is lost, or our row wrong about it."""
        status = "none" if log is None else log["status"]
        if status in ("none", "cancelled"):
            if posts:
                return f"live, and its row says {status}"
            return None if intent.cancel == "honoured" else f"{status}, and nobody withdrew it"
        assert log is not None
        match status:
            case "success":
                if not posts:
                    return "success, and nobody can see it"
                if log["post_id"] not in {post["id"] for post in posts}:
                    return f"bound to {log['post_id']}, which is another post"
                if log["success_events"] != 1:
                    return f"{log['success_events']} events of its success"
            case "failed":
                if posts:
                    return "live, and its row says failed"
                if not log["error_code"] or not log["error_message"]:
                    return "failed without a reason"
            case "needs_person":
                pass
            case _:
                return f"still {status}"
        return None

    def evidence(self, intent: Intent) -> str:
        """What ``sns attempts`` would show, with the truth and every step beside it."""
        log = self.log_of(intent)
        lines = [
            f"intent {intent.number}: content {intent.content_id} on account {intent.account_id} "
            f"({intent.kind.platform} {intent.kind.name} {intent.user_id}), "
            f"cancel {intent.cancel}, words {intent.words!r}"
        ]
        lines += [f"  post  {_short(post)}" for post in self.posts_of(intent)]
        if log is None:
            return "\n".join([*lines, "  no row"])
        lines.append(f"  row   {_short(log)}")
        lines += [
            f"  step  {step['at']:%H:%M:%S.%f} {step['before']} → {step['after']}"
            f" (lease {step['lease_number']})"
            for step in self._steps[log["id"]]
        ]
        lines += [f"  tried {_short(attempt)}" for attempt in self._attempts[log["id"]]]
        return "\n".join(lines)

    def was_carried_out(self, log_id: int, at: float) -> bool:
        """Whether the platform got the post's request within two seconds of an instant."""
        posts = {post["id"]: post for post in self._all_posts}
        log = next((log for log in self._logs.values() if log["id"] == log_id), None)
        post = None if log is None else posts.get(log["post_id"])
        return post is not None and abs(post["arrived_at"] - at) < 2.0

    def recovery_s(self, log_id: int, killed_at: float) -> tuple[float, float] | None:
        """Seconds from a kill until the post in hand is live, and until its row says so too.

        None when it never went live. A post that was live at the kill needs no time for the first.
        """
        log = next((log for log in self._logs.values() if log["id"] == log_id), None)
        if log is None or log["status"] != "success":
            return None
        post = next((post for post in self._all_posts if post["id"] == log["post_id"]), None)
        if post is None:
            return None
        known_at = max(
            step["at"].timestamp() for step in self._steps[log_id] if step["after"] == "success"
        )
        live_s = max(0.0, post["posted_at"] - killed_at)
        return live_s, max(live_s, known_at - killed_at)


def percentile(values: Sequence[float], rank: int) -> float | None:
    """Nearest rank, in 0.01; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(len(ordered) * rank / 100) - 1)], 2)


def _short(row: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in row.items() if value not in (None, "", [], {})}
    return json.dumps(kept, ensure_ascii=False, default=str)
