import pytest

from models.revocation import Bearer, Revocation, RevocationMalformed, is_revoked


@pytest.mark.parametrize(
    ("bearer", "is_covered"),
    [
        (Bearer(7, "t1", 100), True),
        (Bearer(7, None, 99.5), True),
        (Bearer(7, "t1", None), True),  # cannot prove that it is newer
        (Bearer(7, "t1", 101), False),
        (Bearer(8, "t1", 50), False),
    ],
)
def test_revocation_of_a_user_covers_what_was_issued_until_then(
    bearer: Bearer, is_covered: bool
) -> None:
    assert Revocation(user_id=7, until=100).covers(bearer) is is_covered
    assert is_revoked(bearer, [b"100" if bearer.user_id == 7 else None, None]) is is_covered


def test_revocation_of_a_token_covers_it_alone() -> None:
    revocation = Revocation.from_message(b'{"token_id":"t1"}')

    assert revocation.covers(Bearer(7, "t1", None))
    assert not revocation.covers(Bearer(7, "t2", None))
    assert not revocation.covers(Bearer(7, None, None))
    assert is_revoked(Bearer(7, "t1", 100), [None, b"1"])
    assert not is_revoked(Bearer(7, None, 100), [None, b"1"])


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"user_id":7}', b'{"user_id":"7","until":1}', b'{"token_id":5}', b"\xff"],
)
def test_message_of_another_form_revokes_nothing(data: bytes) -> None:
    with pytest.raises(RevocationMalformed):
        Revocation.from_message(data)
