"""Contents over HTTP: seen, moved through their life, changed, published, taken down.

A click becomes rows here; what reaches a platform is done by an actor.
"""

import json
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

from asyncpg import PostgresError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from edge.fields import Cursor, Id, Instant, Next, Storable
from edge.operations import Context, Nothing, Operation
from edge.problems import Fault, Problem
from models import approving
from models.approving import Changes, Editor, StepRefused
from models.outgoing import put_message
from models.words import ContentStatus, Platform, PostFormat, PublishingStatus, Role

STATUSES: Final = {
    "unknown": HTTPStatus.NOT_FOUND,
    "role": HTTPStatus.FORBIDDEN,
    "state": HTTPStatus.CONFLICT,
    "being-sent": HTTPStatus.CONFLICT,
    "partly-live": HTTPStatus.CONFLICT,
    "problems": HTTPStatus.UNPROCESSABLE_ENTITY,
}
BEING_SENT: Final = "SN001"  # the guard's SQLSTATE, when a sender was faster after all
FOREIGN: Final = "SN003"


class OneContent(BaseModel):
    """Which content."""

    model_config = ConfigDict(extra="forbid")

    content_id: Id


class OnePost(OneContent):
    """Which content on which account."""

    account_id: Id


class ContentsPage(BaseModel):
    """Which contents of the user's clients."""

    model_config = ConfigDict(extra="forbid")

    before: Cursor = None
    limit: int = Field(default=50, ge=1, le=100)
    status: ContentStatus | None = None
    client_id: Id | None = None


class PostState(BaseModel):
    """A content on one account; ``status`` is null before anything was begun."""

    account_id: int
    platform: Platform
    username: str
    status: PublishingStatus | None
    url: str | None
    error: str | None
    problems: list[dict[str, Any]]


class Audit(BaseModel):
    """One step that was taken; ``user_id`` is null for a program that does not say."""

    user_id: int | None
    from_status: ContentStatus
    to_status: ContentStatus
    note: str | None
    at: Instant


class ContentItem(BaseModel):
    """A content as lists show it."""

    content_id: int
    client_id: int
    title: str
    status: ContentStatus
    format: PostFormat
    scheduled_at: Instant | None
    published_at: Instant | None


class ContentList(BaseModel):
    """A page, newest first."""

    items: list[ContentItem]
    next: Next


class ContentDetails(ContentItem):
    """A content whole."""

    body: str
    media: list[dict[str, Any]]
    options: dict[str, Any]
    revision: int
    posts: list[PostState]
    audits: list[Audit]


class Step(BaseModel):
    """Where to move a content, and what to say to its author."""

    model_config = ConfigDict(extra="forbid")

    to: ContentStatus
    note: Storable | None = Field(default=None, max_length=1000)


class StepTaken(BaseModel):
    """Where a content came from and is now."""

    from_status: ContentStatus
    to_status: ContentStatus


class Edit(BaseModel):
    """What to change; what is left out stays. ``scheduled_at`` null takes the time away."""

    model_config = ConfigDict(extra="forbid")

    title: Storable | None = Field(default=None, min_length=1, max_length=300)
    body: Storable | None = Field(default=None, max_length=70_000)
    media: list[dict[str, Any]] | None = Field(default=None, max_length=20)
    format: PostFormat | None = None
    options: dict[str, Any] | None = None
    scheduled_at: AwareDatetime | None = None
    account_ids: list[Id] | None = Field(default=None, max_length=50)


class Edited(BaseModel):
    """The state of a content after a change: an approved one may need a new review."""

    status: ContentStatus


class Resolution(BaseModel):
    """What became of a post in doubt: it is ``post_id`` on the platform, or null: not live."""

    model_config = ConfigDict(extra="forbid")

    post_id: Storable | None = Field(max_length=200)


class Asked(BaseModel):
    """How many accounts it was asked for; an event tells what came of it."""

    accounts: int


def _editor(context: Context) -> Editor:
    return Editor(context.identity.user_id, context.identity.roles)


def _problem_of(refused: StepRefused) -> Problem:
    faults = [
        Fault(where=str(one["field"]), message=f"{one['korean']} ({one['english']})")
        for one in refused.problems
    ]
    return Problem(
        STATUSES[refused.code],
        f"{refused.korean} ({refused.english})",
        kind=refused.code,
        faults=faults or None,
    )


def _guarded(error: PostgresError) -> Problem:
    """The database's own guards, in words; whatever else went wrong is passed on."""
    if error.sqlstate == BEING_SENT:
        return _problem_of(
            StepRefused(
                "being-sent",
                "지금 게시하고 있어 바꿀 수 없습니다. 결과를 받은 뒤 다시 시도해 주세요.",
                "it is being sent and can no longer be changed; wait for its result",
            )
        )
    if error.sqlstate == FOREIGN:
        return _problem_of(
            StepRefused("unknown", "선택한 계정을 찾을 수 없습니다.", "not this client's account")
        )
    raise error


async def read_content(context: Context, one: OneContent, _: Nothing) -> ContentDetails:
    """A content of a client that the user serves."""
    async with context.database.transaction() as connection:
        try:
            content = await approving.content_for(
                connection, content_id=one.content_id, editor=_editor(context), to_change=False
            )
        except StepRefused as refused:
            raise _problem_of(refused) from None
        posts = await connection.fetch(
            """
            SELECT a.id AS account_id, a.platform, a.username, l.status,
                   l.platform_post_url AS url, l.error_message AS error,
                   coalesce(k.problems, '[]')::text AS problems
            FROM content_targets t
            JOIN platform_accounts a ON a.id = t.platform_account_id
            LEFT JOIN publishing_logs l USING (content_id, platform_account_id)
            LEFT JOIN content_checks k ON k.content_id = t.content_id
                AND k.platform_account_id = t.platform_account_id AND k.revision = $2::bigint
            WHERE t.content_id = $1::bigint ORDER BY a.id
            """,
            one.content_id,
            content["revision"],
        )
        audits = await connection.fetch(
            """
            SELECT user_id, from_status, to_status, note, at FROM content_audits
            WHERE content_id = $1::bigint ORDER BY id DESC LIMIT 100
            """,
            one.content_id,
        )
    return ContentDetails(
        **_item(content).model_dump(),
        body=content["body"],
        media=json.loads(content["media"]),
        options=json.loads(content["options"]),
        revision=content["revision"],
        posts=[PostState(**{**post, "problems": json.loads(post["problems"])}) for post in posts],
        audits=[Audit(**audit) for audit in audits],
    )


def _item(row: Any) -> ContentItem:
    return ContentItem(
        content_id=row["id"],
        client_id=row["client_id"],
        title=row["title"],
        status=row["status"],
        format=row["format"],
        scheduled_at=row["scheduled_at"],
        published_at=row["published_at"],
    )


async def list_contents(context: Context, page: ContentsPage, _: Nothing) -> ContentList:
    """One more row than asked for tells whether there is a next page."""
    async with context.database.transaction() as connection:
        rows = await connection.fetch(
            """
            SELECT c.id, c.client_id, c.title, c.status, c.format, c.scheduled_at, c.published_at
            FROM contents c
            WHERE ($1::bigint IS NULL OR c.id < $1::bigint)
              AND ($2::text IS NULL OR c.status = $2::text)
              AND ($3::bigint IS NULL OR c.client_id = $3::bigint)
              AND ($5::boolean OR EXISTS (
                  SELECT 1 FROM client_members m
                  WHERE m.client_id = c.client_id AND m.user_id = $4::bigint
              ))
            ORDER BY c.id DESC LIMIT $6::int
            """,
            page.before,
            page.status,
            page.client_id,
            context.identity.user_id,
            Role.ADMIN in context.identity.roles,
            page.limit + 1,
        )
    items = [_item(row) for row in rows[: page.limit]]
    return ContentList(items=items, next=items[-1].content_id if len(rows) > page.limit else None)


async def take_step(context: Context, one: OneContent, body: Step) -> StepTaken:
    """Audit, events and messages are in the same commit as the step."""
    try:
        async with context.database.transaction() as connection:
            before = await approving.take_step(
                connection,
                content_id=one.content_id,
                to=body.to,
                editor=_editor(context),
                note=body.note,
            )
    except StepRefused as refused:
        raise _problem_of(refused) from None
    except PostgresError as error:
        raise _guarded(error) from error
    return StepTaken(from_status=before, to_status=body.to)


async def edit(context: Context, one: OneContent, body: Edit) -> Edited:
    """Refused from the moment of sending on."""
    given = body.model_dump(include=body.model_fields_set)
    unschedule = "scheduled_at" in given and given["scheduled_at"] is None
    try:
        async with context.database.transaction() as connection:
            status = await approving.edit(
                connection,
                content_id=one.content_id,
                changes=Changes(**given, unschedule=unschedule),
                editor=_editor(context),
            )
    except StepRefused as refused:
        raise _problem_of(refused) from None
    except PostgresError as error:
        raise _guarded(error) from error
    return Edited(status=status)


async def _of_editor(context: Context, connection: Any, content_id: int) -> Any:
    """A content that the user may have acted upon.

    Raises:
        Problem: it is not theirs, or their role only looks at contents.
    """
    try:
        content = await approving.content_for(
            connection, content_id=content_id, editor=_editor(context)
        )
    except StepRefused as refused:
        raise _problem_of(refused) from None
    if not _editor(context).has(frozenset({Role.OPERATOR, Role.MANAGER, Role.ADMIN})):
        raise _problem_of(StepRefused("role", "권한이 없습니다.", "only editors may do this"))
    return content


async def _ask(
    connection: Any, actor: str, content_id: int, account_id: int, *more: int | str | None
) -> None:
    trace_id = uuid4().hex
    await put_message(
        connection,
        key=f"{actor}:{content_id}:{account_id}:{trace_id}",
        actor=actor,
        args=[content_id, account_id, *more],
        trace_id=trace_id,
    )


async def publish(context: Context, one: OneContent, _: Nothing) -> Asked:
    """Now, whatever time it is planned for, on every account that does not have it."""
    async with context.database.transaction() as connection:
        content = await _of_editor(context, connection, one.content_id)
        if content["status"] != ContentStatus.APPROVED:
            raise _problem_of(
                StepRefused(
                    "state",
                    "승인된 콘텐츠만 게시할 수 있습니다.",
                    "only an approved one is published",
                )
            )
        rows = await connection.fetch(
            """
            SELECT platform_account_id AS id FROM content_targets t
            LEFT JOIN publishing_logs l USING (content_id, platform_account_id)
            WHERE content_id = $1::bigint AND l.status IS DISTINCT FROM 'success'
            ORDER BY 1
            """,
            one.content_id,
        )
        for row in rows:
            await _ask(connection, "publish_to_platform", one.content_id, row["id"])
    return Asked(accounts=len(rows))


async def resolve(context: Context, one: OnePost, body: Resolution) -> Asked:
    """The platform is asked by a worker whether it shows the named post."""
    async with context.database.transaction() as connection:
        await _of_editor(context, connection, one.content_id)
        await _refuse_unless(connection, one, {"in_doubt", "needs_person"})
        user_id = context.identity.user_id
        await _ask(
            connection, "resolve_post", one.content_id, one.account_id, user_id, body.post_id
        )
    return Asked(accounts=1)


async def delete_post(context: Context, one: OnePost, _: Nothing) -> Asked:
    """Where the platform allows it; a notification tells whether it did."""
    async with context.database.transaction() as connection:
        await _of_editor(context, connection, one.content_id)
        await _refuse_unless(connection, one, {"success"})
        user_id = context.identity.user_id
        await _ask(connection, "delete_post", one.content_id, one.account_id, user_id)
    return Asked(accounts=1)


async def _refuse_unless(connection: Any, one: OnePost, statuses: set[str]) -> None:
    rows = await connection.fetch(
        """
        SELECT status FROM publishing_logs
        WHERE content_id = $1::bigint AND platform_account_id = $2::bigint
        """,
        one.content_id,
        one.account_id,
    )
    if not rows:
        raise _problem_of(
            StepRefused("unknown", "게시 기록을 찾을 수 없습니다.", "nothing was published there")
        )
    if rows[0]["status"] not in statuses:
        raise _problem_of(
            StepRefused(
                "state",
                "지금 상태에서는 할 수 없습니다. 게시 결과를 먼저 확인해 주세요.",
                f"the post is {rows[0]['status']}",
            )
        )


_NOT_FOUND: Final = "not a content of the user's clients"
_REFUSALS: Final = MappingProxyType(
    {
        HTTPStatus.FORBIDDEN: "the user's role may not do this",
        HTTPStatus.NOT_FOUND: _NOT_FOUND,
        HTTPStatus.CONFLICT: "not in this state; `being-sent`: it can no longer be changed",
    }
)

OPERATIONS: Final = (
    Operation(
        "GET",
        "/contents",
        "list_contents",
        "Contents of the user's clients, newest first",
        list_contents,
        ContentList,
        parameters=ContentsPage,
    ),
    Operation(
        "GET",
        "/contents/{content_id}",
        "read_content",
        "A content with its posts, its problems and its audit",
        read_content,
        ContentDetails,
        parameters=OneContent,
        problems=MappingProxyType({HTTPStatus.NOT_FOUND: _NOT_FOUND}),
    ),
    Operation(
        "PATCH",
        "/contents/{content_id}",
        "edit_content",
        "Change a content; an approved one goes back to review",
        edit,
        Edited,
        parameters=OneContent,
        body=Edit,
        problems=_REFUSALS,
    ),
    Operation(
        "POST",
        "/contents/{content_id}/steps",
        "take_content_step",
        "Ask for a review, approve, reject, withdraw",
        take_step,
        StepTaken,
        parameters=OneContent,
        body=Step,
        problems=_REFUSALS,
    ),
    Operation(
        "POST",
        "/contents/{content_id}/publish",
        "publish_content",
        "Publish an approved content now",
        publish,
        Asked,
        status=HTTPStatus.ACCEPTED,
        parameters=OneContent,
        problems=_REFUSALS,
    ),
    Operation(
        "POST",
        "/contents/{content_id}/accounts/{account_id}/resolution",
        "resolve_post",
        "Say what became of a post in doubt",
        resolve,
        Asked,
        status=HTTPStatus.ACCEPTED,
        parameters=OnePost,
        body=Resolution,
        problems=_REFUSALS,
    ),
    Operation(
        "DELETE",
        "/contents/{content_id}/accounts/{account_id}/post",
        "delete_post",
        "Take a live post down, where the platform allows it",
        delete_post,
        Asked,
        status=HTTPStatus.ACCEPTED,
        parameters=OnePost,
        problems=_REFUSALS,
    ),
)
