"""The adapter that docs/adding-a-platform.md shows passes the exam of all adapters."""

import asyncio
import inspect
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.errors import OutcomeUnknown, RetryLater
from engine.ports import AccountAccess, Container, Post
from models.accounts import AccessToken
from tests.contracts import test_platform_client as exam
from tests.contracts.levers import ACCOUNT

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-platform.md").read_text()
WITHOUT_A_PLACE = {"comment", "deleted"}  # what a notice has not
CASES = [
    test
    for name, test in inspect.getmembers(exam, inspect.iscoroutinefunction)
    if name.startswith("test_")
    and list(inspect.signature(test).parameters) == ["platform"]
    and not WITHOUT_A_PLACE & set(name.split("_"))
]


class Noticeboard:
    """The platform itself, as the page describes it."""

    def __init__(self) -> None:
        self.drafts: dict[str, dict[str, Any]] = {}
        self.drops: list[str] = []  # paths' ends whose next answer is lost
        self.app = Starlette(
            routes=[
                Route("/boards/{board}/drafts", self._draft, methods=["POST"]),
                Route("/drafts/{id}", self._read),
                Route("/drafts/{id}/pin", self._pin, methods=["POST"]),
                Route("/boards/{board}/notices", self._list),
            ]
        )

    def _board_of(self, request: Request) -> str | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return token.removeprefix("board-") if token.startswith("board-") else None

    def _own(self, request: Request) -> dict[str, Any] | None:
        draft = self.drafts.get(request.path_params["id"])
        mine = draft is not None and draft["board"] == self._board_of(request)
        return draft if mine else None

    def _answer(self, request: Request, value: dict[str, Any]) -> Response:
        path = request.url.path
        for end in self.drops:
            if path.endswith(end) or end in path:
                self.drops.remove(end)
                return Response("lost", 503)
        return JSONResponse(value)

    async def _draft(self, request: Request) -> Response:
        board, text = self._board_of(request), (await request.json())["text"]
        if board is None:
            return Response(status_code=401)
        if len(text) > 200:
            return Response(status_code=422)
        draft = {"id": f"n{len(self.drafts)}", "board": board, "text": text, "state": "draft"}
        self.drafts[draft["id"]] = draft
        return self._answer(request, {"id": draft["id"]})

    async def _read(self, request: Request) -> Response:
        if self._board_of(request) is None:
            return Response(status_code=401)
        draft = self._own(request)
        return Response(status_code=404) if draft is None else self._answer(request, draft)

    async def _pin(self, request: Request) -> Response:
        if self._board_of(request) is None:
            return Response(status_code=401)
        draft = self._own(request)
        if draft is None:
            return Response(status_code=404)
        if draft["state"] == "old":
            return Response(status_code=410)
        draft["state"] = "pinned"
        draft.setdefault("at", datetime.now(UTC).isoformat())
        return self._answer(request, {"id": draft["id"]})

    async def _list(self, request: Request) -> Response:
        since = float(request.query_params["since"])
        board = self._board_of(request)
        notices = [
            {"id": one["id"], "text": one["text"], "at": one["at"]}
            for one in reversed(self.drafts.values())
            if one["board"] == board
            and one["state"] == "pinned"
            and datetime.fromisoformat(one["at"]).timestamp() >= since
        ]
        return self._answer(request, {"notices": notices})


class NoticeboardPlatform:
    """The adapter of the page, and the levers of its platform."""

    kind = "notice"
    too_long = "가" * 201
    takes_time = False
    expires = True
    token_code = "401"
    sends_text_last = False
    takes_comments = False
    says_quota = False

    def __init__(self, client: Any, board: Noticeboard) -> None:
        self.client = client
        self.board = board

    def access(self, account: str = ACCOUNT) -> AccountAccess:
        return AccountAccess(account, AccessToken(f"board-{account}"))

    def post(self, text: str = "안녕하세요") -> Post:
        return Post(text, ())

    def live_count(self) -> int:
        return sum(
            one["board"] == ACCOUNT and one["state"] == "pinned"
            for one in self.board.drafts.values()
        )

    def hold(self, container: Container) -> None:
        """A notice is ready as soon as it is written: there is nothing to hold up."""

    def release(self, container: Container) -> None:
        """Nothing was held up."""

    def expire(self, container: Container) -> None:
        self.board.drafts[container.id]["state"] = "old"

    def lose_answer(self, method: str) -> None:
        ends = {"publish": "/pin", "prepare": "/drafts", "list_posts": "/notices"}
        self.board.drops.append(ends.get(method, "/drafts/"))


@pytest.fixture
async def platform() -> AsyncIterator[NoticeboardPlatform]:
    [source] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module = ModuleType("noticeboard")
    exec(compile(source, "docs/adding-a-platform.md", "exec"), module.__dict__)  # noqa: S102
    board = Noticeboard()
    server = uvicorn.Server(
        uvicorn.Config(board.app, host="127.0.0.1", port=0, log_level="warning", ws="none")
    )
    serving = asyncio.create_task(server.serve())
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    client = module.NoticeboardClient(f"http://127.0.0.1:{port}", publish_timeout_s=5)
    yield NoticeboardPlatform(client, board)
    await client.close()
    server.should_exit = True
    await serving


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_the_worked_example_passes_the_contract(
    platform: NoticeboardPlatform, case: Any
) -> None:
    await case(platform)


async def test_a_lost_answer_to_its_visible_call_is_unknown(platform: NoticeboardPlatform) -> None:
    access = platform.access()
    container = Container(
        await platform.client.prepare(access, platform.post(), None), platform.kind
    )
    platform.lose_answer("publish")
    with pytest.raises(OutcomeUnknown):
        await platform.client.publish(access, container, platform.post())
    assert platform.live_count() == 1
    reading = await platform.client.read_container(access, container)
    assert reading.post_id == container.id


async def test_a_lost_answer_to_another_call_may_be_asked_again(
    platform: NoticeboardPlatform,
) -> None:
    platform.lose_answer("prepare")
    with pytest.raises(RetryLater):
        await platform.client.prepare(platform.access(), platform.post(), None)
    assert platform.live_count() == 0


def test_the_exam_is_not_empty() -> None:
    assert len(CASES) >= 12
