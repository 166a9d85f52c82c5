"""Tokens and keys; the cases on a socket are in the integration tests."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from edge.auth import KeysUnavailable, TokenRefused, Verifier
from edge.keys import KeySet, KeySourceInvalid, source

NEW, OLD = "n" * 40, "o" * 40
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
SHORT_RSA_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def signed(key: Any, algorithm: str, kid: str | None = None, **claims: Any) -> str:
    claims = {"sub": "7", "iss": "sns", "aud": "sns-edge", "exp": time.time() + 60} | claims
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)


def published(key: Any, kid: str | None, **fields: Any) -> dict[str, Any]:
    kind = jwt.algorithms.RSAAlgorithm
    algorithm: Any = kind if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    found: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return found | ({"kid": kid} if kid else {}) | fields


class Issuer:
    """A JWKS that can change or be away, and how often it was read."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.is_away = False
        self.reads = 0
        self.now = 100.0

    def read(self) -> bytes:
        self.reads += 1
        if self.is_away:
            raise OSError("away")
        return json.dumps({"keys": self.keys}).encode()

    def verifier(self) -> Verifier:
        keys = KeySet(self.read, lambda: self.now)
        return Verifier([NEW], issuer="sns", audience="sns-edge", keys=keys)


async def test_older_secrets_are_good_until_they_are_taken_out() -> None:
    verifier = Verifier([NEW, OLD], issuer="sns", audience="sns-edge")

    for secret in (NEW, OLD):
        assert (await verifier.verify(signed(secret, "HS256"))).user_id == 7
    with pytest.raises(TokenRefused):
        await verifier.verify(signed("x" * 40, "HS256"))
    with pytest.raises(TokenRefused):
        await Verifier([NEW], issuer="sns", audience="sns-edge").verify(signed(OLD, "HS256"))
    with pytest.raises(TokenRefused, match="ExpiredSignatureError"):
        await verifier.verify(signed(NEW, "HS256", exp=1))


async def test_claims_become_an_identity() -> None:
    verifier = Verifier([NEW], issuer="sns", audience="sns-edge")

    token = signed(NEW, "HS256", roles=["manager"], clients=[1], jti="t", iat=5, exp=2**70)
    identity = await verifier.verify(token)

    assert identity.roles == {"manager"}
    assert identity.client_ids == {1}
    assert identity.bearer == (7, "t", 5)
    assert identity.expires_on.year == 9999
    assert (await verifier.verify(signed(NEW, "HS256"))).client_ids is None


@pytest.mark.parametrize(
    "claims",
    [
        {"roles": "admin"},
        {"clients": ["1"]},
        {"clients": [True]},
        {"jti": "x" * 257},
        {"iat": "now"},
        {"exp": "1e999"},
    ],
)
async def test_claim_of_another_shape_is_refused(claims: dict[str, Any]) -> None:
    verifier = Verifier([NEW], issuer="sns", audience="sns-edge")
    token = jwt.api_jws.encode(
        json.dumps(
            {"sub": "7", "iss": "sns", "aud": "sns-edge", "exp": time.time() + 60} | claims
        ).encode(),
        NEW,
        "HS256",
    )

    with pytest.raises(TokenRefused):
        await verifier.verify(token)


async def test_public_keys_check_the_one_algorithm_they_are_for() -> None:
    verifier = Issuer(published(RSA_KEY, "r"), published(EC_KEY, "e")).verifier()

    assert (await verifier.verify(signed(RSA_KEY, "RS256", "r"))).user_id == 7
    assert (await verifier.verify(signed(EC_KEY, "ES256", "e"))).user_id == 7
    for bad in (
        signed(RSA_KEY, "RS256", "e"),
        signed(EC_KEY, "ES256", "r"),
        signed(RSA_KEY, "RS384", "r"),
        signed(RSA_KEY, "PS256", "r"),
        signed(OTHER_RSA_KEY, "RS256", "r"),
        signed(RSA_KEY, "RS256"),  # which of the two is meant?
    ):
        with pytest.raises(TokenRefused):
            await verifier.verify(bad)


async def test_public_key_is_not_taken_for_a_secret() -> None:
    verifier = Issuer(published(RSA_KEY, "r")).verifier()
    public = RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"r"}')
    body = jwt.utils.base64url_encode(
        json.dumps({"sub": "7", "iss": "sns", "aud": "sns-edge", "exp": 2**33}).encode()
    )
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        header + b"." + body, public
    )
    token = b".".join((header, body, jwt.utils.base64url_encode(signature))).decode()

    with pytest.raises(TokenRefused):
        await verifier.verify(token)


async def test_only_key_needs_no_id() -> None:
    verifier = Issuer(published(EC_KEY, None)).verifier()

    assert (await verifier.verify(signed(EC_KEY, "ES256"))).user_id == 7


@pytest.mark.parametrize(
    "key",
    [
        published(SHORT_RSA_KEY, "k"),
        published(RSA_KEY, "k", use="enc"),
        published(RSA_KEY, "k", alg="RS512"),
        published(RSA_KEY, "k", n="!"),
        {"kty": "oct", "k": "AAAA", "kid": "k"},
        "no key",
    ],
)
async def test_key_that_is_not_for_us_is_passed_over(key: Any) -> None:
    verifier = Issuer(key, published(EC_KEY, "e")).verifier()

    assert await verifier.verify(signed(EC_KEY, "ES256", "e"))
    with pytest.raises(TokenRefused, match="unknown key"):
        await verifier.verify(signed(RSA_KEY, "RS256", "k"))


async def test_unknown_key_is_looked_for_at_most_every_ten_seconds() -> None:
    issuer = Issuer(published(RSA_KEY, "r"))
    verifier = issuer.verifier()
    rotated = signed(EC_KEY, "ES256", "e")

    async def is_refused() -> bool:
        try:
            await verifier.verify(rotated)
        except TokenRefused:
            return True
        return False

    assert await verifier.verify(signed(RSA_KEY, "RS256", "r"))
    issuer.keys = [published(EC_KEY, "e")]
    assert await asyncio.gather(*(is_refused() for _ in range(20))) == [True] * 20
    assert issuer.reads == 1

    issuer.now += 10
    assert await asyncio.gather(*(is_refused() for _ in range(20))) == [False] * 20
    assert issuer.reads == 2
    with pytest.raises(TokenRefused, match="unknown key"):
        await verifier.verify(signed(RSA_KEY, "RS256", "r"))  # the issuer took it back


async def test_key_that_was_taken_back_is_noticed_without_a_new_one() -> None:
    issuer = Issuer(published(RSA_KEY, "r"), published(EC_KEY, "e"))
    verifier = issuer.verifier()
    token = signed(RSA_KEY, "RS256", "r")
    assert await verifier.verify(token)
    issuer.keys.pop(0)

    issuer.now += 600
    with pytest.raises(TokenRefused, match="unknown key"):
        await verifier.verify(token)


async def test_issuer_that_is_away_has_not_taken_its_keys_back() -> None:
    issuer = Issuer(published(RSA_KEY, "r"))
    verifier = issuer.verifier()
    token = signed(RSA_KEY, "RS256", "r")
    issuer.is_away = True
    with pytest.raises(KeysUnavailable):
        await verifier.verify(token)
    issuer.is_away = False
    issuer.now += 10
    assert await verifier.verify(token)

    issuer.is_away = True
    issuer.now += 600
    assert await verifier.verify(token)
    with pytest.raises(KeysUnavailable):
        await verifier.verify(signed(EC_KEY, "ES256", "e"))


@pytest.mark.parametrize(
    "where",
    [
        "http://issuer.example/jwks",
        "http://127.0.0.1.example/jwks",
        "ftp://127.0.0.1/jwks",
        "https://",
        "https://[",
        "/no/such/file",
    ],
)
def test_keys_come_from_a_file_or_over_tls(where: str) -> None:
    with pytest.raises(KeySourceInvalid):
        source(where)


def test_keys_may_come_from_a_file_from_https_and_from_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(b'{"keys":[]}')

    assert source(str(path))() == b'{"keys":[]}'
    for where in ("https://issuer.example/jwks", "http://127.0.0.1:1/", "http://[::1]:1/k?x=1"):
        assert source(where)
