"""URLs as a platform's fetcher can read them."""

import re
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

KEPT: Final = "%/:?#[]@!$&'()*+,;=-._~"
LONE_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")


def ascii_url(url: str) -> str:
    """The same address in ASCII: host in IDNA, the rest percent-encoded, what is encoded kept.

    Meta's fetcher may fail on file names in Korean:
    https://developers.facebook.com/docs/instagram-platform/content-publishing, read 2026-11-23.

    Raises:
        ValueError: it is no absolute http or https URL.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an absolute http or https URL")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None:
        host += f":{parts.port}"
    return urlunsplit((parts.scheme, host, _encoded(parts.path), _encoded(parts.query), ""))


def is_public_url(url: str) -> bool:
    """Whether :func:`ascii_url` takes it."""
    try:
        ascii_url(url)
    except ValueError:
        return False
    return True


def _encoded(part: str) -> str:
    return quote(LONE_PERCENT.sub("%25", part), safe=KEPT)
