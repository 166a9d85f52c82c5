"""Instagram's tokens (Instagram Login): 60 days, renewed by themselves."""

from engine.platforms.meta_tokens import LongLivedTokens


class InstagramTokens(LongLivedTokens):
    """``engine.ports.TokenClient`` of Instagram; see ``engine.platforms.meta_tokens``."""

    def __init__(self, base_url: str, *, app_secret: str | None = None) -> None:
        super().__init__(base_url, grant_type="ig_refresh_token", app_secret=app_secret)
