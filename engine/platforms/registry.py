"""Which adapter speaks for which platform."""

from collections.abc import Mapping
from typing import Any

from engine.platforms.breaker import Guarded
from engine.platforms.facebook import FacebookClient
from engine.platforms.facebook_inbox import FacebookInbox
from engine.platforms.guarded_inbox import GuardedInbox
from engine.platforms.instagram import InstagramClient
from engine.platforms.instagram_inbox import InstagramInbox
from engine.platforms.threads import ThreadsClient
from engine.platforms.threads_inbox import ThreadsInbox
from engine.platforms.youtube import YouTubeClient
from engine.platforms.youtube_inbox import YouTubeInbox
from engine.ports import InboxClient, MediaSource, PlatformClient
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


def open_inboxes(settings: Settings) -> Mapping[Platform, InboxClient]:
    """One client per platform for its comments, behind circuit breakers; the caller closes them.

    They have connections of their own: reading many pages takes none that a due post waits for.

    Args:
        settings: where the platforms are, and how long a call may take.
    """
    secret = settings.meta_app_secret
    meta: dict[str, Any] = {
        "publish_timeout_s": settings.publish_timeout_s,
        "app_secret": None if secret is None else secret.get_secret_value(),
    }
    clients: dict[Platform, InboxClient] = {
        Platform.INSTAGRAM: InstagramInbox(settings.instagram_base_url, **meta),
        Platform.FACEBOOK: FacebookInbox(settings.facebook_base_url, **meta),
        Platform.THREADS: ThreadsInbox(settings.threads_base_url, **meta),
        Platform.YOUTUBE: YouTubeInbox(
            settings.youtube_base_url, publish_timeout_s=settings.publish_timeout_s
        ),
    }
    return {
        platform: GuardedInbox(client, f"{platform.value} inbox", open_s=settings.circuit_open_s)
        for platform, client in clients.items()
    }
