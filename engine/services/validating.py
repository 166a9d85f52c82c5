"""What a platform would refuse of a content, found before it is due.

Once when somebody is about to approve it, so that a person can mend it in peace, and once more when
it is prepared: media may have gone, permissions been withdrawn, quotas spent meanwhile.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import InputInvalid, InvalidCommand, MediaFault, MediaUnreachable, PlatformError
from engine.ports import AccountAccess, InputProblem, MediaProbe, PlatformClient, Post
from engine.rules.explaining import PLATFORM_NAMES
from engine.rules.media_faults import problem_of_fault
from engine.rules.media_limits import LIMITS, problems_of_media
from engine.services.notifying import notify
from engine.services.outboxing import consume
from engine.services.posts import post_from
from models.accounts import AccountStatus, Platform, TokenUnreadable, TokenVault
from models.contents import ContentStatus, PostFormat
from models.events import Reference
from models.words import Priority

log = structlog.get_logger(__name__)

QUOTA_WINDOW: Final = timedelta(hours=24)
"""A quota that is spent today says nothing of a post that is due later than this."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found for one account of a content; no problem means that it can be posted."""

    account_id: int
    platform: Platform
    username: str
    problems: tuple[InputProblem, ...]


async def problems_in(
    name: Platform,
    client: PlatformClient,
    post: Post,
    *,
    probe: MediaProbe,
    scopes: Iterable[str] | None,
    first_comment: str | None,
    may_wait: bool = False,
) -> list[InputProblem]:
    """Everything that is wrong with a post for a platform, its media fetched and looked at.

    Args:
        name: the platform.
        client: the platform's client.
        post: as the platform would get it.
        probe: looks at pictures and videos.
        scopes: what the account's owner granted; None when nobody knows.
        first_comment: what the account is to write under the post.
        may_wait: whether a host that does not answer now is asked again later; else it is a
            problem like any other.

    Raises:
        MediaUnreachable: only if ``may_wait``: a medium's host does not answer now.
    """
    try:
        kind = client.kind_of(post)
    except InputInvalid as error:
        return [InputProblem("format", str(error), error.english)]
    problems = list(client.validate(post))
    if first_comment and not client.traits_of(kind).takes_comments:
        problems.append(
            InputProblem(
                "options.first_comment",
                "이 종류의 게시물에는 첫 댓글을 달 수 없습니다. 첫 댓글을 지워 주세요.",
                "This kind of post takes no first comment; remove it.",
            )
        )
    problems += _missing_scopes(name, client.scopes_of(kind), scopes)
    places = [(f"media[{at}]", medium.url, medium.kind) for at, medium in enumerate(post.media)]
    if thumbnail := post.options.get("thumbnail_url"):
        places.append((f"options.{name}.thumbnail_url", str(thumbnail), "thumbnail"))
    for field, url, role in places:
        try:
            facts = await probe.probe(url)
        except MediaFault as fault:
            if may_wait and isinstance(fault, MediaUnreachable) and fault.is_retryable:
                raise
            problems.append(problem_of_fault(fault, field))
            continue
        said = "image" if role == "thumbnail" else role
        if facts.kind != said:
            problems.append(_mistaken(field, said, facts.kind))
        elif (limits := LIMITS.get((name, kind, role))) is not None:
            problems += problems_of_media(facts, limits, field)
    return problems


def _missing_scopes(
    name: Platform, needed: frozenset[str], granted: Iterable[str] | None
) -> list[InputProblem]:
    missing = [] if granted is None else sorted(needed - set(granted))
    if not missing:
        return []
    return [
        InputProblem(
            "account",
            f"{PLATFORM_NAMES[name]} 계정에 게시 권한이 없습니다. 계정을 다시 연결하면서 "
            f"{', '.join(missing)} 권한을 허용해 주세요.",
            f"The account lacks permissions; reconnect it and grant {', '.join(missing)}.",
            {"missing": missing},
        )
    ]


def _mistaken(field: str, said: str, found: str) -> InputProblem:
    words = {"image": "사진", "video": "동영상"}
    evidence = {"said": said, "found": found}
    if field.startswith("options."):
        return InputProblem(
            field,
            f"이 자리에는 {words[said]} 주소를 넣어 주세요. 지금 파일은 {words[found]}입니다.",
            f"Give the address of a {said} here; this file is a {found}.",
            evidence,
        )
    return InputProblem(
        f"{field}.kind",
        f"{words[said]}으로 등록되어 있지만 실제로는 {words[found]}입니다. 종류를 바꾸거나 다른 "
        "파일을 올려 주세요.",
        f"This is said to be {said}, and is {found}; correct its kind or give another file.",
        evidence,
    )


class Validation:
    """Checks contents for each of their accounts.

    Args:
        platforms: the client of each platform.
        probe: looks at pictures and videos.
        vault: opens the accounts' tokens, to ask for quotas.
    """

    def __init__(
        self,
        *,
        platforms: Mapping[Platform, PlatformClient],
        probe: MediaProbe,
        vault: TokenVault,
    ) -> None:
        self._platforms = platforms
        self._probe = probe
        self._vault = vault

    async def check(self, row: Mapping[str, Any], *, now: datetime) -> Check:
        """Check one content for one account; ``row`` is one of :data:`_TARGETS`.

        A media host that does not answer is a problem here: a person should look at the address.
        """
        name = Platform(row["platform"])
        client = self._platforms.get(name)
        problems: list[InputProblem] = []
        if client is None:
            problems.append(_unsupported(name))
        elif row["account_status"] != AccountStatus.ACTIVE or row["sealed_token"] is None:
            problems.append(_disconnected(name))
        if client is not None:
            try:
                post = post_from(
                    name,
                    title=row["title"],
                    body=row["body"],
                    media=row["media"],
                    format_=PostFormat(row["format"]),
                    options=row["options"],
                )
                problems += await problems_in(
                    name,
                    client,
                    post,
                    probe=self._probe,
                    scopes=row["scopes"],
                    first_comment=row["options"].get("first_comment"),
                )
            except InputInvalid as error:
                problems.append(InputProblem("media", str(error), error.english))
            if not problems and _is_soon(row["scheduled_at"], now):
                problems += await self._quota(name, client, row)
        return Check(row["account_id"], name, row["username"], tuple(problems))

    async def _quota(
        self, name: Platform, client: PlatformClient, row: Mapping[str, Any]
    ) -> list[InputProblem]:
        try:
            access = AccountAccess(row["platform_user_id"], self._vault.open(row["sealed_token"]))
            quota = await client.read_quota(access)
        except (PlatformError, TokenUnreadable) as error:  # told when it matters: at the sending
            log.info("cannot read a quota", platform=name, error=str(error))
            return []
        if quota is None or quota.used < quota.total:
            return []
        return [
            InputProblem(
                "scheduled_at",
                f"{PLATFORM_NAMES[name]} 계정이 하루에 올릴 수 있는 게시물 {quota.total}개를 모두 "
                "썼습니다. 하루 뒤로 미루거나 다른 계정을 선택해 주세요.",
                f"All {quota.total} posts of the account's day are used; choose a later time.",
                {"used": quota.used, "total": quota.total},
            )
        ]


def _is_soon(scheduled_at: datetime | None, now: datetime) -> bool:
    return scheduled_at is None or scheduled_at <= now + QUOTA_WINDOW


def _unsupported(name: Platform) -> InputProblem:
    return InputProblem(
        "account",
        f"{PLATFORM_NAMES[name]}에는 아직 게시할 수 없습니다. 다른 계정을 선택해 주세요.",
        f"{name} cannot be published to; choose another account.",
    )


def _disconnected(name: Platform) -> InputProblem:
    return InputProblem(
        "account",
        f"{PLATFORM_NAMES[name]} 계정의 연결이 끊어져 있습니다. 계정을 다시 연결해 주세요.",
        f"The {name} account is not connected; reconnect it.",
    )


_TARGETS: Final = """
SELECT c.id AS content_id, c.title, c.body, c.media, c.format, c.options, c.status, c.revision,
       c.scheduled_at, c.created_by AS author_id, a.id AS account_id, a.platform, a.username,
       a.platform_user_id, a.status AS account_status, a.scopes, a.sealed_token
FROM contents c
LEFT JOIN content_targets t ON t.content_id = c.id
LEFT JOIN platform_accounts a ON a.id = t.platform_account_id
WHERE c.id = :id
ORDER BY a.id
"""

_KEEP = text("""
INSERT INTO content_checks (content_id, platform_account_id, revision, problems, checked_at)
VALUES (:content_id, :account_id, :revision, CAST(:problems AS jsonb), now())
ON CONFLICT (content_id, platform_account_id) DO UPDATE
SET revision = excluded.revision, problems = excluded.problems, checked_at = excluded.checked_at
WHERE content_checks.revision <= excluded.revision
""")


async def validate_content(
    database: AsyncEngine,
    validation: Validation,
    *,
    content_id: int,
    now: datetime,
    message_key: str | None = None,
) -> Sequence[Check]:
    """Check a content for each of its accounts, keep what was found, and tell its author.

    The author is told only of an approved content that has problems: of others they see the checks
    where they edit.

    Raises:
        InvalidCommand: there is no such content, or it has no account to go to.
    """
    async with database.connect() as connection:
        found = await connection.execute(text(_TARGETS), {"id": content_id})
        rows: list[dict[str, Any]] = [dict(row) for row in found.mappings()]
    if not rows:
        raise InvalidCommand(f"there is no content {content_id}")
    if rows[0]["account_id"] is None:
        raise InvalidCommand(f"content {content_id} has no account to go to; add a target first")
    checks = [await validation.check(row, now=now) for row in rows]
    async with database.begin() as connection:
        if await consume(connection, message_key):
            await _keep(connection, rows[0], checks)
    return checks


async def _keep(
    connection: AsyncConnection, content: Mapping[str, Any], checks: Sequence[Check]
) -> None:
    for check in checks:
        await connection.execute(
            _KEEP,
            {
                "content_id": content["content_id"],
                "account_id": check.account_id,
                "revision": content["revision"],
                "problems": json.dumps(
                    [asdict(problem) for problem in check.problems], ensure_ascii=False
                ),
            },
        )
    bad = [check for check in checks if check.problems]
    if not bad or content["status"] != ContentStatus.APPROVED:
        return
    sentences = " ".join(
        f"[{PLATFORM_NAMES[check.platform]} @{check.username}] "
        + " ".join(problem.korean for problem in check.problems)
        for check in bad
    )
    await notify(
        connection,
        key=f"validation:{content['content_id']}:{content['revision']}",
        user_id=content["author_id"],
        title="예약 전에 고칠 것이 있습니다",
        message=f"'{content['title']}' 게시물은 이대로는 올라가지 않습니다. {sentences}",
        priority=Priority.HIGH,
        reference=Reference(kind="content", id=content["content_id"]),
        trace_id=f"validation-{content['content_id']}-{content['revision']}",
    )
