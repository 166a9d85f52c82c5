"""The double's calls about tokens."""

from collections.abc import Iterator

import httpx
import pytest

from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000088"
TOKEN = RunningSandbox.token(ACCOUNT)
EXCHANGE = {"grant_type": "fb_exchange_token", "client_id": "1", "client_secret": "s"}


@pytest.fixture
def http(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.base_url, trust_env=False) as client:
        sandbox.add_account(ACCOUNT)
        yield client


def test_a_short_token_is_exchanged_for_one_of_sixty_days(
    http: httpx.Client, sandbox: RunningSandbox
) -> None:
    wanted = {**EXCHANGE, "fb_exchange_token": TOKEN}
    got = http.get("/v26.0/oauth/access_token", params=wanted).json()
    assert got["expires_in"] == 60 * 86_400
    for token in (got["access_token"], TOKEN):  # the old one holds until its own end
        assert http.get("/v26.0/me", params={"access_token": token}).json()["id"] == ACCOUNT
    sandbox.switch(app_secret="right")
    assert http.get("/v26.0/oauth/access_token", params=wanted).json()["error"]["code"] == 1


def test_a_page_may_come_without_its_token(http: httpx.Client, sandbox: RunningSandbox) -> None:
    pages = {"access_token": TOKEN}
    [page] = http.get("/v26.0/me/accounts", params=pages).json()["data"]
    assert page["access_token"] == TOKEN
    sandbox.switch(pages_without_token=True)
    [page] = http.get("/v26.0/me/accounts", params=pages).json()["data"]
    assert "access_token" not in page


def test_a_renewed_token_ends_by_the_sandboxs_clock(
    http: httpx.Client, sandbox: RunningSandbox
) -> None:
    wanted = {"grant_type": "ig_refresh_token", "access_token": TOKEN}
    token = http.get("/v25.0/refresh_access_token", params=wanted).json()["access_token"]
    sandbox.advance(61 * 86_400)
    error = http.get("/v25.0/me", params={"access_token": token}).json()["error"]
    assert (error["code"], error["error_subcode"]) == (190, 463)


def test_each_host_takes_its_own_grant_type_only(http: httpx.Client) -> None:
    wanted = {"grant_type": "ig_refresh_token", "access_token": TOKEN}
    assert http.get("/v1.0/refresh_access_token", params=wanted).json()["error"]["code"] == 100


def test_debug_token_tells_why_a_token_is_dead(http: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.change_token(ACCOUNT, subcode=467)
    wanted = {"input_token": TOKEN, "access_token": "1|s"}
    data = http.get("/v26.0/debug_token", params=wanted).json()["data"]
    assert (data["is_valid"], data["error"]["subcode"]) == (False, 467)
    wanted["input_token"] = "nobody's"
    assert not http.get("/v26.0/debug_token", params=wanted).json()["data"]["is_valid"]
