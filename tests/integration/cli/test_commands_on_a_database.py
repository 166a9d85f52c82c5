"""The commands that read and move rows, on the sample data."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import jwt
import pytest
import redis
from sqlalchemy import make_url

from engine.cli.folder import Folder
from engine.cli.sample import AUTHOR, load_sample
from engine.settings import Settings
from tests.running_command import sns

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    found = {
        **Folder.at(tmp_path).secrets(),
        "SNS_DATABASE_URL": database_url,
        "SNS_REDIS_URL": redis_url,
    }
    assert load_sample(Settings.load(found), sandbox_url="http://127.0.0.1:1")
    return found


@pytest.fixture
def run(settings: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    return lambda *arguments: sns(*arguments, settings=settings, cwd=tmp_path)


@pytest.fixture
def query(database_url: str) -> Callable[..., list[Any]]:
    """Rows of one statement."""
    url = make_url(database_url)

    async def ask(statement: str, *values: Any) -> list[Any]:
        connection = await asyncpg.connect(
            host=str(url.query["host"]), user=url.username, database=url.database
        )
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    return lambda *arguments: asyncio.run(ask(*arguments))


def test_the_sample_is_loaded_once(
    settings: dict[str, str], query: Callable[..., list[Any]]
) -> None:
    before = query("SELECT count(*) FROM contents")
    assert not load_sample(Settings.load(settings), sandbox_url="http://127.0.0.1:2")
    assert query("SELECT count(*) FROM contents") == before


def test_the_sample_has_every_role_platform_and_state(
    settings: dict[str, str], query: Callable[..., list[Any]]
) -> None:
    def words(statement: str) -> set[str]:
        return {row[0] for row in query(statement)}

    assert query("SELECT count(*) FROM clients")[0][0] == 3
    assert words("SELECT role FROM users") == {"admin", "manager", "operator", "client"}
    assert words("SELECT DISTINCT platform FROM platform_accounts") == {
        "instagram", "facebook", "threads", "youtube",
    }  # fmt: skip
    assert words("SELECT DISTINCT status FROM contents") == {
        "draft", "review", "rejected", "approved", "published",
    }  # fmt: skip
    sealed = query("SELECT platform_user_id, sealed_token FROM platform_accounts LIMIT 1")[0]
    token = Settings.load(settings).vault().open(sealed[1])
    assert token.reveal() == f"sandbox-token-{sealed[0]}"


def test_migrate_says_where_the_schema_is(run: Callable[..., Any]) -> None:
    done = run("migrate")
    assert done.returncode == 0
    assert done.stdout.startswith("the database is at schema ")


def test_a_token_says_who_the_user_is(run: Callable[..., Any], settings: dict[str, str]) -> None:
    by_email = run("token", "--user", AUTHOR).stdout.strip()
    claims = jwt.decode(
        by_email, settings["SNS_JWT_SECRET"], ["HS256"], audience="sns-edge", issuer="sns"
    )
    assert claims["roles"] == ["operator"]
    assert len(claims["clients"]) == 3
    assert {"exp", "iat", "jti"} <= set(claims)
    by_id = run("token", "--user", claims["sub"], "--role", "admin", "--ttl", "60", "--json")
    [answer] = json.loads(by_id.stdout)
    again = jwt.decode(answer["token"], settings["SNS_JWT_SECRET"], ["HS256"], audience="sns-edge")
    assert again["sub"] == claims["sub"] == str(answer["user_id"])
    assert again["roles"] == ["admin"]
    assert again["exp"] - again["iat"] == 60


def test_a_token_for_nobody_is_refused(run: Callable[..., Any]) -> None:
    done = run("token", "--user", "nobody@nowhere.example")
    assert done.returncode == 1
    assert "there is no user nobody@nowhere.example" in done.stderr


def test_publishing_sends_one_message_per_account(
    run: Callable[..., Any], query: Callable[..., list[Any]], redis_url: str
) -> None:
    content = query(
        "SELECT id FROM contents WHERE status = 'approved' AND scheduled_at > now() LIMIT 1"
    )[0][0]
    done = run("publish", str(content))
    assert done.returncode == 0, done.stderr
    assert f"content {content} is on its way to account" in done.stdout
    targets = query("SELECT count(*) FROM content_targets WHERE content_id = $1", content)[0][0]
    with redis.Redis.from_url(redis_url) as client:
        assert client.hlen("{sns}:critical.msgs") == targets


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("draft", "is draft; only an approved one is published"),
        ("review", "is review; only an approved one is published"),
        ("published", "is published already"),
    ],
)
def test_a_content_that_is_not_approved_is_refused(
    status: str, said: str, run: Callable[..., Any], query: Callable[..., list[Any]]
) -> None:
    content = query("SELECT id FROM contents WHERE status = $1 LIMIT 1", status)[0][0]
    done = run("publish", str(content))
    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize("command", ["publish", "attempts"])
def test_an_unknown_content_is_refused(command: str, run: Callable[..., Any]) -> None:
    done = run(command, "4711")
    assert done.returncode == 1
    assert "there is no content 4711" in done.stderr


def test_attempts_shows_the_ledger_in_seoul_time(
    run: Callable[..., Any], query: Callable[..., list[Any]]
) -> None:
    content = query("SELECT id FROM contents WHERE status = 'published' LIMIT 1")[0][0]
    shown = run("attempts", str(content)).stdout
    assert "success" in shown
    assert "accepted" in shown
    assert "10:00:00.000" in shown  # planned for ten in the morning in Seoul


def test_attempts_of_an_untried_content_says_so(
    run: Callable[..., Any], query: Callable[..., list[Any]]
) -> None:
    content = query("SELECT id FROM contents WHERE status = 'draft' LIMIT 1")[0][0]
    assert "nothing was tried yet" in run("attempts", str(content)).stdout


def test_a_dead_letter_is_listed_and_sent_again_as_a_row_of_the_outbox(
    run: Callable[..., Any], query: Callable[..., list[Any]]
) -> None:
    assert "no dead letters" in run("dead-letters", "list").stdout
    message = {
        "queue_name": "critical",
        "actor_name": "publish_to_platform",
        "args": [4711, 1],
        "kwargs": {},
        "options": {"message_key": "old", "trace_id": "t1"},
    }
    letter = query(
        "INSERT INTO dead_letters (redis_message_id, queue, actor, message, reason) "
        "VALUES ('r1', 'critical', 'publish_to_platform', $1, 'InvalidCommand: no content 4711') "
        "RETURNING id",
        json.dumps(message),
    )[0][0]
    shown = run("dead-letters", "list").stdout
    assert "InvalidCommand: no content 4711" in shown
    assert "4711, 1" in shown
    done = run("dead-letters", "replay", str(letter))
    assert done.returncode == 0, done.stderr
    [row] = query(
        "SELECT kind, actor, key, payload, trace_id, sent_at FROM outbox WHERE kind = 'message'"
    )
    assert (row["kind"], row["actor"], row["trace_id"]) == ("message", "publish_to_platform", "t1")
    assert json.loads(row["payload"]) == {"args": [4711, 1], "kwargs": {}}
    assert row["key"] != "old"
    assert "no dead letters" in run("dead-letters", "list").stdout
    assert "4711" in run("dead-letters", "list", "--all").stdout


def test_a_letter_that_does_not_exist_or_cannot_be_read_is_refused(
    run: Callable[..., Any], query: Callable[..., list[Any]]
) -> None:
    assert "there is no dead letter 99" in run("dead-letters", "replay", "99").stderr
    letter = query(
        "INSERT INTO dead_letters (redis_message_id, queue, actor, message, reason) "
        """VALUES ('r2', 'critical', '', '{"base64": "AA=="}', 'DecodeError') RETURNING id"""
    )[0][0]
    done = run("dead-letters", "replay", str(letter))
    assert done.returncode == 1
    assert "could not be read" in done.stderr


def test_doctor_finds_servers_that_answer(run: Callable[..., Any]) -> None:
    shown = run("doctor").stdout
    assert "database: reachable, at schema" in shown
    assert "redis: valkey 9" in shown


def test_revoking_takes_a_users_tokens_back(run: Callable[..., Any], redis_url: str) -> None:
    done = run("revoke", "--user", AUTHOR)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"revoked; \d+ edges? (was|were) told\n", done.stdout)
    assert run("revoke", "--user", "77", "--keep-days", "1").returncode == 0
    assert run("revoke", "--token-id", "t1").returncode == 0

    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        keys = client.keys("revoked:*")
        assert len(keys) == 3
        assert {"revoked:user:77", "revoked:token:t1"} < set(keys)
        assert 0 < client.ttl("revoked:user:77") <= 86_400

    done = run("revoke", "--user", "nobody@agency.example")
    assert done.returncode == 1
    assert "there is no user" in done.stderr
