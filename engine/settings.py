"""Every setting of the engine: read once, checked whole, then frozen.

Names are environment variables with the prefix ``SNS_`` (``.env`` is read too); ``.env.example``
lists them. ``SNS_EDGE_*`` belongs to the edge and ``SNS_SANDBOX_*`` to the sandbox.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from engine.errors import BootFailed
from models.accounts import TokenVault

FOREIGN_PREFIXES = ("SNS_EDGE_", "SNS_SANDBOX_")


class Settings(BaseSettings):
    """The engine's settings. Durations carry their unit in the name."""

    model_config = SettingsConfigDict(
        env_prefix="SNS_", env_file=".env", extra="ignore", frozen=True
    )

    # Where things are
    database_url: str = Field(default="postgresql+asyncpg://sns@127.0.0.1:5432/sns", repr=False)
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    instagram_base_url: str = "https://graph.instagram.com/v25.0"
    instagram_upload_url: str = "https://rupload.facebook.com/ig-api-upload/v25.0"
    facebook_base_url: str = "https://graph.facebook.com/v26.0"
    facebook_upload_url: str = "https://rupload.facebook.com/video-upload/v26.0"
    threads_base_url: str = "https://graph.threads.net/v1.0"
    youtube_base_url: str = "https://youtube.googleapis.com/youtube/v3"
    youtube_upload_url: str = "https://www.googleapis.com/upload/youtube/v3"
    youtube_watch_url: str = "https://www.youtube.com/watch"

    # Secrets
    token_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        min_length=1, description="Fernet keys, comma-separated, newest first"
    )
    jwt_secret: SecretStr = Field(min_length=32, description="HS256 secret shared with the edge")
    meta_app_secret: SecretStr | None = Field(
        default=None, min_length=1, description="then every Meta call carries its appsecret_proof"
    )
    jwt_issuer: str = "sns"
    jwt_audience: str = "sns-edge"

    # Logs and metrics
    log_format: str = Field(default="json", pattern="^(json|pretty)$")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    metrics_host: str = "127.0.0.1"
    metrics_port_critical: int = Field(default=9191, ge=0, le=65535, description="0 = off")
    metrics_port_high: int = Field(default=9192, ge=0, le=65535)
    metrics_port_medium: int = Field(default=9193, ge=0, le=65535)
    metrics_port_low: int = Field(default=9194, ge=0, le=65535)
    metrics_port_scheduler: int = Field(default=9195, ge=0, le=65535)

    # Media
    media_allow_private: bool = Field(
        default=False, description="also fetch media from loopback and private networks"
    )

    # Publishing
    look_ahead_s: float = Field(default=600, gt=0, description="containers are made this early")
    look_ahead_video_s: float = Field(
        default=3600, gt=0, description="the same for posts with video, which take longer"
    )
    lease_s: float = Field(default=10, ge=1, description="a claim lives this long unrenewed")
    publish_timeout_s: float = Field(default=30, gt=0, description="then the outcome is unknown")
    retry_base_s: float = Field(default=30, gt=0)
    retry_max: int = Field(default=3, ge=0)
    doubt_wait_s: float = Field(
        default=60, ge=0, description="a READY container must stay unpublished this long"
    )
    doubt_give_up_s: float = Field(
        default=600, ge=0, description="no matching post after this long means not live"
    )
    circuit_open_s: float = Field(
        default=15, gt=0, description="a broken road rests so long, then up to 8 times as long"
    )
    too_late_s: float = Field(default=86_400, gt=0, description="due longer ago is refused")

    # Collecting
    watch_days: float = Field(default=90, gt=0, description="comments of younger posts are read")
    comment_sweep_s: float = Field(
        default=3600, ge=1, description="a lively post is read whole so often, for edits"
    )

    # Outbox
    outbox_overdue_s: float = Field(default=120, gt=0)
    outbox_keep_s: float = Field(default=172_800, gt=0, description="sent rows are kept this long")
    history_events: int = Field(default=500, ge=1, description="kept per user for resume")
    history_s: int = Field(default=86_400, ge=60)

    @field_validator("token_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("token_keys")
    @classmethod
    def _check_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        try:
            TokenVault([key.get_secret_value() for key in value])
        except ValueError:
            # Raised anew without the cause, which would print the key.
            raise ValueError("each key must be 32 url-safe base64-encoded bytes") from None
        return value

    def vault(self) -> TokenVault:
        """What seals and opens the accounts' tokens."""
        return TokenVault([key.get_secret_value() for key in self.token_keys])

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the environment (or ``environ`` alone, for tests) and check all of it.

        Raises:
            BootFailed: names each key that is unknown or bad, without its value.
        """
        source = {**_env_file(), **os.environ} if environ is None else dict(environ)
        known = {f"SNS_{name.upper()}": name for name in cls.model_fields}
        ours = {key: value for key, value in source.items() if key.upper().startswith("SNS_")}
        unknown = [
            key
            for key in ours
            if key.upper() not in known and not key.upper().startswith(FOREIGN_PREFIXES)
        ]
        if unknown:
            raise BootFailed(
                f"unknown setting {', '.join(sorted(unknown))}; .env.example lists every key"
            )
        values = {known[key.upper()]: value for key, value in ours.items() if key.upper() in known}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = "; ".join(
                f"SNS_{'_'.join(str(part) for part in fault['loc'][:1]).upper()}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False)
            )
            raise BootFailed(f"bad setting: {faults}") from None


def _env_file() -> dict[str, str]:
    path = Path(".env")
    if not path.is_file():
        return {}
    return {key: value for key, value in dotenv_values(path).items() if value is not None}
