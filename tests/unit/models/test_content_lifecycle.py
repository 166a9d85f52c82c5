import re
from pathlib import Path

from models.approving import CONTENT_STEPS
from models.words import ContentStatus, Role

DRAWING = (Path(__file__).parents[3] / "docs" / "content_lifecycle.md").read_text()
ENGINE = (ContentStatus.APPROVED, ContentStatus.PUBLISHED)


def drawn() -> dict[tuple[ContentStatus, ContentStatus], set[str]]:
    return {
        (ContentStatus(before), ContentStatus(after)): set(roles.split(", "))
        for before, after, roles in re.findall(r"^    (\w+) --> (\w+): (.+)$", DRAWING, re.M)
    }


def test_the_drawing_shows_the_steps_of_the_code_with_their_roles() -> None:
    steps = {step: {str(role) for role in roles} for step, roles in CONTENT_STEPS.items()}
    assert drawn() == {**steps, ENGINE: {"engine"}}


def test_only_reviewers_approve_and_nobody_publishes_by_hand() -> None:
    assert ENGINE not in CONTENT_STEPS
    for (_, after), roles in CONTENT_STEPS.items():
        if after is ContentStatus.APPROVED:
            assert Role.OPERATOR not in roles
