"""Which adapter speaks for which platform."""

from collections.abc import Mapping

from engine.platforms.instagram import InstagramClient
from engine.ports import MediaSource, PlatformClient
from engine.settings import Settings
from models.accounts import Platform


def open_platforms(settings: Settings, media: MediaSource) -> Mapping[Platform, PlatformClient]:
    """One client per platform that can be published to; the caller closes them.

    Args:
        settings: where the platforms are, and how long a call may take.
        media: where the bytes come from that a platform is sent.
    """
    secret = settings.meta_app_secret
    return {
        Platform.INSTAGRAM: InstagramClient(
            settings.instagram_base_url,
            publish_timeout_s=settings.publish_timeout_s,
            app_secret=None if secret is None else secret.get_secret_value(),
        ),
    }
