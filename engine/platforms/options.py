"""A content's options for one platform, held against what the platform knows."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Any

from engine.ports import InputProblem


@dataclass(frozen=True, slots=True)
class Option:
    """What an option takes.

    Attributes:
        type: of its value.
        kinds: kinds of posts that it is for; empty for all.
        words: the values it can have; empty for any.
        most: length of a text or list at most; None is without limit.
    """

    type: type
    kinds: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    most: int | None = None


def option_problems(
    platform: str, given: Mapping[str, Any], known: Mapping[str, Option], kind: str
) -> list[InputProblem]:
    """One problem for each option that the platform would not understand or drop silently."""
    problems = []
    for name, value in given.items():
        option = known.get(name)
        field = f"options.{platform}.{name}"
        if option is None or (option.kinds and kind not in option.kinds):
            usable = [key for key, one in known.items() if not one.kinds or kind in one.kinds]
            problems.append(
                InputProblem(
                    field,
                    f"'{name}' 옵션은 이 게시물에 쓸 수 없습니다. 쓸 수 있는 옵션: "
                    f"{', '.join(usable) or '없음'}.",
                    f"Option {name!r} is not for this post; there are: {', '.join(usable)}.",
                )
            )
        elif not _fits(value, option):
            problems.append(
                InputProblem(
                    field,
                    f"'{name}' 옵션의 값을 확인해 주세요. {_korean_form(option)}",
                    f"Option {name!r} has a value that it cannot take.",
                    {"found": repr(value)[:100]},
                )
            )
    return problems


def _fits(value: Any, option: Option) -> bool:
    if isinstance(value, bool) != (option.type is bool) or not isinstance(value, option.type):
        return False
    if isinstance(value, list) and not all(isinstance(one, str) for one in value):
        return False
    if option.words and value not in option.words:
        return False
    return option.most is None or (isinstance(value, Sized) and len(value) <= option.most)


def _korean_form(option: Option) -> str:
    if option.words:
        return f"{', '.join(option.words)} 가운데 하나여야 합니다."
    words = {str: "글자", int: "숫자", bool: "true 또는 false", list: "글자 목록"}
    limit = "" if option.most is None else f" (최대 {option.most})"
    return f"{words[option.type]}여야 합니다{limit}."
