"""Rows with sane defaults: say only what the test is about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from models.accounts import AccessToken, AccountStatus, Platform, PlatformAccount, TokenVault
from models.contents import Content, ContentStatus, ContentTarget
from models.people import Client, Role, User

_numbers = count(1)
TOKEN_KEY = Fernet.generate_key().decode()
VAULT = TokenVault([TOKEN_KEY])


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


class Factory:
    """Inserts rows into one database."""

    def __init__(self, database: AsyncEngine, *, picture: str = "https://example.com/a.jpg"):
        self.database = database
        self.picture = picture
        self._client: Client | None = None
        self._author: User | None = None

    async def add(self, row: SQLModel) -> Any:
        async with AsyncSession(self.database, expire_on_commit=False) as session:
            session.add(row)
            await session.commit()
        return row

    async def user(self, *, role: Role = Role.OPERATOR) -> User:
        number = next(_numbers)
        return await self.add(
            User(email=f"user{number}@example.com", name=f"사용자 {number}", role=role)
        )

    async def client(self) -> Client:
        return await self.add(Client(name=f"고객사 {next(_numbers)}"))

    async def account(
        self,
        *,
        client: Client | None = None,
        token: str | None = "default",
        status: AccountStatus = AccountStatus.ACTIVE,
        platform: Platform = Platform.INSTAGRAM,
    ) -> PlatformAccount:
        number = next(_numbers)
        user_id = f"1784{number:010d}"
        if token == "default":
            token = f"sandbox-token-{user_id}"
        return await self.add(
            PlatformAccount(
                client_id=(client or await self.default_client()).id,
                platform=platform,
                platform_user_id=user_id,
                username=f"brand{number}",
                status=status,
                sealed_token=None if token is None else VAULT.seal(AccessToken(token)),
            )
        )

    async def default_client(self) -> Client:
        self._client = self._client or await self.client()
        return self._client

    async def default_author(self) -> User:
        self._author = self._author or await self.user()
        return self._author

    async def content(
        self,
        *accounts: PlatformAccount,
        due_in_s: float | None = 1.0,
        body: str | None = None,
        media: Sequence[dict[str, Any]] | None = None,
        status: ContentStatus = ContentStatus.APPROVED,
        author: User | None = None,
        **details: Any,
    ) -> Content:
        """A content for ``accounts``, approved and due in a second unless told otherwise.

        ``details`` are further columns, such as ``format`` and ``options``.
        """
        number = next(_numbers)
        content = Content(
            client_id=accounts[0].client_id if accounts else (await self.default_client()).id,
            created_by=(author or await self.default_author()).id,
            title=f"콘텐츠 {number}",
            body=f"오늘의 소식 {number} #{number}" if body is None else body,
            media=[{"kind": "image", "url": self.picture}] if media is None else list(media),
            status=status,
            scheduled_at=None if due_in_s is None else in_seconds(due_in_s),
            **details,
        )
        async with AsyncSession(self.database, expire_on_commit=False) as session:
            session.add(content)
            await session.flush()
            session.add_all(
                ContentTarget(content_id=content.id, platform_account_id=account.id)
                for account in accounts
            )
            await session.commit()
        return content
