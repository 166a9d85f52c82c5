import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.platforms.media_urls import ascii_url


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://a.test/b.jpg?x=1&y=%20", "https://a.test/b.jpg?x=1&y=%20"),
        ("https://a.test/한 글.jpg", "https://a.test/%ED%95%9C%20%EA%B8%80.jpg"),
        ("https://a.test/%ED%95%9C.jpg", "https://a.test/%ED%95%9C.jpg"),
        ("https://a.test/b.jpg?이름=봄", "https://a.test/b.jpg?%EC%9D%B4%EB%A6%84=%EB%B4%84"),
        ("https://한국.test:8443/b.jpg", "https://xn--3e0b707e.test:8443/b.jpg"),
        ("http://[::1]:80/b.jpg", "http://[::1]:80/b.jpg"),
        ("https://a.test/100%.jpg", "https://a.test/100%25.jpg"),
        ("https://a.test/b.jpg#part", "https://a.test/b.jpg"),
    ],
)
def test_url_becomes_ascii_and_keeps_its_meaning(url, wanted):
    assert ascii_url(url) == wanted


@pytest.mark.parametrize(
    "url", ["", "b.jpg", "/b.jpg", "ftp://a.test/b.jpg", "https://", "file:///etc/passwd"]
)
def test_what_is_no_absolute_web_address_is_refused(url):
    with pytest.raises(ValueError, match="http"):
        ascii_url(url)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_encoding_twice_changes_nothing(name):
    try:
        once = ascii_url("https://a.test/" + name)
    except ValueError:
        return
    assert once.isascii()
    assert ascii_url(once) == once
