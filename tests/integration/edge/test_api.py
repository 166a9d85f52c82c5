"""What every part of the HTTP API has in common: who asks, what is refused, and how."""

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from edge.server import Server
from engine.cli.servers import Postgres
from models.revocation import revoke_token
from tests.factories import Factory
from tests.integration.edge.calling import calling, notify_user
from tests.integration.edge.harness import PATIENCE_S, serving, token

pytestmark = pytest.mark.integration

JSON = {"Content-Type": "application/json"}


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    return problem


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer nonsense", "Basic dXNlcjpwYXNz",
        f"Bearer {token(aud='someone-else')}", f"Bearer {token(expires_in_s=-5)}",
    ],
)  # fmt: skip
async def test_without_a_good_token_there_is_nothing(
    edge: Server, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{edge.port}", trust_env=False) as page:
        for method, path in (
            ("GET", "/notifications"), ("GET", "/notifications/unread"),
            ("POST", "/notifications/read"), ("POST", "/chat"), ("DELETE", "/chat/1"),
        ):  # fmt: skip
            answer = await page.request(method, path, headers=headers)
            problem = assert_problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert problem["type"] == "urn:sns:problem:token-invalid"


async def test_revoked_token_opens_nothing(edge: Server, client: Redis) -> None:
    await revoke_token(client, "page-9")
    async with calling(edge.port, 9, Authorization=f"Bearer {token(9, jti='page-9')}") as page:
        assert_problem(await page.get("/notifications"), 401)


async def test_token_in_the_url_is_not_taken_where_a_header_can_be_sent(edge: Server) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{edge.port}", trust_env=False) as page:
        assert_problem(await page.get(f"/notifications?token={token()}"), 401)


async def test_unknown_path_and_method_are_problems_as_well(edge: Server) -> None:
    async with calling(edge.port) as page:
        assert_problem(await page.get("/nowhere"), 404)
        answer = await page.put("/notifications")
        assert_problem(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_body_is_bounded_and_must_be_json(edge: Server) -> None:
    async with calling(edge.port) as page:
        big = await page.post("/chat", content=b" " * 70_000, headers=JSON)
        assert_problem(big, 413)
        assert "connection" not in big.headers

        async def trickle() -> Any:
            for _ in range(70):
                yield b" " * 1000

        assert_problem(await page.post("/chat", content=trickle(), headers=JSON), 413)
        assert_problem(await page.post("/chat", content=b"{}"), 415)
        assert_problem(await page.post("/chat", content=b"{", headers=JSON), 400)
        assert_problem(await page.post("/chat", content=b"\xff", headers=JSON), 400)
        assert_problem(await page.post("/chat", content=b"[" * 60_000, headers=JSON), 400)
        lone = b'{"message": "\\ud800"}'
        assert_problem(await page.post("/chat", content=lone, headers=JSON), 400)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=x", "before=0", "before=99999999999999999999",
        "priority=loud", "unread=perhaps", "kind=%00", "limit=1&limit=2", "stray=1",
        "kind=" + "k" * 101,
    ],
)  # fmt: skip
async def test_query_of_another_form_is_refused_by_name(edge: Server, query: str) -> None:
    async with calling(edge.port) as page:
        problem = assert_problem(await page.get(f"/notifications?{query}"), 422)

    assert problem["faults"][0]["where"].startswith(f"query.{query.partition('=')[0]}")


async def test_ids_of_a_reading_are_bounded(edge: Server) -> None:
    async with calling(edge.port) as page:
        for ids in ([], list(range(1, 502)), [0], [2**63], ["1; drop"], None):
            assert_problem(await page.post("/notifications/read", json={"ids": ids}), 422)


async def test_page_of_an_allowed_origin_may_read_and_another_may_not(redis_url: str) -> None:
    ours, theirs = "https://app.example.com", "https://evil.example"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    async with (
        serving(redis_url, edge_allowed_origins=ours) as edge,
        calling(edge.port) as page,
    ):
        preflight = await page.options("/notifications/read", headers={"Origin": ours} | asked)
        refused = await page.options("/notifications/read", headers={"Origin": theirs} | asked)
        allowed = await page.post("/notifications/read", json={}, headers={"Origin": ours})
        stranger = await page.post("/notifications/read", json={}, headers={"Origin": theirs})

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ours
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert_problem(refused, 403)
    assert "access-control-allow-origin" not in refused.headers
    assert_problem(allowed, 422)
    assert allowed.headers["access-control-allow-origin"] == ours
    assert allowed.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in allowed.headers
    assert_problem(stranger, 403)


async def test_without_a_database_events_flow_and_the_rest_says_try_later(redis_url: str) -> None:
    nowhere = "postgresql+asyncpg://sns@127.0.0.1:1/sns"
    async with serving(redis_url, database_url=nowhere) as edge, calling(edge.port) as page:
        answer = await page.get("/notifications")
        ready = await page.get("/readyz")

    assert assert_problem(answer, 503)["type"] == "urn:sns:problem:database-unavailable"
    assert answer.headers["retry-after"] == "2"
    assert ready.status_code == 200
    assert ready.text.splitlines() == ["ready", "redis: ok", "database: ConnectionRefusedError"]


async def test_edge_finds_a_database_whose_connections_were_cut(
    api_edge: Server, postgres: Postgres, make: Factory
) -> None:
    user = (await make.user()).id or 0
    await notify_user(make.database, user, "here")
    async with calling(api_edge.port, user) as page:
        assert len((await page.get("/notifications")).json()["items"]) == 1
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'sns-edge'"
        )

        assert len((await page.get("/notifications")).json()["items"]) == 1
        assert (await page.get("/readyz")).text.endswith("database: ok\n")


async def test_user_who_asks_too_often_is_told_when_to_ask_again(redis_url: str) -> None:
    async with (
        serving(redis_url, edge_requests_per_s=0.5, edge_requests_burst=2) as edge,
        calling(edge.port, 7) as eager,
        calling(edge.port, 8) as other,
    ):
        answers = [await eager.get("/notifications?limit=x") for _ in range(3)]
        calm = await other.get("/notifications?limit=x")

    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert assert_problem(answers[2], 429)["type"] == "urn:sns:problem:too-fast"
    assert answers[2].headers["retry-after"] == "2"
    assert calm.status_code == 422


async def test_body_that_never_ends_holds_no_one_for_long(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.bodies.BODY_S", 0.2)
    async with serving(redis_url) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(
            f"POST /chat HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {token()}\r\n"
            "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{".encode()
        )
        async with asyncio.timeout(PATIENCE_S):
            received = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert received.startswith(b"HTTP/1.1 408 ")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
async def test_random_requests_are_answered_and_never_by_a_fault(
    edge: Server, data: st.DataObject
) -> None:
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    path = data.draw(
        st.sampled_from(
            [
                "/notifications", "/notifications/read", "/notifications/read-all",
                "/notifications/unread", "/chat", "/chat/1", "/chat/%00", "/chat/-1",
                "/openapi.json", "/asyncapi.json", "/docs/events", "/healthz",
            ]
        )
    )  # fmt: skip
    query = data.draw(st.dictionaries(st.sampled_from(["limit", "before", "kind", "token"]) | text,
                                      text, max_size=3))  # fmt: skip
    body = data.draw(st.binary(max_size=50) | st.just(b'{"message": "\\u0000"}'))
    method = data.draw(st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"]))
    user_id = data.draw(st.integers(1, 10**6))
    async with calling(edge.port, user_id) as page:
        answer = await page.request(method, path, params=query, content=body, headers=JSON)

    assert answer.status_code < 500 or answer.status_code == 503
    if answer.status_code >= 400 and method != "HEAD":
        assert_problem(answer, answer.status_code)
