"""A media URL that gives nothing usable, told to the person who can mend it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.errors import (
    MediaChanged,
    MediaFault,
    MediaForbidden,
    MediaTooLarge,
    MediaUnreachable,
)
from engine.ports import InputProblem

SENTENCES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "bad_url": (
            "미디어 주소는 http:// 또는 https://로 시작하는 공개 주소여야 합니다.",
            "Give a public address that starts with http:// or https://.",
        ),
        "credentials": (
            "주소에서 아이디와 비밀번호를 빼고, 로그인 없이 열리는 주소를 넣어 주세요.",
            "Give an address without user name and password that opens without a login.",
        ),
        "bad_port": (
            "주소의 포트 번호를 확인해 주세요. 80, 443 또는 1024 이상만 쓸 수 있습니다.",
            "Check the port in the address: only 80, 443 or 1024 and above can be used.",
        ),
        "private_address": (
            "내부망 주소라서 열 수 없습니다. 인터넷에 공개된 주소를 넣어 주세요.",
            "This address is inside a private network; give one that is public.",
        ),
        "name_not_found": (
            "주소의 도메인을 찾을 수 없습니다. 주소를 확인해 주세요.",
            "The domain of this address does not exist; check the address.",
        ),
        "certificate": (
            "서버의 보안 인증서에 문제가 있습니다. 다른 주소를 넣거나 서버 관리자에게 알려 주세요.",
            "The server's certificate does not hold; use another address or tell its operator.",
        ),
        "status_401": (
            "로그인해야 열리는 주소입니다. 누구나 열 수 있는 주소로 바꿔 주세요.",
            "This address needs a login; give one that anybody can open.",
        ),
        "status_403": (
            "열 권한이 없거나 기한이 지난 주소입니다. 누구나 열 수 있는 주소로 바꿔 주세요.",
            "This address is closed to us or has expired; give one that anybody can open.",
        ),
        "status_404": (
            "이 주소에 파일이 없습니다. 파일을 다시 올리거나 주소를 확인해 주세요.",
            "There is no file at this address; upload it again or check the address.",
        ),
        "status_410": (
            "이 주소의 파일이 삭제되었습니다. 파일을 다시 올려 주세요.",
            "The file at this address was deleted; upload it again.",
        ),
        "no_size": (
            "서버가 파일 크기를 알려 주지 않습니다. 다른 곳에 올린 주소를 넣어 주세요.",
            "The server does not tell the file's size; host the file elsewhere.",
        ),
        "empty": (
            "빈 파일입니다. 파일을 다시 올려 주세요.",
            "The file is empty; upload it again.",
        ),
        "heic": (
            "아이폰 사진 형식(HEIC)입니다. JPEG로 변환해서 올려 주세요.",
            "This is an iPhone picture (HEIC); convert it to JPEG.",
        ),
        "web_page": (
            "파일이 아니라 웹페이지 주소입니다. 사진이나 동영상 파일의 주소를 넣어 주세요.",
            "This is the address of a web page; give that of the picture or video itself.",
        ),
        "too_many_pixels": (
            "해상도가 너무 높습니다. 크기를 줄여서 다시 올려 주세요.",
            "It has too many pixels; scale it down and upload it again.",
        ),
        "cut_short": (
            "파일이 끝까지 올라가지 않았습니다. 파일을 다시 올려 주세요.",
            "The end of the file is missing; upload it again.",
        ),
        "no_video": (
            "영상이 없는 파일입니다. 사진이나 동영상 파일을 올려 주세요.",
            "There is no picture in this file; upload a picture or a video.",
        ),
    }
)

UNREACHABLE: Final = (
    "미디어 파일을 가져올 수 없습니다. 주소가 열리는지 확인해 주세요.",
    "The media file cannot be fetched; check that its address opens.",
)
UNREADABLE: Final = (
    "파일이 손상되었거나 읽을 수 없는 형식입니다. 다시 저장해서 올려 주세요.",
    "The file is broken or of a kind that cannot be read; save and upload it again.",
)
TOO_LARGE: Final = (
    "파일이 너무 큽니다. 크기를 줄여서 다시 올려 주세요.",
    "The file is too large; shrink it and upload it again.",
)
CHANGED: Final = (
    "확인하는 동안 파일이 바뀌었습니다. 다시 확인해 주세요.",
    "The file was replaced while it was read; check again.",
)


def problem_of_fault(fault: MediaFault, field: str) -> InputProblem:
    """What to do about a fault, in both languages.

    A ``MediaUnreachable`` that ``is_retryable`` is no certain fault of the post: ask again first.
    """
    korean, english = SENTENCES.get(fault.code) or _by_class(fault)
    return InputProblem(field, korean, english, {"code": fault.code, **fault.evidence})


def _by_class(fault: MediaFault) -> tuple[str, str]:
    if isinstance(fault, MediaUnreachable | MediaForbidden):
        return UNREACHABLE
    if isinstance(fault, MediaTooLarge):
        return TOO_LARGE
    if isinstance(fault, MediaChanged):
        return CHANGED
    return UNREADABLE
