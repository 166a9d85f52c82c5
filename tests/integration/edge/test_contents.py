"""Contents over HTTP: who may move them where, what is left of it, and when it is too late."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from edge.server import Server
from models.approving import CONTENT_STEPS
from models.contents import Content, ContentStatus
from models.events import ApprovalRequest
from models.people import ClientMember, Role, User
from tests.factories import Factory
from tests.integration.edge.calling import calling

pytestmark = pytest.mark.integration
PICTURE = {"kind": "image", "url": "https://cdn.example.com/a.jpg"}


@dataclass
class Desk:
    """A client with its people, and what they do at an edge."""

    edge: Server
    database: AsyncEngine
    make: Factory
    people: dict[Role, User]

    async def content(self, status: ContentStatus = ContentStatus.DRAFT, **details: Any) -> Content:
        account = await self.make.account()
        return await self.make.content(
            account, status=status, author=self.people[Role.OPERATOR], **details
        )

    async def ask(self, role: Role, method: str, path: str, **more: Any) -> httpx.Response:
        user = self.people[role]
        async with calling(self.edge.port, user.id or 0, roles=[str(role)]) as client:
            return await client.request(method, path, **more)

    async def step(self, role: Role, content: Content, to: str, **more: Any) -> httpx.Response:
        body = {"to": to, **more}
        return await self.ask(role, "POST", f"/contents/{content.id}/steps", json=body)

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.database.begin() as connection:
            result = await connection.execute(text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []


@pytest.fixture
async def desk(api_edge: Server, database: AsyncEngine, make: Factory) -> Desk:
    people = {role: await make.user(role=role) for role in Role}
    client = await make.default_client()
    for role, user in people.items():
        if role is not Role.ADMIN:
            await make.add(ClientMember(client_id=client.id or 0, user_id=user.id or 0))
    return Desk(api_edge, database, make, people)


async def test_every_step_is_open_to_its_roles_and_to_no_other(desk: Desk) -> None:
    for before in ContentStatus:
        for to in ContentStatus:
            for role in Role:
                content = await desk.content(before, due_in_s=3600)
                answer = await desk.step(role, content, to)
                allowed = CONTENT_STEPS.get((before, to))
                expected = 409 if allowed is None else 200 if role in allowed else 403
                assert answer.status_code == expected, (before, to, role, answer.text)
                [row] = await desk.rows("SELECT status FROM contents WHERE id = :id", id=content.id)
                assert row["status"] == (to if expected == 200 else before)


async def test_a_review_reaches_the_reviewers_and_leaves_an_audit(desk: Desk) -> None:
    content = await desk.content()
    assert (await desk.step(Role.OPERATOR, content, "review", note="확인 부탁드려요")).is_success
    events = await desk.rows(
        "SELECT user_id, payload FROM outbox WHERE payload->>'type' = 'approval_request'"
    )
    reviewers = {desk.people[Role.MANAGER].id, desk.people[Role.CLIENT].id}
    assert {event["user_id"] for event in events} == reviewers
    for event in events:
        told = TypeAdapter(ApprovalRequest).validate_python(event["payload"])
        assert (told.content_id, told.title) == (content.id, content.title)
        assert (told.from_status, told.to_status) == ("draft", "review")
        assert told.requester == desk.people[Role.OPERATOR].name
        assert told.audience == ["manager", "client"]
    shown = (await desk.ask(Role.MANAGER, "GET", f"/contents/{content.id}")).json()
    [audit] = shown["audits"]
    assert audit["user_id"] == desk.people[Role.OPERATOR].id
    assert (audit["from_status"], audit["to_status"]) == ("draft", "review")
    assert audit["note"] == "확인 부탁드려요"
    asked = await desk.rows("SELECT payload FROM outbox WHERE actor = 'validate_content'")
    assert [row["payload"]["args"] for row in asked] == [[content.id]]


async def test_a_program_that_writes_the_row_itself_reaches_the_reviewers_too(desk: Desk) -> None:
    content = await desk.content()
    await desk.rows("UPDATE contents SET status = 'review' WHERE id = :id", id=content.id)
    events = await desk.rows(
        "SELECT payload FROM outbox WHERE payload->>'type' = 'approval_request'"
    )
    assert len(events) == 2
    [audit] = await desk.rows("SELECT user_id, to_status FROM content_audits")
    assert audit == {"user_id": None, "to_status": "review"}


async def test_two_who_approve_at_once_approve_once(desk: Desk) -> None:
    content = await desk.content(ContentStatus.REVIEW)
    answers = await asyncio.gather(
        *(desk.step(role, content, "approved") for role in (Role.MANAGER, Role.CLIENT))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    told = await desk.rows("SELECT payload FROM outbox WHERE payload->>'type' = 'notification'")
    assert len(told) == 1
    assert "승인되었습니다" in told[0]["payload"]["message"]


async def test_a_rejection_tells_the_author_why(desk: Desk) -> None:
    content = await desk.content(ContentStatus.REVIEW)
    assert (await desk.step(Role.CLIENT, content, "rejected", note="사진을 바꿔 주세요")).is_success
    [told] = await desk.rows(
        "SELECT user_id, payload FROM outbox WHERE payload->>'type' = 'notification'"
    )
    assert told["user_id"] == desk.people[Role.OPERATOR].id
    assert "사진을 바꿔 주세요" in told["payload"]["message"]


async def test_known_problems_of_this_revision_refuse_an_approval(desk: Desk) -> None:
    content = await desk.content(ContentStatus.REVIEW)
    await desk.rows(
        """INSERT INTO content_checks (content_id, platform_account_id, revision, problems)
           SELECT :id, platform_account_id, 1,
                  '[{"field": "text", "korean": "본문을 줄여 주세요.", "english": "Shorten it."}]'
           FROM content_targets WHERE content_id = :id""",
        id=content.id,
    )
    answer = await desk.step(Role.MANAGER, content, "approved")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:sns:problem:problems"
    [fault] = answer.json()["faults"]
    assert fault == {"where": "text", "message": "본문을 줄여 주세요. (Shorten it.)"}
    await desk.rows("UPDATE contents SET body = '짧게' WHERE id = :id", id=content.id)
    assert (await desk.step(Role.MANAGER, content, "approved")).is_success


@pytest.mark.parametrize("state", ["sending", "in_doubt", "needs_person", "success"])
async def test_what_is_being_sent_is_neither_changed_nor_withdrawn(desk: Desk, state: str) -> None:
    content = await desk.content(ContentStatus.APPROVED)
    await desk.rows(
        """INSERT INTO publishing_logs (content_id, platform_account_id, status, trace_id)
           SELECT content_id, platform_account_id, :state, 't' FROM content_targets
           WHERE content_id = :id""",
        id=content.id,
        state=state,
    )
    answers = [
        await desk.step(Role.MANAGER, content, "draft"),
        await desk.ask(Role.MANAGER, "PATCH", f"/contents/{content.id}", json={"body": "다른 글"}),
        await desk.ask(
            Role.MANAGER,
            "PATCH",
            f"/contents/{content.id}",
            json={"scheduled_at": "2030-01-01T09:00:00+09:00"},
        ),
    ]
    kind = "partly-live" if state == "success" else "being-sent"
    advice = {"success": "삭제해", "needs_person": "정해 주세요"}.get(state, "결과를 받은 뒤")
    for answer in answers:
        assert advice in answer.json()["detail"]
        assert answer.status_code == 409
        assert answer.json()["type"] == f"urn:sns:problem:{kind}"
        assert "바꿀 수 없" in answer.json()["detail"]


async def test_an_edited_approval_goes_back_to_review_but_a_manager_may_move_it(desk: Desk) -> None:
    content = await desk.content(ContentStatus.APPROVED, due_in_s=3600)
    later = {"scheduled_at": "2030-01-01T09:00:00+09:00"}
    path = f"/contents/{content.id}"
    assert (await desk.ask(Role.MANAGER, "PATCH", path, json=later)).json() == {
        "status": "approved"
    }
    assert (await desk.ask(Role.OPERATOR, "PATCH", path, json=later)).json() == {"status": "review"}
    events = await desk.rows(
        "SELECT payload FROM outbox WHERE payload->>'type' = 'approval_request'"
    )
    assert {event["payload"]["from_status"] for event in events} == {"approved"}


async def test_an_edit_changes_what_it_names_and_nothing_else(desk: Desk) -> None:
    content = await desk.content(options={"link": "https://example.com"})
    other = await desk.make.account()
    path = f"/contents/{content.id}"
    body = {"title": "새 제목", "format": "reel", "media": [PICTURE], "account_ids": [other.id]}
    assert (await desk.ask(Role.OPERATOR, "PATCH", path, json=body)).is_success
    shown = (await desk.ask(Role.OPERATOR, "GET", path)).json()
    assert (shown["title"], shown["format"], shown["body"]) == ("새 제목", "reel", content.body)
    assert shown["options"] == {"link": "https://example.com"}
    assert shown["media"] == [PICTURE]
    assert [post["account_id"] for post in shown["posts"]] == [other.id]
    assert (await desk.ask(Role.OPERATOR, "PATCH", path, json={"scheduled_at": None})).is_success
    assert (await desk.ask(Role.OPERATOR, "GET", path)).json()["scheduled_at"] is None


async def test_a_foreign_account_is_no_target(desk: Desk) -> None:
    content = await desk.content()
    foreign = await desk.make.account(client=await desk.make.client())
    answer = await desk.ask(
        Role.OPERATOR, "PATCH", f"/contents/{content.id}", json={"account_ids": [foreign.id]}
    )
    assert answer.status_code == 404


async def test_contents_of_other_clients_do_not_exist(desk: Desk) -> None:
    account = await desk.make.account(client=await desk.make.client())
    foreign = await desk.make.content(account, status=ContentStatus.DRAFT)
    own = await desk.content()
    path = f"/contents/{foreign.id}"
    asked: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("PATCH", path, {"title": "x"}),
        ("POST", f"{path}/steps", {"to": "review"}),
        ("POST", f"{path}/publish", None),
        ("POST", f"{path}/accounts/{account.id}/resolution", {"post_id": None}),
        ("DELETE", f"{path}/accounts/{account.id}/post", None),
    ]
    for method, url, body in asked:
        more = {} if body is None else {"json": body}
        assert (await desk.ask(Role.MANAGER, method, url, **more)).status_code == 404
    listed = (await desk.ask(Role.MANAGER, "GET", "/contents")).json()
    assert [item["content_id"] for item in listed["items"]] == [own.id]
    assert (await desk.ask(Role.ADMIN, "GET", path)).is_success


async def test_contents_are_listed_newest_first_by_state(desk: Desk) -> None:
    drafts = [await desk.content() for _ in range(3)]
    await desk.content(ContentStatus.REVIEW)
    first = (await desk.ask(Role.OPERATOR, "GET", "/contents?status=draft&limit=2")).json()
    assert [item["content_id"] for item in first["items"]] == [drafts[2].id, drafts[1].id]
    rest = await desk.ask(Role.OPERATOR, "GET", f"/contents?status=draft&before={first['next']}")
    assert [item["content_id"] for item in rest.json()["items"]] == [drafts[0].id]


Ask = Callable[[Desk, Content, int], Any]


async def test_asking_to_publish_sends_one_message_per_account(desk: Desk) -> None:
    content = await desk.content(ContentStatus.APPROVED)
    answer = await desk.ask(Role.OPERATOR, "POST", f"/contents/{content.id}/publish")
    assert (answer.status_code, answer.json()) == (202, {"accounts": 1})
    [row] = await desk.rows("SELECT payload FROM outbox WHERE actor = 'publish_to_platform'")
    assert row["payload"]["args"][0] == content.id
    draft = await desk.content()
    refused = await desk.ask(Role.OPERATOR, "POST", f"/contents/{draft.id}/publish")
    assert refused.status_code == 409


@pytest.mark.parametrize(
    ("state", "method", "path", "body", "actor"),
    [
        ("needs_person", "POST", "resolution", {"post_id": "180"}, "resolve_post"),
        ("in_doubt", "POST", "resolution", {"post_id": None}, "resolve_post"),
        ("success", "DELETE", "post", None, "delete_post"),
    ],
)
async def test_what_a_person_decides_is_done_by_an_actor(
    desk: Desk, state: str, method: str, path: str, body: Any, actor: str
) -> None:
    content = await desk.content(ContentStatus.APPROVED)
    [target] = await desk.rows("SELECT platform_account_id AS id FROM content_targets")
    url = f"/contents/{content.id}/accounts/{target['id']}/{path}"
    more = {} if body is None else {"json": body}
    assert (await desk.ask(Role.MANAGER, method, url, **more)).status_code == 404
    await desk.rows(
        """INSERT INTO publishing_logs (content_id, platform_account_id, status, trace_id)
           VALUES (:content_id, :account_id, :state, 't')""",
        content_id=content.id,
        account_id=target["id"],
        state=state,
    )
    assert (await desk.ask(Role.MANAGER, method, url, **more)).status_code == 202
    [row] = await desk.rows("SELECT payload FROM outbox WHERE actor = :actor", actor=actor)
    user_id = desk.people[Role.MANAGER].id
    assert row["payload"]["args"][:3] == [content.id, target["id"], user_id]
    await desk.rows("UPDATE publishing_logs SET status = 'failed' WHERE status = 'in_doubt'")


async def test_an_edit_that_changes_nothing_keeps_an_approval(desk: Desk) -> None:
    content = await desk.content(ContentStatus.APPROVED, due_in_s=3600)
    answer = await desk.ask(Role.OPERATOR, "PATCH", f"/contents/{content.id}", json={})
    assert answer.json() == {"status": "approved"}
    [row] = await desk.rows("SELECT revision FROM contents WHERE id = :id", id=content.id)
    assert row["revision"] == content.revision


async def test_a_content_without_accounts_is_reviewed_and_not_sent_to_be_checked(
    desk: Desk,
) -> None:
    content = await desk.make.content(status=ContentStatus.DRAFT)
    assert (await desk.step(Role.OPERATOR, content, "review")).is_success
    assert await desk.rows("SELECT 1 FROM outbox WHERE actor = 'validate_content'") == []


async def test_reading_a_content_holds_up_no_sender(desk: Desk) -> None:
    """A sender takes a share lock at its second; one that a reader held would make it wait."""
    content = await desk.content(ContentStatus.APPROVED)
    async with desk.database.begin() as sender:
        await sender.execute(
            text("SELECT 1 FROM contents WHERE id = :id FOR SHARE"), {"id": content.id}
        )
        async with asyncio.timeout(3):  # the edge gives a statement up after 5 s
            answer = await desk.ask(Role.OPERATOR, "GET", f"/contents/{content.id}")
    assert answer.is_success


async def test_a_token_of_nobody_changes_nothing(desk: Desk) -> None:
    content = await desk.content()
    async with calling(desk.edge.port, 10**9, roles=["admin"]) as client:
        answer = await client.post(f"/contents/{content.id}/steps", json={"to": "review"})
    assert answer.status_code == 404
