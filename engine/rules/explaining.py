"""What an author reads when a post failed: what happened and what to do, in Korean."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from engine.rules.calendar import korean_time
from models.words import Platform

PLATFORM_NAMES: Final[Mapping[Platform, str]] = {
    Platform.INSTAGRAM: "인스타그램",
    Platform.FACEBOOK: "페이스북",
    Platform.THREADS: "스레드",
    Platform.YOUTUBE: "유튜브",
}

_DOUBTS: Final = {
    "outcome_undecidable": "비슷한 게시물이 여러 개이거나, 올라갔다는데 찾을 수 없습니다.",
    "outcome_unreadable": "계정 연결이 끊겨 플랫폼을 읽을 수 없습니다.",
}

_REPLIES: Final = {
    "account_without_token": "계정이 연결되어 있지 않습니다. 계정을 다시 연결해 주세요.",
    "comment_deleted": "댓글이 이미 삭제되었습니다.",
    "comment_hidden": "숨긴 댓글에는 답글을 달 수 없습니다. 숨김을 해제한 뒤 다시 보내 주세요.",
    "reply_too_long": "플랫폼이 받는 길이보다 깁니다. 줄여서 다시 보내 주세요.",
    "reply_undecidable": (
        "답글이 달렸는지 시스템이 판단할 수 없어 다시 달지 않았습니다. 댓글을 직접 확인해 주세요."
    ),
    "retries_exhausted": "여러 번 시도했지만 보내지 못했습니다. 잠시 뒤 다시 보내 주세요.",
}

_ACTIONS: Final = {"hide": "숨길", "unhide": "다시 표시할", "delete": "삭제할"}

_COMMENTS: Final = {
    "account_without_token": "계정이 연결되어 있지 않습니다. 계정을 다시 연결해 주세요.",
    "post_deleted": "게시물이 이미 삭제되었습니다.",
    "comments_unsupported": "이 종류의 게시물에는 댓글을 달 수 없습니다.",
    "comment_undecidable": (
        "댓글이 달렸는지 시스템이 판단할 수 없어 다시 달지 않았습니다. 게시물을 직접 확인해 주세요."
    ),
    "retries_exhausted": "여러 번 시도했지만 달지 못했습니다. 직접 달아 주세요.",
}

_WORDS: Final = {
    "due_too_long_ago": (
        "예약 시각이 24시간 넘게 지나 게시하지 않았습니다. 시각을 다시 정해 주세요."
    ),
    "account_without_token": ("계정이 연결되어 있지 않습니다. 계정을 다시 연결해 주세요."),
    "token_unreadable": ("계정 연결 정보를 읽을 수 없습니다. 계정을 다시 연결해 주세요."),
    "account_reconnect": ("계정 연결이 만료되었거나 권한이 없습니다. 계정을 다시 연결해 주세요."),
    "account_waits": (
        "계정 연결이 끊겨 기다리고 있습니다. 계정을 다시 연결하면 자동으로 올라갑니다."
    ),
    "token_renewing": "계정 연결을 갱신하는 중이라 잠시 기다립니다.",
    "account_stopped": (
        "플랫폼이 이 계정의 사용을 제한했습니다. 앱에서 계정 상태를 확인해 주세요."
    ),
    "platform_unsupported": "아직 지원하지 않는 플랫폼입니다.",
    "input_invalid": (
        "게시물 내용이 플랫폼 규칙에 맞지 않습니다. 내용을 고친 뒤 다시 승인해 주세요."
    ),
    "several_found": "같은 게시물로 보이는 것이 여러 개 있어 게시하지 않았습니다.",
    "container_failed": (
        "플랫폼이 이미지를 처리하지 못했습니다. 이미지를 바꾼 뒤 다시 승인해 주세요."
    ),
    "retries_exhausted": (
        "플랫폼에 여러 번 시도했지만 게시하지 못했습니다. 잠시 후 다시 게시해 주세요."
    ),
    "not_live": "담당자가 확인한 결과 게시되지 않았습니다. 다시 올리려면 게시를 요청해 주세요.",
    "action_blocked": ("플랫폼이 게시를 차단했습니다. 앱에서 계정 상태를 확인해 주세요."),
}


def explain(code: str, detail: str = "") -> str:
    """One or two sentences for the author; ``detail`` is added in brackets when there is one."""
    sentence = _WORDS.get(code, "게시하지 못했습니다.")
    return f"{sentence} ({detail})" if detail else sentence


def explain_doubt(title: str, platform: Platform, code: str) -> tuple[str, str]:
    """Title and text of the notification that asks a person to look at a post.

    It says what happened, what was not done and why, and what the person has to do.
    """
    name = PLATFORM_NAMES[platform]
    seen = _DOUBTS.get(code, "플랫폼의 답을 받지 못했고, 읽어 본 것만으로는 판단할 수 없습니다.")
    return (
        "게시 결과를 확인해 주세요",
        f"'{title}' 게시물이 {name}에 올라갔는지 시스템이 판단할 수 없습니다. {seen} "
        f"중복 게시를 막기 위해 자동으로 다시 올리지 않았습니다. {name} 계정에서 게시물을 직접 "
        "확인한 뒤, 올라가 있으면 그 게시물을 지정하고 없으면 '게시되지 않음'을 선택해 주세요.",
    )


def explain_quota(title: str, platform: Platform, until: datetime) -> tuple[str, str]:
    """Title and text of the notification that a post waits for the platform's quota."""
    return (
        "게시 한도가 차서 기다립니다",
        f"{PLATFORM_NAMES[platform]} 계정이 오늘 올릴 수 있는 게시물 수를 다 썼습니다. "
        f"'{title}' 게시물은 {korean_time(until)} 이후에 자동으로 올라갑니다. "
        "그 전에 올려야 하면 다른 계정을 선택해 주세요.",
    )


def explain_comment(title: str, platform: Platform, code: str, why: str) -> tuple[str, str]:
    """Title and text of the notification that a post's first comment is missing or unsure."""
    reason = _COMMENTS.get(code, "플랫폼이 댓글을 받지 않았습니다. 직접 달아 주세요.")
    detail = f" ({why})" if why else ""
    return (
        "첫 댓글을 확인해 주세요",
        f"'{title}' 게시물은 {PLATFORM_NAMES[platform]}에 올라갔지만 첫 댓글은 달리지 않았을 수 "
        f"있습니다. {reason}{detail}",
    )


def explain_reply(author: str | None, platform: Platform, code: str, why: str) -> tuple[str, str]:
    """Title and text of the notification that a reply was not sent, or may have been."""
    reason = _REPLIES.get(code, "플랫폼이 답글을 받지 않았습니다. 내용을 확인해 주세요.")
    detail = f" ({why})" if why else ""
    whose = f"{author} 님의" if author else "작성자를 알 수 없는"
    title = "답글을 확인해 주세요" if code == "reply_undecidable" else "답글을 보내지 못했습니다"
    return title, f"{PLATFORM_NAMES[platform]}에서 {whose} 댓글에 쓴 답글입니다. {reason}{detail}"


def explain_moderation(
    author: str | None, platform: Platform, action: str, why: str
) -> tuple[str, str]:
    """Title and text of the notification that a comment could not be hidden, shown or deleted."""
    word = _ACTIONS[action]
    whose = f"{author} 님의" if author else "작성자를 알 수 없는"
    return (
        f"댓글을 {word} 수 없습니다",
        f"{PLATFORM_NAMES[platform]}에서 {whose} 댓글을 {word} 수 없습니다. {why}",
    )


def explain_deletion(title: str, platform: Platform, *, is_deleted: bool) -> tuple[str, str]:
    """Title and text of the notification that a live post was taken down, or cannot be."""
    name = PLATFORM_NAMES[platform]
    if is_deleted:
        return "게시물을 삭제했습니다", f"{name}에서 '{title}' 게시물을 삭제했습니다."
    return (
        "게시물을 삭제할 수 없습니다",
        f"{name}에서는 이 게시물을 앱 밖에서 삭제할 수 없습니다. "
        f"{name} 앱에서 '{title}' 게시물을 직접 삭제해 주세요.",
    )


def explain_partial(
    title: str,
    live: Sequence[tuple[Platform, str]],
    others: Sequence[tuple[Platform, str, str]],
) -> tuple[str, str]:
    """Title and text of the notification that a content is live on some of its accounts only.

    Args:
        title: of the content.
        live: platform and user name of the accounts that show it.
        others: the same of those that do not, and why.
    """
    shown = ", ".join(f"{PLATFORM_NAMES[platform]} @{name}" for platform, name in live)
    missing = " ".join(
        f"{PLATFORM_NAMES[platform]} @{name}: {why or '게시하지 못했습니다.'}"
        for platform, name, why in others
    )
    return (
        f"계정 {len(live) + len(others)}개 가운데 {len(live)}개에만 게시했습니다",
        f"'{title}' 게시물이 올라간 계정: {shown}. 올라가지 않은 계정: {missing}",
    )
