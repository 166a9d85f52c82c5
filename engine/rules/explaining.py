"""What an author reads when a post failed: what happened and what to do, in Korean."""

from typing import Final

_WORDS: Final = {
    "due_too_long_ago": (
        "예약 시각이 24시간 넘게 지나 게시하지 않았습니다. 시각을 다시 정해 주세요."
    ),
    "account_without_token": ("계정이 연결되어 있지 않습니다. 계정을 다시 연결해 주세요."),
    "token_unreadable": ("계정 연결 정보를 읽을 수 없습니다. 계정을 다시 연결해 주세요."),
    "account_reconnect": ("계정 연결이 만료되었거나 권한이 없습니다. 계정을 다시 연결해 주세요."),
    "account_stopped": (
        "플랫폼이 이 계정의 사용을 제한했습니다. 앱에서 계정 상태를 확인해 주세요."
    ),
    "platform_unsupported": "아직 지원하지 않는 플랫폼입니다.",
    "input_invalid": (
        "게시물 내용이 플랫폼 규칙에 맞지 않습니다. 내용을 고친 뒤 다시 승인해 주세요."
    ),
    "container_failed": (
        "플랫폼이 이미지를 처리하지 못했습니다. 이미지를 바꾼 뒤 다시 승인해 주세요."
    ),
    "retries_exhausted": (
        "플랫폼에 여러 번 시도했지만 게시하지 못했습니다. 잠시 후 다시 게시해 주세요."
    ),
    "action_blocked": ("플랫폼이 게시를 차단했습니다. 앱에서 계정 상태를 확인해 주세요."),
}


def explain(code: str, detail: str = "") -> str:
    """One or two sentences for the author; ``detail`` is added in brackets when there is one."""
    sentence = _WORDS.get(code, "게시하지 못했습니다.")
    return f"{sentence} ({detail})" if detail else sentence


def explain_doubt(title: str, platform: str) -> tuple[str, str]:
    """Title and text of the notification that asks a person to look at a post."""
    return (
        "게시 결과를 확인해 주세요",
        f"'{title}' 게시물이 {platform}에 올라갔는지 시스템이 판단할 수 없습니다. "
        "중복 게시를 막기 위해 자동으로 다시 올리지 않았습니다. "
        "계정을 직접 확인하고 결과를 알려 주세요.",
    )
