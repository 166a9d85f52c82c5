import pytest

from edge import origins

LISTED = ("https://app.example.com",)


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (None, True),
        ("https://app.example.com", True),
        ("https://app.example.com:8443", False),
        ("http://app.example.com", False),
        ("https://edge.example.com:8080", True),
        ("https://edge.example.com", False),
        ("http://localhost:3000", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:3000", True),
        ("https://localhost.evil.example", False),
        ("https://evil.example#localhost", False),
        ("https://edge.example.com:8080@evil.example", False),
        ("file://localhost", False),
        ("http://[", False),
        ("null", False),
        ("", False),
    ],
)
def test_listed_own_and_loopback_origins_may_connect(origin: str | None, is_allowed: bool) -> None:
    assert origins.is_allowed(origin, "edge.example.com:8080", LISTED) is is_allowed


def test_star_allows_all() -> None:
    assert origins.is_allowed("https://anyone.example", None, ("*",))
