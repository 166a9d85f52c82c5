"""The demo's posts: planned as the main API would plan them, by rows and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from engine.cli.faults import CommandFailed
from engine.cli.sample import AUTHOR
from engine.cli.session import visit
from models.accounts import PlatformAccount
from models.contents import Content, ContentTarget
from models.people import User
from models.words import ContentStatus, Platform, PostFormat

SCENES = (
    "첫 손님을 기다리는 아침, 문을 열었습니다.",
    "오늘의 추천 메뉴를 소개합니다.",
    "주문하신 상품이 오늘 출발했어요.",
    "이번 주 후기 가운데 한 장을 골랐습니다.",
    "작업대 위의 오늘을 찍었습니다.",
    "주말 행사 준비가 한창입니다.",
)


@dataclass(frozen=True)
class Form:
    """One form that a post can take: which platform's kind it becomes, and from what."""

    platform: Platform
    kind: str
    format: PostFormat = PostFormat.POST
    pictures: int = 0
    videos: int = 0


FORMS = (
    Form(Platform.INSTAGRAM, "image", pictures=1),
    Form(Platform.FACEBOOK, "text"),
    Form(Platform.THREADS, "text"),
    Form(Platform.INSTAGRAM, "carousel", pictures=3),
    Form(Platform.FACEBOOK, "photo", pictures=1),
    Form(Platform.THREADS, "image", pictures=1),
    Form(Platform.INSTAGRAM, "story", PostFormat.STORY, pictures=1),
    Form(Platform.FACEBOOK, "photos", pictures=3),
    Form(Platform.THREADS, "carousel", pictures=2),
    Form(Platform.INSTAGRAM, "reel", PostFormat.REEL, videos=1),
    Form(Platform.FACEBOOK, "video", videos=1),
    Form(Platform.THREADS, "video", videos=1),
    Form(Platform.YOUTUBE, "short", PostFormat.REEL, videos=1),
    Form(Platform.FACEBOOK, "reel", PostFormat.REEL, videos=1),
    Form(Platform.YOUTUBE, "video", videos=1),
)
"""Every platform and every kind, those first that need no time to be prepared."""


@dataclass(frozen=True)
class PlannedPost:
    """One post that must appear once: on this account, with this caption, at this second."""

    content_id: int
    account: str
    caption: str
    planned_at: datetime
    platform: Platform = Platform.INSTAGRAM
    kind: str = "image"
    media_urls: frozenset[str] = frozenset()

    def is_shown_by(self, entry: Mapping[str, Any]) -> bool:
        """Whether a public post is this one. A story has no caption, but a picture of its own."""
        if entry["account"] != self.account:
            return False
        if self.kind == "story":
            return any(media.get("url") in self.media_urls for media in entry["media"])
        return bool(entry["caption"] == self.caption)


def plan_posts(
    database_url: str, *, count: int, over_s: int, first_at: datetime, sandbox_url: str
) -> list[PlannedPost]:
    """Insert approved contents of every form, due on whole seconds, spread evenly over ``over_s``.

    With more posts than seconds some are due together, on different accounts.
    """

    async def insert(session: AsyncSession) -> list[PlannedPost]:
        author = await session.scalar(select(User.id).where(col(User.email) == AUTHOR))
        accounts = (
            await session.scalars(select(PlatformAccount).order_by(col(PlatformAccount.id)))
        ).all()
        if author is None or not accounts:
            raise CommandFailed("the sample data is incomplete; start in an empty folder")
        turns = {
            platform: cycle([one for one in accounts if one.platform == platform])
            for platform in Platform
        }
        planned = []
        for number in range(count):
            form = FORMS[number % len(FORMS)]
            account = next(turns[form.platform])
            content = Content(
                client_id=account.client_id,
                created_by=author,
                title=f"시연 게시물 {number + 1}",
                body=f"{SCENES[number % len(SCENES)]}\n\n#하늘마케팅 #시연{number + 1}",
                media=_media(form, number + 1, sandbox_url),
                format=form.format,
                status=ContentStatus.APPROVED,
                scheduled_at=first_at + timedelta(seconds=number * over_s // count),
            )
            session.add(content)
            planned.append((content, account, form))
        await session.flush()
        for content, account, _ in planned:
            session.add(
                ContentTarget(content_id=content.id or 0, platform_account_id=account.id or 0)
            )
        return [
            PlannedPost(
                content_id=content.id or 0,
                account=account.platform_user_id,
                caption=content.body,
                planned_at=content.scheduled_at or first_at,
                platform=form.platform,
                kind=form.kind,
                media_urls=frozenset(item["url"] for item in content.media),
            )
            for content, account, form in planned
        ]

    return visit(database_url, insert)


def _media(form: Form, number: int, sandbox_url: str) -> list[dict[str, Any]]:
    """Pictures and videos of the sandbox's own, each at an address that no other post uses."""
    # A video is upright unless it is to be watched as one: YouTube calls upright ones Shorts.
    size = "1280x720" if form.kind == "video" else "720x1280"
    at = f"{sandbox_url}/sandbox/media"
    pictures = [
        {
            "kind": "image",
            "url": f"{at}/1080x1080/demo{number}-{place}.jpg",
            "alt_text": f"시연 사진 {number}-{place}",
        }
        for place in range(1, form.pictures + 1)
    ]
    # Few different ones: making a video costs the machine more than publishing it.
    videos = [
        {"kind": "video", "url": f"{at}/{size}/demo.mp4?seconds=4"} for _ in range(form.videos)
    ]
    return pictures + videos


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
