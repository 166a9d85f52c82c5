"""What people read about a lost connection."""

import pytest

from engine.rules.reconnecting import (
    PERMISSION,
    REASONS,
    UNKNOWN,
    explain_lost,
    mark_of,
    why_lost,
)
from models.words import Platform


@pytest.mark.parametrize("subcode", [458, 459, 460, 463, 464, 467, 492])
def test_each_subcode_of_a_dead_token_has_a_sentence_of_its_own(subcode: int) -> None:
    assert why_lost(f"190/{subcode}") == REASONS[f"190/{subcode}"]
    assert len(set(REASONS.values())) >= 10


@pytest.mark.parametrize("code", ["10", "200", "299", "10/33", "insufficientPermissions"])
def test_a_missing_permission_is_told_as_one(code: str) -> None:
    assert why_lost(code) == PERMISSION


@pytest.mark.parametrize("code", ["190", "190/999", "300", "", "token-malformed"])
def test_an_unknown_code_still_gives_a_sentence(code: str) -> None:
    assert why_lost(code) == UNKNOWN


def test_the_notice_names_the_account_and_counts_its_posts() -> None:
    title, message = explain_lost(Platform.THREADS, "brand", "190/458", 3)
    assert title == "스레드 계정을 다시 연결해 주세요"
    assert "@brand" in message
    assert "게시물 3개" in message
    assert "기다리는 게시물은 없습니다" in explain_lost(Platform.THREADS, "brand", "102", 0)[1]


@pytest.mark.parametrize(
    ("days_left", "mark"), [(7.1, None), (7.0, 7), (3.1, 7), (3.0, 3), (1.5, 3), (1.0, 1), (0.1, 1)]
)
def test_a_mark_is_passed_when_so_many_days_are_left(days_left: float, mark: int | None) -> None:
    assert mark_of(days_left) == mark
