"""The demo's posts: planned as the main API would plan them, by rows and nothing else."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from engine.cli.faults import CommandFailed
from engine.cli.sample import AUTHOR
from engine.cli.session import visit
from models.accounts import PlatformAccount
from models.contents import Content, ContentTarget
from models.people import User
from models.words import ContentStatus, Platform

SCENES = (
    "첫 손님을 기다리는 아침, 문을 열었습니다.",
    "오늘의 추천 메뉴를 소개합니다.",
    "주문하신 상품이 오늘 출발했어요.",
    "이번 주 후기 가운데 한 장을 골랐습니다.",
    "작업대 위의 오늘을 찍었습니다.",
    "주말 행사 준비가 한창입니다.",
)


@dataclass(frozen=True)
class PlannedPost:
    """One post that must appear once: on this account, with this caption, at this second."""

    content_id: int
    account: str
    caption: str
    planned_at: datetime


def plan_posts(
    database_url: str, *, count: int, over_s: int, first_at: datetime, sandbox_url: str
) -> list[PlannedPost]:
    """Insert approved contents that are due on whole seconds, spread evenly over ``over_s``.

    With more posts than seconds some are due together, on different accounts.
    """

    async def insert(session: AsyncSession) -> list[PlannedPost]:
        author = await session.scalar(select(User.id).where(col(User.email) == AUTHOR))
        accounts = (
            await session.scalars(
                select(PlatformAccount)
                .where(col(PlatformAccount.platform) == Platform.INSTAGRAM)
                .order_by(col(PlatformAccount.id))
            )
        ).all()
        if author is None or not accounts:
            raise CommandFailed("the sample data is incomplete; start in an empty folder")
        planned = []
        for number in range(count):
            account = accounts[number % len(accounts)]
            content = Content(
                client_id=account.client_id,
                created_by=author,
                title=f"시연 게시물 {number + 1}",
                body=f"{SCENES[number % len(SCENES)]}\n\n#하늘마케팅 #시연{number + 1}",
                media=[
                    {
                        "kind": "image",
                        "url": f"{sandbox_url}/sandbox/media/1080x1080/demo{number + 1}.jpg",
                        "alt_text": f"시연 사진 {number + 1}",
                    }
                ],
                status=ContentStatus.APPROVED,
                scheduled_at=first_at + timedelta(seconds=number * over_s // count),
            )
            session.add(content)
            planned.append((content, account))
        await session.flush()
        for content, account in planned:
            session.add(
                ContentTarget(content_id=content.id or 0, platform_account_id=account.id or 0)
            )
        return [
            PlannedPost(
                content_id=content.id or 0,
                account=account.platform_user_id,
                caption=content.body,
                planned_at=content.scheduled_at or first_at,
            )
            for content, account in planned
        ]

    return visit(database_url, insert)


def next_whole_second(after_s: float) -> datetime:
    """The first whole second that is at least ``after_s`` from now."""
    return (datetime.now(UTC) + timedelta(seconds=after_s + 1)).replace(microsecond=0)


def author_id(database_url: str) -> int:
    """Who watches the demo."""

    async def read(session: AsyncSession) -> int | None:
        return await session.scalar(select(User.id).where(col(User.email) == AUTHOR))

    found = visit(database_url, read)
    if found is None:
        raise CommandFailed("the sample data is missing; start in an empty folder")
    return found
