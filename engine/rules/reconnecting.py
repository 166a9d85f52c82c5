"""What people read when an account's connection is lost or ends soon: why, and what to do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from engine.rules.calendar import korean_time
from engine.rules.explaining import PLATFORM_NAMES
from models.words import Platform

PERMISSION: Final = "게시에 필요한 권한이 없어졌습니다. 다시 연결할 때 모든 권한을 허용해 주세요."
UNKNOWN: Final = "연결 정보가 더 이상 유효하지 않습니다."

# https://developers.facebook.com/docs/graph-api/guides/error-handling, read 2026-11-23.
REASONS: Final[Mapping[str, str]] = {
    "190/458": "계정 주인이 앱 연결을 해제했습니다.",
    "190/459": (
        "플랫폼이 로그인 확인을 요구합니다. 먼저 그 계정으로 로그인해 본인 확인을 마쳐 주세요."
    ),
    "190/460": "계정의 비밀번호가 변경되었습니다.",
    "190/463": "연결 기간이 만료되었습니다.",
    "190/464": "계정 인증이 끝나지 않았습니다. 먼저 그 계정으로 로그인해 인증을 마쳐 주세요.",
    "190/467": "플랫폼이 연결을 취소했습니다.",
    "190/492": "이 페이지를 관리할 권한이 없어졌습니다.",
    "102": "로그인 정보가 만료되었습니다.",
    "invalid_grant": "구글 계정의 연결이 만료되었거나 해제되었습니다.",
    "authError": "구글이 연결 정보를 받아들이지 않습니다.",
    "no_refresh_token": "연결을 이어 갈 정보가 저장되어 있지 않습니다.",
    "youtubeSignupRequired": "이 구글 계정에는 유튜브 채널이 없습니다.",
    "insufficientPermissions": PERMISSION,
    "forbidden": PERMISSION,
}

WARN_DAYS: Final = (1, 3, 7)
"""People are told when so many days are left, once each."""


def why_lost(code: str) -> str:
    """One Korean sentence for a platform's code, such as ``"190/460"``."""
    number = code.partition("/")[0]
    if code in REASONS:
        return REASONS[code]
    if number == "10" or (number.isdecimal() and 200 <= int(number) < 300):
        return PERMISSION
    return UNKNOWN


def explain_lost(platform: Platform, username: str, code: str, waiting: int) -> tuple[str, str]:
    """Title and text of the notification to those who can reconnect an account.

    Args:
        platform: whose account it is.
        username: of the account.
        code: the platform's.
        waiting: how many posts wait for the account.
    """
    name = PLATFORM_NAMES[platform]
    posts = (
        f"예약된 게시물 {waiting}개가 기다리고 있습니다. 다시 연결하면 자동으로 올라갑니다."
        if waiting
        else "지금 기다리는 게시물은 없습니다. 다음 예약 전에 다시 연결해 주세요."
    )
    return (
        f"{name} 계정을 다시 연결해 주세요",
        f"{name} @{username} 계정의 연결이 끊겼습니다. {why_lost(code)} {posts}",
    )


def explain_waiting(title: str, platform: Platform, username: str) -> tuple[str, str]:
    """Title and text of the notification to a post's author: it waits, and is not lost."""
    name = PLATFORM_NAMES[platform]
    return (
        "게시물이 계정 연결을 기다립니다",
        f"{name} @{username} 계정의 연결이 끊겨 '{title}' 게시물을 올리지 않고 기다립니다. "
        "계정을 다시 연결하면 자동으로 올라갑니다. "
        "예약 시각에서 24시간이 지나면 올리지 않으니 그 전에 연결해 주세요.",
    )


def explain_ending(
    platform: Platform, username: str, ends_at: datetime, days: int
) -> tuple[str, str]:
    """Title and text of the warning that a connection ends within ``days`` days."""
    name = PLATFORM_NAMES[platform]
    left = "하루" if days == 1 else f"{days}일"
    return (
        f"{name} 계정 연결이 {left} 안에 끝납니다",
        f"{name} @{username} 계정의 연결이 {korean_time(ends_at)}에 끝나며, 자동으로 연장되지 "
        "않았습니다. 그 전에 계정을 다시 연결해 주세요. 끝난 뒤의 게시물은 올라가지 않고 "
        "기다립니다.",
    )


def mark_of(days_left: float) -> int | None:
    """Which of the marks a remaining life has passed; None when there is time."""
    return next((mark for mark in WARN_DAYS if days_left <= mark), None)
