"""The load: contents with unique words, scheduled or asked for at once."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import asyncpg
from dramatiq import Message
from dramatiq.errors import ConnectionClosed

from engine.brokers import Tiers, connect
from models.accounts import AccessToken, TokenVault
from tests.chaos.publishing.kinds import Kind
from tests.chaos.publishing.servers import Servers

POSTS_PER_ACCOUNT = 3
FREE_ACCOUNTS = 12  # to choose from, for each kind
PREFIX = {"instagram": "1784", "facebook": "1001", "threads": "2784", "youtube": "UC"}


@dataclass(slots=True)
class Intent:
    """One content on one account: what has to become one post, or none for a stated reason.

    Attributes:
        cancel: None, ``honoured`` when the withdrawal was committed, ``refused`` when not.
    """

    number: int
    content_id: int
    account_id: int
    user_id: str
    kind: Kind
    words: str
    cancel: str | None = None


@dataclass(slots=True)
class Account:
    """A row of ``platform_accounts`` that is used for a few posts."""

    id: int
    user_id: str
    uses: int = 0


class Load:
    """Makes intents until told to stop.

    Args:
        servers: where they go.
        vault: seals the accounts' tokens.
        kinds: taken in turn.
        dice: everything else is its choice.
        lead_s: how long before its due time a content is approved, at least and at most.
        in_flight: how many may be open at once.
        cancels: share of scheduled contents that are withdrawn at about their due second.
        commands: share that is asked for at once instead of scheduled.
        pairs: share that goes to two accounts.
        new_account_each: no account is used twice.
    """

    def __init__(
        self,
        servers: Servers,
        vault: TokenVault,
        kinds: Sequence[Kind],
        dice: Random,
        *,
        lead_s: tuple[float, float],
        in_flight: int,
        cancels: float = 0.0,
        commands: float = 0.0,
        pairs: float = 0.0,
        new_account_each: bool = False,
    ) -> None:
        self._servers = servers
        self._vault = vault
        self._kinds = kinds
        self._dice = dice
        self._lead_s = lead_s
        self._in_flight = in_flight
        self._shares = (cancels, commands, pairs)
        self._new_account_each = new_account_each
        self._accounts: defaultdict[Kind, list[Account]] = defaultdict(list)
        self._made = 0
        self._is_enough = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._client_id = self._author_id = 0
        self.intents: list[Intent] = []

    def start(self) -> asyncio.Task[None]:
        """Begin; the task only ends early by a fault."""
        self._running = asyncio.create_task(self.run())
        return self._running

    async def prepare(self) -> None:
        """An agency of its own."""
        [row] = await self._servers.ask(
            "INSERT INTO clients (name) VALUES ('혼돈 시험') RETURNING id"
        )
        self._client_id = row["id"]
        [row] = await self._servers.ask(
            "INSERT INTO users (email, name, role)"
            " VALUES ('chaos@example.com', '혼돈 시험', 'operator') RETURNING id"
        )
        self._author_id = row["id"]
        # No actor is imported here: the message is what the main API would send.
        self._tiers = Tiers(connect=lambda: connect(self._servers.redis_url))

    async def run(self) -> None:
        """Keep so many intents open, until :meth:`finish`."""
        while not self._is_enough:
            [row] = await self._servers.ask(
                "SELECT count(*) AS ended FROM publishing_logs"
                " WHERE status NOT IN ('pending', 'staged', 'sending', 'in_doubt')"
            )
            room = self._in_flight - (len(self.intents) - row["ended"])
            # A few at a time, so that they are claimed by different workers.
            for _ in range(min(room, 2)):
                await self._make_one()
            await asyncio.sleep(self._dice.uniform(0.03, 0.1))

    async def finish(self) -> None:
        """Make no more, and wait for the withdrawals and commands that are still to come."""
        self._is_enough = True
        await self._running
        await asyncio.gather(*self._tasks)
        self._tiers.close()

    async def _make_one(self) -> None:
        kind = self._kinds[self._made % len(self._kinds)]
        self._made += 1
        cancels, commands, pairs = self._shares
        fate = self._dice.random()
        accounts = [await self._account(kind)]
        if fate > 1 - pairs:
            accounts.append(await self._account(kind, besides=accounts[0]))
        words = f"오늘의 소식 {self._made}번 #소식{self._made}"
        lead_s = self._dice.uniform(*self._lead_s)
        due_at = datetime.now(UTC) + timedelta(seconds=lead_s)
        is_command = cancels <= fate < cancels + commands
        content_id = await self._insert(
            kind, words, accounts, due_at=None if is_command else due_at
        )
        intents = [
            Intent(self._made, content_id, account.id, account.user_id, kind, words)
            for account in accounts
        ]
        self.intents += intents
        if is_command:
            self._later(self._send_command(content_id, accounts[0].id))
        elif fate < cancels:
            at_s = lead_s + self._dice.uniform(-0.25, 0.15)
            self._later(self._withdraw(intents, after_s=at_s))

    async def _account(self, kind: Kind, *, besides: Account | None = None) -> Account:
        known = self._accounts[kind]
        most = 1 if kind.shows is None or self._new_account_each else POSTS_PER_ACCOUNT
        known[:] = [account for account in known if account.uses < most]
        if len(known) < FREE_ACCOUNTS:
            known.append(await self._new_account(kind))
        account = self._dice.choice([account for account in known if account is not besides])
        account.uses += 1
        return account

    async def _new_account(self, kind: Kind) -> Account:
        user_id = f"{PREFIX[kind.platform]}{self._dice.randrange(10**12):012d}"
        [row] = await self._servers.ask(
            """
            INSERT INTO platform_accounts
                (client_id, platform, platform_user_id, username, status, sealed_token)
            VALUES ($1, $2, $3, $4, 'active', $5)
            ON CONFLICT (platform, platform_user_id)
                DO UPDATE SET sealed_token = excluded.sealed_token
            RETURNING id
            """,
            self._client_id,
            str(kind.platform),
            user_id,
            f"brand{user_id}",
            self._vault.seal(AccessToken(f"sandbox-token-{user_id}")),
        )
        return Account(row["id"], user_id)

    async def _insert(
        self, kind: Kind, words: str, accounts: Sequence[Account], *, due_at: datetime | None
    ) -> int:
        [row] = await self._servers.ask(
            """
            WITH new AS (
                INSERT INTO contents
                    (client_id, created_by, title, body, media, format, status, scheduled_at)
                SELECT $1, $2, $3, $3, $4::jsonb, $5, 'approved', $6
                WHERE NOT EXISTS (SELECT FROM contents WHERE body = $3)
                RETURNING id
            ), targets AS (
                INSERT INTO content_targets (content_id, platform_account_id)
                SELECT new.id, account_id FROM new, unnest($7::bigint[]) AS account_id
            )
            SELECT id FROM new UNION ALL SELECT id FROM contents WHERE body = $3
            """,
            self._client_id,
            self._author_id,
            words,
            json.dumps(kind.media_at(self._servers.sandbox.url)),
            str(kind.format),
            due_at,
            [account.id for account in accounts],
        )
        return int(row["id"])

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_command(self, content_id: int, account_id: int) -> None:
        """As the main API does: until Redis has surely got it, which may be twice."""
        message: Message[Any] = Message(
            queue_name="critical",
            actor_name="publish_to_platform",
            args=(content_id, account_id),
            kwargs={},
            options={},
        )
        while True:
            try:
                await asyncio.to_thread(self._tiers["critical"].enqueue, message)
            except ConnectionClosed:
                await asyncio.sleep(0.1)
            else:
                return

    async def _withdraw(self, intents: Sequence[Intent], *, after_s: float) -> None:
        await asyncio.sleep(max(0.0, after_s))
        content_id = intents[0].content_id
        with suppress(asyncpg.PostgresError):  # SN001: it is being sent
            await self._servers.ask(
                "UPDATE contents SET status = 'draft' WHERE id = $1 AND status = 'approved'",
                content_id,
            )
        [row] = await self._servers.ask("SELECT status FROM contents WHERE id = $1", content_id)
        for intent in intents:
            intent.cancel = "honoured" if row["status"] == "draft" else "refused"
