import pytest

from models import channels
from models.channels import EventIdMalformed, Position

EPOCH = "0123456789abcdef0123"


def test_all_keys_of_a_user_share_one_cluster_slot() -> None:
    names = [channels.meta(7), channels.stream(7), channels.seen(7), channels.live(7)]

    assert all(name.startswith("{u:7}:") for name in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("seq", [0, 1, 10, 999_999_999_999_999])
def test_event_id_reads_back_as_written(seq: int) -> None:
    position = Position(EPOCH, seq)

    assert channels.decode_event_id(channels.encode_event_id(position)) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "-1",
        EPOCH,
        f"{EPOCH}-",
        f"{EPOCH}-01",
        f"{EPOCH}--1",
        f"{EPOCH}-1 ",
        f" {EPOCH}-1",
        f"{EPOCH}-1\n",
        f"{EPOCH}-1.0",
        f"{EPOCH}-1e3",
        f"{EPOCH}-\N{ARABIC-INDIC DIGIT ONE}",
        f"{EPOCH}-1000000000000000",
        f"{EPOCH.upper()}-1",
        f"{EPOCH[1:]}-1",
        f"{EPOCH}0-1",
    ],
)
def test_any_other_form_of_event_id_is_refused(text: str) -> None:
    with pytest.raises(EventIdMalformed):
        channels.decode_event_id(text)


def test_live_channel_leads_back_to_its_user() -> None:
    assert channels.user_of_live(channels.live(42)) == 42
    assert channels.user_of_live("{u:0}:live") is None
    assert channels.user_of_live("{u:42}:live\n") is None
    assert channels.user_of_live(channels.NOTIFICATIONS) is None


def test_role_channel_leads_back_to_its_role() -> None:
    assert channels.role_of(channels.role("manager")) == "manager"
    assert channels.role_of(channels.NOTIFICATIONS) is None
