"""The limits of calls on the real sandbox: slower when near, and silent when spent."""

from collections.abc import AsyncIterator

import pytest

from engine.errors import Throttled
from engine.platforms.graph import GraphClient
from engine.platforms.usage import UsageBook
from engine.ports import AccountAccess
from models.accounts import AccessToken
from tests.running_sandbox import RunningSandbox

INSTAGRAM = "17841400000000001"
PAGE = "1040000000001"


class Graph:
    """A client that notes how long it would have waited."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.waits: list[float] = []
        self.client = GraphClient(
            f"{sandbox.base_url}/v26.0",
            publish_timeout_s=5,
            usage=UsageBook(sleep=self.wait),
        )

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def access(self, account: str) -> AccountAccess:
        return AccountAccess(account, AccessToken(self.sandbox.token(account)))

    async def call(self, how: str, account: str = PAGE) -> None:
        access = self.access(account)
        match how:
            case "get":
                await self.client.get(access, f"/{account}/published_posts", {"fields": "id"})
            case "delete":
                await self.client.delete(access, "/404")
            case "post":
                form = {"message": "안녕", "published": "false"}
                await self.client.post(access, f"/{account}/feed", form)
            case "visible":
                await self.client.post_visibly(access, f"/{account}/feed", {"message": "안녕"})


@pytest.fixture
async def graph(sandbox: RunningSandbox) -> AsyncIterator[Graph]:
    graph = Graph(sandbox)
    yield graph
    await graph.client.close()


async def test_calls_nobody_sees_slow_down_as_the_apps_limit_comes_near(graph):
    graph.sandbox.switch(app_usage_percent=90)
    await graph.call("get")
    assert graph.waits == []
    for how in ("get", "post", "delete"):
        await graph.call(how)
    assert graph.waits == pytest.approx([40 / 19] * 3)


async def test_visible_call_is_never_slowed(graph):
    graph.sandbox.switch(app_usage_percent=99)
    await graph.call("get")
    await graph.call("visible")
    assert graph.waits == []
    assert len(graph.sandbox.posts(PAGE)) == 1


@pytest.mark.parametrize("how", ["get", "post", "delete", "visible"])
async def test_no_call_leaves_while_the_apps_limit_is_spent(graph, how):
    graph.sandbox.switch(app_usage_percent=100)
    await graph.call("get")
    with pytest.raises(Throttled) as caught:
        await graph.call(how, "1040000000002")
    assert caught.value.scope == "app"
    assert caught.value.retry_after_s == pytest.approx(300, abs=5)
    assert len(graph.sandbox.requests()) == 1


@pytest.mark.parametrize("how", ["get", "visible"])
@pytest.mark.parametrize(
    ("account", "code", "scope"), [(PAGE, "80001", "page"), (INSTAGRAM, "80002", "account")]
)
async def test_account_that_the_platform_refused_is_not_asked_again(
    graph, how, account, code, scope
):
    graph.sandbox.switch(call_budget=1)
    await graph.call("get" if account == PAGE else "delete", account)
    with pytest.raises(Throttled) as refused:
        await graph.call("delete", account)
    assert (refused.value.code, refused.value.scope) == (code, scope)
    asked = len(graph.sandbox.requests())
    with pytest.raises(Throttled) as held:
        await graph.call(how, account)
    assert (held.value.code, held.value.scope) == ("usage-spent", scope)
    assert held.value.retry_after_s == pytest.approx(86_400, abs=120)
    assert len(graph.sandbox.requests()) == asked


async def test_other_accounts_go_on_beside_a_spent_one(graph):
    graph.sandbox.switch(call_budget=1)
    await graph.call("get")
    with pytest.raises(Throttled):
        await graph.call("get")
    await graph.call("get", "1040000000002")
