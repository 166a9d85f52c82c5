import pickle

import pytest
from cryptography.fernet import Fernet

from models.accounts import AccessToken, Platform, PlatformAccount, TokenUnreadable, TokenVault

SECRET = "EAAG-very-secret"


def test_a_token_shows_itself_only_when_asked() -> None:
    token = AccessToken(SECRET)
    assert SECRET not in f"{token} {token!r} {[token]}"
    assert token.reveal() == SECRET
    with pytest.raises(TypeError):
        pickle.dumps(token)


def test_a_sealed_token_is_neither_in_the_row_nor_in_its_repr() -> None:
    vault = TokenVault([Fernet.generate_key().decode()])
    sealed = vault.seal(AccessToken(SECRET))
    account = PlatformAccount(
        client_id=1,
        platform=Platform.INSTAGRAM,
        platform_user_id="1",
        username="brand",
        sealed_token=sealed,
    )
    assert SECRET.encode() not in sealed
    assert repr(sealed) not in repr(account)
    assert vault.open(sealed).reveal() == SECRET


def test_keys_rotate_without_losing_a_token() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = TokenVault([old]).seal(AccessToken(SECRET))
    both = TokenVault([new, old])
    assert both.open(sealed).reveal() == SECRET
    resealed = both.reseal(sealed)
    assert TokenVault([new]).open(resealed).reveal() == SECRET


def test_a_token_that_no_key_opens_says_so_without_its_content() -> None:
    sealed = TokenVault([Fernet.generate_key().decode()]).seal(AccessToken(SECRET))
    with pytest.raises(TokenUnreadable) as caught:
        TokenVault([Fernet.generate_key().decode()]).open(sealed)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
