"""Which adapter speaks for which platform."""

from collections.abc import Mapping
from typing import Any

from engine.platforms.breaker import Guarded
from engine.platforms.facebook import FacebookClient
from engine.platforms.facebook_tokens import FacebookTokens
from engine.platforms.instagram import InstagramClient
from engine.platforms.instagram_tokens import InstagramTokens
from engine.platforms.threads import ThreadsClient
from engine.platforms.threads_tokens import ThreadsTokens
from engine.platforms.youtube import YouTubeClient
from engine.platforms.youtube_tokens import YouTubeTokens
from engine.ports import MediaSource, PlatformClient, TokenClient
from engine.settings import Settings
from models.accounts import Platform


def open_platforms(settings: Settings, media: MediaSource) -> Mapping[Platform, PlatformClient]:
    """One client per platform, each behind a circuit breaker; the caller closes them.

    Args:
        settings: where the platforms are, and how long a call may take.
        media: where the bytes come from that a platform is sent.
    """
    secret = settings.meta_app_secret
    meta: dict[str, Any] = {
        "publish_timeout_s": settings.publish_timeout_s,
        "app_secret": None if secret is None else secret.get_secret_value(),
    }
    clients: dict[Platform, PlatformClient] = {
        Platform.INSTAGRAM: InstagramClient(
            settings.instagram_base_url,
            upload_url=settings.instagram_upload_url,
            media=media,
            **meta,
        ),
        Platform.FACEBOOK: FacebookClient(
            settings.facebook_base_url, upload_url=settings.facebook_upload_url, **meta
        ),
        Platform.THREADS: ThreadsClient(settings.threads_base_url, **meta),
        Platform.YOUTUBE: YouTubeClient(
            settings.youtube_base_url,
            upload_url=settings.youtube_upload_url,
            watch_url=settings.youtube_watch_url,
            media=media,
            publish_timeout_s=settings.publish_timeout_s,
        ),
    }
    return {
        platform: Guarded(client, platform.value, open_s=settings.circuit_open_s)
        for platform, client in clients.items()
    }


def open_tokens(settings: Settings) -> Mapping[Platform, TokenClient]:
    """What renews and checks each platform's tokens; the caller closes them."""
    secret = settings.meta_app_secret
    app_secret = None if secret is None else secret.get_secret_value()
    return {
        Platform.INSTAGRAM: InstagramTokens(settings.instagram_base_url, app_secret=app_secret),
        Platform.FACEBOOK: FacebookTokens(
            settings.facebook_base_url, app_id=settings.meta_app_id, app_secret=app_secret
        ),
        Platform.THREADS: ThreadsTokens(settings.threads_base_url, app_secret=app_secret),
        Platform.YOUTUBE: YouTubeTokens(
            settings.google_token_url,
            api_url=settings.youtube_base_url,
            client_id=settings.google_client_id,
            client_secret=settings.google_client_secret.get_secret_value(),
        ),
    }
