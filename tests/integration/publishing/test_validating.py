"""What a platform would refuse is found before it is asked, and said in words that help."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.errors import InvalidCommand
from engine.media.probe import Prober
from engine.media.source import HttpMediaSource
from engine.platforms.registry import open_platforms
from engine.ports import InputProblem
from engine.services.validating import Validation, validate_content
from models.accounts import AccountStatus, Platform
from models.contents import ContentStatus, PostFormat
from tests.factories import VAULT
from tests.file_server import FileServer
from tests.integration.publishing.conftest import Stage
from tests.media_files import picture, video

MIB = 1024 * 1024
REEL = PostFormat.REEL


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with FileServer().running() as running:
        yield running


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address whose port is held, so that nobody ever answers there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/a.jpg"


@asynccontextmanager
async def validation(stage: Stage, probe: Prober | None = None) -> AsyncIterator[Validation]:
    platforms = open_platforms(stage.settings, stage.media)
    try:
        yield Validation(platforms=platforms, probe=probe or stage.probe, vault=VAULT)
    finally:
        for client in platforms.values():
            await client.close()


async def problems(
    stage: Stage, content: Any, probe: Prober | None = None
) -> Sequence[InputProblem]:
    """Those of a content with one account."""
    async with validation(stage, probe) as checking:
        [check] = await validate_content(
            stage.database, checking, content_id=content.id, now=SystemClock().now()
        )
    return check.problems


async def retried(stage: Stage, content: Any) -> dict[str, Any]:
    """The content's log, once it was put off for another try."""
    async with asyncio.timeout(10):
        while not (log := await stage.log_of(content))["retry_count"]:
            await asyncio.sleep(0.02)
    return log


def film(url: str) -> list[dict[str, str]]:
    return [{"kind": "video", "url": url}]


def image(url: str) -> list[dict[str, str]]:
    return [{"kind": "image", "url": url}]


@pytest.mark.parametrize(
    ("platform", "format_", "path"),
    [
        (Platform.INSTAGRAM, PostFormat.POST, "1080x1080/a.jpg"),
        (Platform.INSTAGRAM, PostFormat.STORY, "1080x1920/a.jpg"),
        (Platform.INSTAGRAM, REEL, "540x960/a.mp4"),
        (Platform.FACEBOOK, PostFormat.POST, "1080x1080/a.jpg"),
        (Platform.FACEBOOK, REEL, "540x960/a.mp4"),
        (Platform.THREADS, PostFormat.POST, "1080x1080/a.jpg"),
        (Platform.YOUTUBE, PostFormat.POST, "960x540/a.mp4"),
        (Platform.YOUTUBE, REEL, "540x960/a.mp4"),
    ],
)
async def test_good_content_has_no_problems(
    stage: Stage, platform: Platform, format_: PostFormat, path: str
) -> None:
    url = f"{stage.sandbox.base_url}/sandbox/media/{path}"
    content = await stage.make.content(
        await stage.make.account(platform=platform),
        media=film(url) if path.endswith("mp4") else image(url),
        format=format_,
    )
    assert await problems(stage, content) == ()


async def test_each_bad_medium_names_its_field_and_what_to_do(
    stage: Stage, files: FileServer, nowhere: str, subtests: pytest.Subtests
) -> None:
    sandbox = stage.sandbox
    vp9 = video(codec="libvpx-vp9", size=(64, 96), frames=100, sound_hz=None)
    cases: dict[str, tuple[list[dict[str, str]], PostFormat, str, str, str]] = {
        "too large": (
            image(files.put("/large.jpg", picture() + bytes(9 * MIB))),
            *(PostFormat.POST, "media[0]", "8.3MB 이하로 줄여 주세요", "Shrink the file to 8.3 MB"),
        ),
        "wrong ratio": (
            image(sandbox.picture(1080, 2000)),
            *(PostFormat.POST, "media[0]", "비율(가로÷세로)을", "Crop it so that width ÷ height"),
        ),
        "second of a carousel": (
            [*image(sandbox.picture()), *image(sandbox.picture(1080, 2000))],
            *(PostFormat.POST, "media[1]", "맞춰 잘라 주세요", "Crop it"),
        ),
        "wrong codec": (
            film(files.put("/vp9.mp4", vp9)),
            *(
                REEL,
                "media[0]",
                "H.264, HEVC 중 하나로 변환해",
                "codec to H.264 or HEVC; it is VP9",
            ),
        ),
        "no such file": (
            image(files.url("/none.jpg")),
            *(PostFormat.POST, "media[0]", "이 주소에 파일이 없습니다", "There is no file at this"),
        ),
        "host down": (
            image(nowhere),
            *(
                PostFormat.POST,
                "media[0]",
                "주소가 열리는지 확인해",
                "check that its address opens",
            ),
        ),
        "web page": (
            image(files.put("/page.jpg", b"<html><body>login</body></html>")),
            *(PostFormat.POST, "media[0]", "웹페이지 주소입니다", "the address of a web page"),
        ),
        "picture said to be a video": (
            film(sandbox.picture()),
            *(REEL, "media[0].kind", "실제로는 사진입니다", "is said to be video, and is image"),
        ),
    }
    account = await stage.make.account()
    for name, (media, format_, field, korean, english) in cases.items():
        with subtests.test(name):
            content = await stage.make.content(account, media=media, format=format_)
            [problem] = await problems(stage, content)
            assert problem.field == field
            assert korean in problem.korean
            assert english in problem.english


async def test_private_address_is_refused_unless_a_setting_allows_it(stage: Stage) -> None:
    content = await stage.make.content(await stage.make.account())
    guarded = HttpMediaSource()
    [problem] = await problems(stage, content, Prober(guarded))
    await guarded.close()
    assert problem.field == "media[0]"
    assert "인터넷에 공개된 주소를 넣어 주세요" in problem.korean
    assert "give one that is public" in problem.english


async def test_account_that_cannot_post_is_named_with_what_to_do(
    stage: Stage, subtests: pytest.Subtests
) -> None:
    make = stage.make
    with subtests.test("missing scopes"):
        account = await make.account()
        await stage.rows(
            "UPDATE platform_accounts SET scopes = '[\"instagram_business_basic\"]' WHERE id = :id",
            id=account.id,
        )
        [problem] = await problems(stage, await make.content(account))
        assert problem.field == "account"
        assert "instagram_business_content_publish 권한을 허용해 주세요" in problem.korean
        assert "reconnect it and grant instagram_business_content_publish" in problem.english
    with subtests.test("disconnected"):
        account = await make.account(status=AccountStatus.RECONNECT_NEEDED)
        [problem] = await problems(stage, await make.content(account))
        assert problem.field == "account"
        assert "다시 연결해 주세요" in problem.korean
        assert "reconnect it" in problem.english
    with subtests.test("spent quota, which says nothing of the day after tomorrow"):
        stage.sandbox.switch(publish_quota=0)
        account = await make.account()
        [problem] = await problems(stage, await make.content(account))
        assert problem.field == "scheduled_at"
        assert "하루 뒤로 미루거나 다른 계정을 선택해 주세요" in problem.korean
        assert "choose a later time" in problem.english
        assert await problems(stage, await make.content(account, due_in_s=172_800)) == ()


async def test_every_problem_is_told_at_once(stage: Stage, nowhere: str) -> None:
    content = await stage.make.content(
        await stage.make.account(),
        body="글" * 2300,
        media=[*image(nowhere), *image(stage.sandbox.picture(1080, 2000))],
    )
    found = await problems(stage, content)
    assert {problem.field for problem in found} >= {"media[0]", "media[1]"}
    assert len(found) == 3


async def test_checks_are_kept_for_the_revision_and_the_author_is_told_once(stage: Stage) -> None:
    good = await stage.make.account()
    unsupported = await stage.make.account(platform=Platform.YOUTUBE)
    content = await stage.make.content(good, unsupported)
    async with validation(stage) as checking:
        for _ in range(2):
            await validate_content(
                stage.database, checking, content_id=content.id, now=SystemClock().now()
            )
    kept = await stage.rows("SELECT * FROM content_checks ORDER BY platform_account_id")
    assert [row["platform_account_id"] for row in kept] == [good.id, unsupported.id]
    assert {row["revision"] for row in kept} == {content.revision}
    assert kept[0]["problems"] == []
    [problem] = kept[1]["problems"]
    assert problem["korean"]
    assert problem["english"]
    [notice] = await stage.rows("SELECT * FROM notifications")
    assert notice["user_id"] == content.created_by
    assert problem["korean"] in notice["message"]


async def test_nobody_is_told_of_a_bad_draft(stage: Stage) -> None:
    content = await stage.make.content(
        await stage.make.account(),
        media=image(stage.sandbox.picture(1080, 2000)),
        status=ContentStatus.DRAFT,
    )
    assert len(await problems(stage, content)) == 1
    assert await stage.rows("SELECT * FROM notifications") == []
    assert len(await stage.rows("SELECT * FROM content_checks")) == 1


async def test_content_that_goes_nowhere_cannot_be_checked(stage: Stage) -> None:
    content = await stage.make.content()
    with pytest.raises(InvalidCommand, match="has no account to go to"):
        await problems(stage, content)


async def test_post_whose_media_went_bad_fails_before_anything_is_asked_of_the_platform(
    stage: Stage, files: FileServer
) -> None:
    url = files.put("/a.jpg", picture())
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=1, media=image(url))
    assert await problems(stage, content) == ()
    asked = len(stage.sandbox.requests(account=account.platform_user_id))  # for its quota
    files.put("/a.jpg", picture(size=(100, 1000)))
    async with stage.publisher():
        await stage.scan()
        log = await stage.until(content, "failed")
    assert log["error_code"] == "input_invalid"
    assert "비율" in log["error_message"]
    assert len(stage.sandbox.requests(account=account.platform_user_id)) == asked
    assert stage.sandbox.posts() == []


async def test_post_whose_media_host_is_down_is_tried_again(
    stage: Stage, files: FileServer
) -> None:
    url = files.put("/a.jpg", picture(), status=503)
    content = await stage.make.content(await stage.make.account(), due_in_s=0, media=image(url))
    async with stage.publisher():
        await stage.scan()
        tried = await retried(stage, content)
        assert tried["status"] == "pending"
        assert stage.sandbox.posts() == []
        files.put("/a.jpg", picture(), content_type="image/jpeg")
        await stage.until(content, "success")
    assert len(stage.sandbox.posts()) == 1
