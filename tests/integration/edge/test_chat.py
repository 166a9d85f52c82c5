"""Asking the assistant: what is written, and who may see it."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from edge.server import Server
from tests.factories import Factory
from tests.integration.edge.calling import calling
from tests.integration.edge.harness import serving

pytestmark = pytest.mark.integration


async def messages_sent(database: AsyncEngine) -> list[tuple[str, str, list[Any]]]:
    async with database.connect() as connection:
        rows = await connection.execute(text("SELECT key, actor, payload FROM outbox ORDER BY id"))
        return [(row.key, row.actor, row.payload["args"]) for row in rows]


async def test_question_and_its_message_are_one_commit(
    api_edge: Server, database: AsyncEngine, make: Factory
) -> None:
    user = (await make.user()).id or 0
    async with calling(api_edge.port, user) as page:
        answer = await page.post("/chat", json={"message": "  이번 주 성과는? "})
        taken = answer.json()
        stored = (await page.get(f"/chat/{taken['conversation_id']}")).json()

    assert answer.status_code == 202
    assert await messages_sent(database) == [
        (
            f"chat:{taken['answer_id']}",
            "answer_chat",
            [user, taken["conversation_id"], "이번 주 성과는?"],
        )
    ]
    assert [(item["role"], item["status"], item["message"]) for item in stored["items"]] == [
        ("assistant", "waiting", ""),
        ("user", "done", "이번 주 성과는?"),
    ]
    assert stored["next"] is None


async def test_conversation_has_one_open_answer_until_it_is_cancelled(
    api_edge: Server, database: AsyncEngine, make: Factory
) -> None:
    user = (await make.user()).id or 0
    async with calling(api_edge.port, user) as page:
        which = (await page.post("/chat", json={"message": "하나"})).json()["conversation_id"]
        more = {"conversation_id": which, "message": "둘"}
        refused = await page.post("/chat", json=more)
        cancelled = [(await page.delete(f"/chat/{which}")).json() for _ in range(2)]
        both = await asyncio.gather(*(page.post("/chat", json=more) for _ in range(2)))
        stored = (await page.get(f"/chat/{which}?limit=1")).json()
        older = (await page.get(f"/chat/{which}?before={stored['next']}")).json()

    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:sns:problem:answer-open"
    assert [answer["cancelled"] for answer in cancelled] == [True, False]
    assert sorted(answer.status_code for answer in both) == [202, 409]
    assert [item["message"] for item in stored["items"] + older["items"]] == ["", "둘", "", "하나"]
    assert older["items"][1]["status"] == "cancelled"
    assert len(await messages_sent(database)) == 2


async def test_conversation_of_another_user_does_not_exist(
    api_edge: Server, make: Factory, database: AsyncEngine
) -> None:
    owner, other = (await make.user()).id or 0, (await make.user()).id or 0
    async with calling(api_edge.port, owner) as page:
        which = (await page.post("/chat", json={"message": "비밀"})).json()["conversation_id"]
    async with calling(api_edge.port, other) as page:
        tries = [
            await page.get(f"/chat/{which}"),
            await page.delete(f"/chat/{which}"),
            await page.post("/chat", json={"conversation_id": which, "message": "나도"}),
        ]
        nowhere = await page.get(f"/chat/{which + 1000}")

    assert [answer.status_code for answer in tries] == [404, 404, 404]
    assert {answer.text for answer in tries} == {nowhere.text}
    assert len(await messages_sent(database)) == 1


async def test_user_without_a_row_cannot_ask(api_edge: Server) -> None:
    async with calling(api_edge.port, 424242) as page:
        answer = await page.post("/chat", json={"message": "누구?"})

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:sns:problem:user-unknown"


async def test_where_nothing_answers_asking_says_so_and_writes_nothing(
    redis_url: str, database_url: str, database: AsyncEngine, make: Factory
) -> None:
    user = (await make.user()).id or 0
    async with (
        serving(redis_url, database_url=database_url) as edge,
        calling(edge.port, user) as page,
    ):
        answer = await page.post("/chat", json={"message": "안녕"})

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "the assistant is not available yet"
    assert await messages_sent(database) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": "   "},
        {"message": "x" * 8001},
        {"message": "nul\0"},
        {"message": 5},
        {"message": "a", "conversation_id": 0},
        {"message": "a", "conversation_id": 2**63},
        {"message": "a", "stray": 1},
    ],
)
async def test_question_of_another_form_is_refused_with_its_faults(
    api_edge: Server, body: dict[str, Any]
) -> None:
    async with calling(api_edge.port) as page:
        answer = await page.post("/chat", content=json.dumps(body), headers=JSON)

    assert answer.status_code == 422
    assert answer.json()["faults"][0]["where"].startswith("body.")


JSON = {"Content-Type": "application/json"}
