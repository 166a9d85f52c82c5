"""The life of a content: who may move it where, change it, or take it back.

Plain PostgreSQL, so that engine and edge make the same steps. Each function is called inside the
caller's transaction. Audit rows and the events to reviewers are written by triggers (migration
0003), so that a step of another program leaves them too; what is decided here is who may.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from models.events import Reference
from models.outgoing import put_message
from models.statements import Row, Statements
from models.steps import notify
from models.words import ContentStatus, PostFormat, Priority, Role

_S = ContentStatus
_EDITORS: Final = frozenset({Role.OPERATOR, Role.MANAGER, Role.ADMIN})
_REVIEWERS: Final = frozenset({Role.MANAGER, Role.CLIENT, Role.ADMIN})

CONTENT_STEPS: Final[Mapping[tuple[ContentStatus, ContentStatus], frozenset[Role]]] = {
    (_S.DRAFT, _S.REVIEW): _EDITORS,
    (_S.REVIEW, _S.APPROVED): _REVIEWERS,
    (_S.REVIEW, _S.REJECTED): _REVIEWERS,
    (_S.REVIEW, _S.DRAFT): _EDITORS,
    (_S.REJECTED, _S.DRAFT): _EDITORS,
    (_S.APPROVED, _S.DRAFT): _EDITORS,  # withdrawn
    (_S.APPROVED, _S.REVIEW): _EDITORS,  # changed, or doubted: the reviewers look again
}
"""Steps that people take, and the roles that may; ``approved → published`` is the engine's own."""

EDITABLE: Final = frozenset({_S.DRAFT, _S.REVIEW, _S.REJECTED, _S.APPROVED})
KEEPS_APPROVAL: Final = frozenset({Role.MANAGER, Role.ADMIN})
"""Who may move an approved content to another time without a new review."""


class StepRefused(Exception):
    """A step that is not taken; nothing was written.

    Args:
        code: ``unknown``, ``role``, ``state``, ``being-sent``, ``partly-live`` or ``problems``.
        korean: what is the matter and what to do.
        english: the same.
        problems: of the content, for ``problems``: each with field, korean and english.
    """

    def __init__(
        self,
        code: str,
        korean: str,
        english: str,
        problems: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(english)
        self.code = code
        self.korean = korean
        self.english = english
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Editor:
    """Who takes a step: a user, and the roles that their token proves."""

    user_id: int
    roles: frozenset[str]

    def has(self, roles: frozenset[Role]) -> bool:
        """Whether one of these is theirs."""
        return any(role in self.roles for role in roles)


async def content_for(
    connection: Statements, *, content_id: int, editor: Editor, to_change: bool = True
) -> Row:
    """The content, if the user serves its client; locked, unless it is only read.

    A lock holds up a sender at its very second, so readers take none.

    Raises:
        StepRefused: ``unknown``; also for contents of clients that are not the user's, and for a
            user who has no row: no audit could name them.
    """
    rows = await connection.fetch(
        f"""
        SELECT c.id, c.client_id, c.created_by, c.title, c.body, c.media::text AS media, c.format,
               c.options::text AS options, c.status, c.scheduled_at, c.published_at, c.revision
        FROM contents c
        WHERE c.id = $1::bigint AND EXISTS (SELECT 1 FROM users u WHERE u.id = $2::bigint)
          AND ($3::boolean OR EXISTS (
              SELECT 1 FROM client_members m
              WHERE m.client_id = c.client_id AND m.user_id = $2::bigint
          ))
        {"FOR NO KEY UPDATE" if to_change else ""}
        """,  # noqa: S608  # one of two words of ours
        content_id,
        editor.user_id,
        Role.ADMIN in editor.roles,
    )
    if not rows:
        raise StepRefused("unknown", "콘텐츠를 찾을 수 없습니다.", "there is no such content")
    return rows[0]


async def take_step(
    connection: Statements,
    *,
    content_id: int,
    to: ContentStatus,
    editor: Editor,
    note: str | None = None,
) -> ContentStatus:
    """Move a content; gives where it came from.

    The author hears of an approval or a rejection. Entering review and being approved have the
    content checked by the actor ``validate_content``; known problems of this very revision refuse
    an approval.

    Raises:
        StepRefused: see there.
    """
    content = await content_for(connection, content_id=content_id, editor=editor)
    before = ContentStatus(content["status"])
    roles = CONTENT_STEPS.get((before, to))
    if roles is None:
        raise StepRefused(
            "state",
            f"'{before}' 상태의 콘텐츠는 '{to}' 상태로 바꿀 수 없습니다.",
            f"a content that is {before} does not become {to}",
        )
    if not editor.has(roles):
        raise StepRefused(
            "role",
            "이 단계를 진행할 권한이 없습니다. 담당자에게 요청해 주세요.",
            f"only {', '.join(sorted(roles))} may do this",
        )
    if to is ContentStatus.APPROVED:
        await _refuse_problems(connection, content)
    if before is ContentStatus.APPROVED:
        await _refuse_when_sent(connection, content_id)
    await _sign(connection, editor, note)
    await connection.fetch(
        "UPDATE contents SET status = $2::text WHERE id = $1::bigint", content_id, to
    )
    if to in (ContentStatus.REVIEW, ContentStatus.APPROVED):
        await _have_checked(connection, content_id, content["revision"], to)
    if to in (ContentStatus.APPROVED, ContentStatus.REJECTED):
        await _tell_author(connection, content, to, note)
    return before


@dataclass(frozen=True, slots=True)
class Changes:
    """What an edit changes; None leaves a field as it is. ``unschedule`` takes the time away."""

    title: str | None = None
    body: str | None = None
    media: Sequence[Mapping[str, Any]] | None = None
    format: PostFormat | None = None
    options: Mapping[str, Any] | None = None
    scheduled_at: datetime | None = None
    unschedule: bool = False
    account_ids: Sequence[int] | None = None

    @property
    def is_time_only(self) -> bool:
        """Whether nothing that people would see changes."""
        seen = (self.title, self.body, self.media, self.format, self.options, self.account_ids)
        return all(value is None for value in seen)


async def edit(
    connection: Statements, *, content_id: int, changes: Changes, editor: Editor
) -> ContentStatus:
    """Change a content; gives the state that it is in then.

    An approved one goes back to review, unless a manager only moves it to another time.

    Raises:
        StepRefused: see there; from the moment of sending on nothing is changed.
    """
    content = await content_for(connection, content_id=content_id, editor=editor)
    status = ContentStatus(content["status"])
    if status not in EDITABLE:
        raise StepRefused(
            "state",
            "이미 게시된 콘텐츠는 고칠 수 없습니다. 게시물을 삭제하고 새로 만들어 주세요.",
            "a published content is not edited; delete its posts and make a new one",
        )
    if not editor.has(_EDITORS):
        raise StepRefused("role", "콘텐츠를 고칠 권한이 없습니다.", "only editors may do this")
    await _refuse_when_sent(connection, content_id)
    if changes == Changes():
        return status
    await _sign(connection, editor, None)
    await connection.fetch(
        """
        UPDATE contents
        SET title = coalesce($2::text, title), body = coalesce($3::text, body),
            media = coalesce($4::jsonb, media), format = coalesce($5::text, format),
            options = coalesce($6::jsonb, options),
            scheduled_at = CASE WHEN $8::boolean THEN NULL
                                ELSE coalesce($7::timestamptz, scheduled_at) END
        WHERE id = $1::bigint
        """,
        content_id,
        changes.title,
        changes.body,
        None if changes.media is None else json.dumps(changes.media, ensure_ascii=False),
        changes.format,
        None if changes.options is None else json.dumps(changes.options, ensure_ascii=False),
        changes.scheduled_at,
        changes.unschedule,
    )
    if changes.account_ids is not None:
        await _aim(connection, content, changes.account_ids)
    keeps = changes.is_time_only and editor.has(KEEPS_APPROVAL)
    if status is ContentStatus.APPROVED and not keeps:
        await connection.fetch(
            "UPDATE contents SET status = 'review' WHERE id = $1::bigint", content_id
        )
        status = ContentStatus.REVIEW
    if status in (ContentStatus.REVIEW, ContentStatus.APPROVED):
        await _have_checked(connection, content_id, content["revision"] + 1, status)
    return status


async def _aim(connection: Statements, content: Row, account_ids: Sequence[int]) -> None:
    """Let a content go to these accounts of its client and to no others."""
    known = await connection.fetch(
        "SELECT id FROM platform_accounts WHERE id = ANY($1::bigint[]) AND client_id = $2::bigint",
        list(account_ids),
        content["client_id"],
    )
    if len(known) != len(set(account_ids)):
        raise StepRefused(
            "unknown", "선택한 계정을 찾을 수 없습니다.", "an account is not this client's"
        )
    await connection.fetch(
        """
        DELETE FROM content_targets
        WHERE content_id = $1::bigint AND platform_account_id <> ALL($2::bigint[])
        """,
        content["id"],
        list(account_ids),
    )
    await connection.fetch(
        """
        INSERT INTO content_targets (content_id, platform_account_id)
        SELECT $1::bigint, unnest($2::bigint[]) ON CONFLICT DO NOTHING
        """,
        content["id"],
        list(account_ids),
    )


async def _refuse_when_sent(connection: Statements, content_id: int) -> None:
    """From the commit that comes before the call on, nothing is changed.

    The content is locked, which a sender's commit waits for, so this cannot be overtaken.
    """
    rows = await connection.fetch(
        """
        SELECT bool_or(status IN ('sending', 'in_doubt')) AS is_sent,
               bool_or(status = 'needs_person') AS is_unsure,
               bool_or(status = 'success') AS is_live
        FROM publishing_logs WHERE content_id = $1::bigint
        """,
        content_id,
    )
    if rows[0]["is_sent"]:
        raise StepRefused(
            "being-sent",
            "지금 게시하고 있어 바꿀 수 없습니다. 결과를 받은 뒤, 올라간 게시물을 삭제하거나 다시 "
            "게시해 주세요.",
            "it is being sent and can no longer be changed; wait for its result, then act on the "
            "live post",
        )
    if rows[0]["is_unsure"]:
        raise StepRefused(
            "being-sent",
            "게시되었는지 확인되지 않은 계정이 있어 바꿀 수 없습니다. 그 계정의 게시물을 확인해 "
            "게시 여부를 먼저 정해 주세요.",
            "it may be live on an account; decide that post first",
        )
    if rows[0]["is_live"]:
        raise StepRefused(
            "partly-live",
            "일부 계정에 이미 게시되어 바꿀 수 없습니다. 올라간 게시물을 먼저 삭제해 주세요.",
            "it is live on some of its accounts; delete those posts first",
        )


async def _refuse_problems(connection: Statements, content: Row) -> None:
    rows = await connection.fetch(
        """
        SELECT problem->>'field' AS field, problem->>'korean' AS korean,
               problem->>'english' AS english
        FROM content_checks k
        JOIN content_targets t USING (content_id, platform_account_id),
             jsonb_array_elements(k.problems) AS problem
        WHERE k.content_id = $1::bigint AND k.revision = $2::bigint
        """,
        content["id"],
        content["revision"],
    )
    if rows:
        raise StepRefused(
            "problems",
            "이대로는 게시할 수 없습니다. 아래 내용을 고친 뒤 다시 승인해 주세요.",
            "the platforms would refuse this; mend it first",
            [dict(row) for row in rows],
        )


async def _sign(connection: Statements, editor: Editor, note: str | None) -> None:
    """Say who acts, for the audit; until the end of the transaction."""
    await connection.fetch(
        "SELECT set_config('sns.user_id', $1::text, true), set_config('sns.note', $2::text, true)",
        str(editor.user_id),
        note or "",
    )


async def _have_checked(
    connection: Statements, content_id: int, revision: int, status: ContentStatus
) -> None:
    """Have it checked for its accounts; of a content that has none yet, nothing can be said."""
    if not await connection.fetch(
        "SELECT 1 FROM content_targets WHERE content_id = $1::bigint LIMIT 1", content_id
    ):
        return
    await put_message(
        connection,
        key=f"validate:{content_id}:{revision}:{status}:{uuid4().hex[:8]}",
        actor="validate_content",
        args=[content_id],
        trace_id=uuid4().hex,
    )


async def _tell_author(
    connection: Statements, content: Row, to: ContentStatus, note: str | None
) -> None:
    approved = to is ContentStatus.APPROVED
    said = f" 의견: {note}" if note else ""
    await notify(
        connection,
        key=f"reviewed:{content['id']}:{content['revision']}:{to}:{uuid4().hex[:8]}",
        user_id=content["created_by"],
        title="콘텐츠가 승인되었습니다" if approved else "콘텐츠가 반려되었습니다",
        message=f"'{content['title']}' 콘텐츠가 {'승인' if approved else '반려'}되었습니다.{said}",
        priority=Priority.NORMAL if approved else Priority.HIGH,
        trace_id=uuid4().hex,
        reference=Reference(kind="content", id=content["id"]),
    )
