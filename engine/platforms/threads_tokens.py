"""Threads' tokens: 60 days, renewed by themselves; the permission ``threads_basic`` allows it."""

from engine.platforms.meta_tokens import LongLivedTokens


class ThreadsTokens(LongLivedTokens):
    """``engine.ports.TokenClient`` of Threads; see ``engine.platforms.meta_tokens``."""

    def __init__(self, base_url: str, *, app_secret: str | None = None) -> None:
        super().__init__(base_url, grant_type="th_refresh_token", app_secret=app_secret)
