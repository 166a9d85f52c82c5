"""Sample data: one Korean agency, its three clients, their accounts, contents in every state.

Loaded once, in one transaction: a second call finds the agency and changes nothing.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from engine.cli.seoul import SEOUL
from engine.settings import Settings
from models.accounts import AccessToken, AccountStatus, PlatformAccount, TokenVault
from models.contents import Content, ContentTarget
from models.database import open_database
from models.notices import Notification
from models.people import Client, ClientMember, Role, User
from models.publishing import PublishingAttempt, PublishingLog, PublishingStatus
from models.words import ContentStatus, Platform, PostFormat, Priority

LOCK = 0x534E5301  # any number that nothing else locks

AUTHOR = "haeun.lee@haneul.example"
"""The operator who writes the sample's contents, and the demo's."""

AGENCY = (
    (Role.ADMIN, "jiwon.kim@haneul.example", "김지원"),
    (Role.MANAGER, "seojun.park@haneul.example", "박서준"),
    (Role.OPERATOR, AUTHOR, "이하은"),
    (Role.OPERATOR, "minjae.choi@haneul.example", "최민재"),
)


@dataclass(frozen=True)
class Brand:
    """A client, the person who speaks for it, and what its accounts are called."""

    name: str
    email: str
    person: str
    handle: str
    number: int

    def accounts(self) -> list[tuple[Platform, str, str]]:
        """``(platform, id on the platform, user name)`` of each account."""
        base = 17_841_400_000_000_000 + self.number * 100
        return [
            (Platform.INSTAGRAM, str(base + 1), self.handle),
            (Platform.INSTAGRAM, str(base + 2), f"{self.handle}.daily"),
            (Platform.FACEBOOK, str(1_002_003_000 + self.number), self.handle),
            (Platform.THREADS, str(base + 3), self.handle),
            (Platform.YOUTUBE, f"UCsample{self.number:016d}", self.handle),
        ]


BRANDS = (
    Brand("온도커피 로스터스", "daeun.jung@ondocoffee.example", "정다은", "ondo.coffee", 1),
    Brand("바른걸음 슈즈", "doyun.kang@barun.example", "강도윤", "barun.walk", 2),
    Brand("제주담은 농장", "sora.yoon@jejudam.example", "윤소라", "jejudam.farm", 3),
)


@dataclass(frozen=True)
class Piece:
    """A content of a brand; ``due_in`` from the moment of loading, negative when it is over.

    ``accounts`` are places in ``Brand.accounts()``; a reel is made of a film instead of a picture.
    """

    brand: int
    title: str
    body: str
    status: ContentStatus
    due_in: timedelta | None = None
    failed: str | None = None
    accounts: tuple[int, ...] = (0,)
    format: PostFormat = PostFormat.POST


PIECES = (
    Piece(
        0,
        "겨울 시즌 블렌드 출시",
        "첫눈을 기다리는 마음으로 볶았어요. 구운 헤이즐넛과 다크초콜릿의 여운, "
        "겨울 시즌 블렌드 ‘첫눈’을 오늘부터 만나 보세요. ☕️\n\n#온도커피 #겨울블렌드 #첫눈",
        ContentStatus.PUBLISHED,
        timedelta(days=-2),
    ),
    Piece(
        2,
        "타이벡 감귤 예약 시작",
        "햇볕을 두 번 받은 타이벡 감귤, 올해 첫 수확분 예약을 받습니다. "
        "수확한 날 바로 보내 드려요. 🍊\n\n#제주담은 #타이벡감귤 #산지직송",
        ContentStatus.PUBLISHED,
        timedelta(days=-1, hours=-3),
    ),
    Piece(
        1,
        "매장 리뉴얼 안내",
        "합정 매장이 새 단장을 마쳤습니다. 발 모양을 재 드리는 무료 측정도 예약해 보세요."
        "\n\n#바른걸음 #합정 #리뉴얼오픈",
        ContentStatus.APPROVED,
        timedelta(days=-3),
        failed="계정 연결이 끊어졌습니다. 인스타그램 계정을 다시 연결해 주세요.",
    ),
    Piece(
        0,
        "오늘의 원두: 에티오피아 구지",
        "복숭아와 자스민 향이 또렷한 에티오피아 구지. 오늘은 핸드드립으로 준비했어요."
        "\n\n#온도커피 #오늘의원두 #핸드드립",
        ContentStatus.APPROVED,
        timedelta(seconds=60),
        accounts=(0, 2, 3),
    ),
    Piece(
        2,
        "감귤밭의 아침 30초",
        "해 뜨는 감귤밭에서 보내 드리는 아침 인사입니다.\n\n#제주담은 #감귤밭 #아침",
        ContentStatus.APPROVED,
        timedelta(seconds=90),
        accounts=(0, 4),
        format=PostFormat.REEL,
    ),
    Piece(
        1,
        "출근길이 가벼워지는 한 켤레",
        "하루 만 보를 걷는 당신에게. 210g 초경량 데일리 워커가 다시 입고되었습니다."
        "\n\n#바른걸음 #데일리슈즈 #재입고",
        ContentStatus.APPROVED,
        timedelta(minutes=2),
    ),
    Piece(
        2,
        "감귤청 만들기 클래스",
        "이번 주 토요일, 농장에서 감귤청을 함께 담가요. 가족 네 팀만 모십니다."
        "\n\n#제주담은 #감귤청 #주말클래스",
        ContentStatus.APPROVED,
        timedelta(days=1),
    ),
    Piece(
        0,
        "연말 선물 세트 사전 예약",
        "받는 분의 취향에 맞춰 고르는 원두 3종 세트. 12월 5일까지 예약하시면 각인 컵을 드려요."
        "\n\n#온도커피 #연말선물 #원두세트",
        ContentStatus.REVIEW,
        timedelta(days=3),
    ),
    Piece(
        1,
        "겨울 등산화 고르는 법",
        "발목 높이, 밑창 홈, 방수. 겨울 산행 전에 이 세 가지만 확인하세요."
        "\n\n#바른걸음 #겨울산행 #등산화",
        ContentStatus.REVIEW,
        timedelta(days=4),
    ),
    Piece(
        2,
        "블랙프라이데이 반값 행사",
        "전 품목 50% 할인! 오늘 단 하루!\n\n#제주담은 #블랙프라이데이",
        ContentStatus.REJECTED,
        timedelta(days=5),
    ),
    Piece(
        2,
        "겨울 당근 수확 소식",
        "구좌 당근 수확을 시작했어요. 흙 묻은 그대로 보내 드릴 사진을 고르는 중입니다.",
        ContentStatus.DRAFT,
    ),
)


def load_sample(settings: Settings, *, sandbox_url: str) -> bool:
    """Load the sample into a migrated database; gives whether there was anything to load.

    Args:
        settings: where the database is, and the keys that seal the accounts' tokens.
        sandbox_url: where the pictures come from.
    """
    return asyncio.run(_load(settings, sandbox_url))


async def _load(settings: Settings, sandbox_url: str) -> bool:
    database = open_database(settings.database_url, pool_size=1)
    try:
        async with AsyncSession(database) as session, session.begin():
            await session.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            is_there = await session.scalar(select(User.id).where(col(User.email) == AUTHOR))
            if is_there is None:
                await _insert(session, settings.vault(), sandbox_url)
    finally:
        await database.dispose()
    return is_there is None


async def _insert(session: AsyncSession, vault: TokenVault, sandbox_url: str) -> None:
    staff = [User(role=role, email=email, name=name) for role, email, name in AGENCY]
    session.add_all(staff)
    clients, speakers, accounts = [], [], []
    for brand in BRANDS:
        clients.append(Client(name=brand.name))
        speakers.append(User(role=Role.CLIENT, email=brand.email, name=brand.person))
    session.add_all([*clients, *speakers])
    await session.flush()
    for brand, client, speaker in zip(BRANDS, clients, speakers, strict=True):
        for user in (*staff, speaker):
            session.add(ClientMember(client_id=_id(client), user_id=_id(user)))
        accounts.append(
            [
                PlatformAccount(
                    client_id=_id(client),
                    platform=platform,
                    platform_user_id=number,
                    username=name,
                    status=AccountStatus.ACTIVE,
                    sealed_token=vault.seal(AccessToken(f"sandbox-token-{number}")),
                    token_expires_at=datetime.now(UTC) + timedelta(days=60),
                )
                for platform, number, name in brand.accounts()
            ]
        )
        session.add_all(accounts[-1])
    author = next(user for user in staff if user.email == AUTHOR)
    await session.flush()
    for number, piece in enumerate(PIECES, start=1):
        await _insert_piece(
            session,
            piece,
            author=author,
            accounts=[accounts[piece.brand][place] for place in piece.accounts],
            medium=_medium(piece, f"{sandbox_url}/sandbox/media", number),
        )
    session.add(
        Notification(
            user_id=_id(author),
            title="하늘마케팅에 오신 것을 환영합니다",
            message="예약한 게시물이 올라가면 이 화면에 바로 알려 드립니다.",
            priority=Priority.LOW,
        )
    )


def _medium(piece: Piece, at: str, number: int) -> dict[str, str]:
    if piece.format is PostFormat.REEL:
        return {"kind": "video", "url": f"{at}/720x1280/{number}.mp4?seconds=5"}
    url = f"{at}/1080x1080/{number}.jpg"
    return {"kind": "image", "url": url, "alt_text": piece.title}


async def _insert_piece(
    session: AsyncSession,
    piece: Piece,
    *,
    author: User,
    accounts: list[PlatformAccount],
    medium: dict[str, str],
) -> None:
    due_at = None if piece.due_in is None else _due(piece.due_in)
    content = Content(
        client_id=accounts[0].client_id,
        created_by=_id(author),
        title=piece.title,
        body=piece.body,
        media=[medium],
        format=piece.format,
        status=piece.status,
        scheduled_at=due_at,
        published_at=due_at if piece.status is ContentStatus.PUBLISHED else None,
    )
    session.add(content)
    await session.flush()
    session.add_all(
        ContentTarget(content_id=_id(content), platform_account_id=_id(account))
        for account in accounts
    )
    if due_at is None or due_at > datetime.now(UTC):
        return
    log = PublishingLog(
        content_id=_id(content),
        platform_account_id=_id(accounts[0]),
        status=PublishingStatus.FAILED if piece.failed else PublishingStatus.SUCCESS,
        due_at=due_at,
        act_at=due_at,
        revision=content.revision,
        sent_at=due_at,
        platform_post_id=None if piece.failed else f"sample-{_id(content)}",
        error_code="reconnect_needed" if piece.failed else None,
        error_message=piece.failed,
        trace_id=uuid4().hex,
    )
    session.add(log)
    await session.flush()
    session.add(
        PublishingAttempt(
            publishing_log_id=_id(log),
            number=1,
            lease_number=1,
            call="publish",
            is_visible=True,
            started_at=due_at,
            finished_at=due_at + timedelta(milliseconds=240),
            outcome="refused" if piece.failed else "accepted",
            evidence={"sample": True},
        )
    )


def _due(after: timedelta) -> datetime:
    """Soon means soon; what is days away falls on ten in the morning in Seoul."""
    moment = datetime.now(UTC) + after
    if abs(after) < timedelta(days=1):
        return moment
    return moment.astimezone(SEOUL).replace(hour=10, minute=0, second=0, microsecond=0)


def _id(row: User | Client | Content | PlatformAccount | PublishingLog) -> int:
    if row.id is None:
        raise LookupError(f"{type(row).__name__} has no id before it is flushed")
    return row.id
