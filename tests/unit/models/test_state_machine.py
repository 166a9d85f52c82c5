import re
from pathlib import Path

from models.comments import REPLY_STEPS
from models.publishing import STEPS, PublishingStatus
from models.words import ReplyStatus

DOCS = Path(__file__).parents[3] / "docs"
DRAWING = (DOCS / "state_machine.md").read_text()
REPLIES = (DOCS / "reply_lifecycle.md").read_text()


def test_the_drawing_shows_the_steps_of_the_code_and_no_other() -> None:
    drawn = {
        (PublishingStatus(before), PublishingStatus(after))
        for before, after in re.findall(r"^    (\w+) --> (\w+):", DRAWING, re.MULTILINE)
    }
    assert drawn == STEPS


def test_the_drawing_of_a_reply_shows_the_steps_of_the_code_and_no_other() -> None:
    drawn = {
        (ReplyStatus(before), ReplyStatus(after))
        for before, after in re.findall(r"^    (\w+) --> (\w+)", REPLIES, re.MULTILINE)
    }
    assert drawn == REPLY_STEPS


def test_nothing_leads_from_a_state_in_which_a_post_is_or_may_be_live_to_sending_it_again() -> None:
    waiting = {PublishingStatus.PENDING, PublishingStatus.STAGED, PublishingStatus.SENDING}
    for before, after in STEPS:
        if before in (PublishingStatus.SUCCESS, PublishingStatus.NEEDS_PERSON):
            assert after not in waiting


def test_no_step_leads_from_doubt_back_to_sending() -> None:
    assert (PublishingStatus.IN_DOUBT, PublishingStatus.SENDING) not in STEPS
