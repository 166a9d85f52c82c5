"""Every setting of the edge: read once, checked whole, then frozen.

``SNS_EDGE_*`` is the edge's own: an unknown name there stops the start. The names without
``EDGE_`` are shared with the engine, which has many more, so that unknown ones of those are not
the edge's business. Plain pydantic, because a process that is all memory for sockets has none to
spare for a second settings library.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from edge import keys

_SHORTEST_SECRET: Final = 32  # characters, for HS256

_SHARED: Final = frozenset(
    {
        "redis_url",
        "database_url",
        "jwt_secret",
        "jwt_issuer",
        "jwt_audience",
        "log_format",
        "log_level",
        "history_events",
        "history_s",
    }
)


class SettingsInvalid(Exception):
    """The edge cannot start; the message is one line that names each key, without its value."""


class Settings(BaseModel):
    """The edge's settings. Durations carry their unit in the name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Shared with the engine: SNS_<NAME>
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    database_url: str = Field(
        default="postgresql+asyncpg://sns@127.0.0.1:5432/sns",
        pattern=r"^postgresql(\+asyncpg)?://",
        repr=False,
    )
    jwt_secret: SecretStr = Field(
        min_length=_SHORTEST_SECRET, description="HS256 secret of the tokens' issuer"
    )
    jwt_issuer: str = "sns"
    jwt_audience: str = "sns-edge"
    log_format: str = Field(default="json", pattern="^(json|pretty)$")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    history_events: int = Field(default=500, ge=1, description="kept per user for resume")
    history_s: int = Field(default=86_400, ge=60)

    # The edge's own: SNS_EDGE_<NAME>
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535, description="0 takes a free one")
    jwt_old_secrets: tuple[SecretStr, ...] = Field(
        default=(), description="comma-separated; HS256 secrets that are still good"
    )
    jwks: str = Field(
        default="", description="RS256 and ES256 keys: a file, https, or http on this machine"
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(),
        description="comma-separated, besides the edge's own host and loopback; * allows all",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="comma-separated networks; their X-Forwarded-For is believed"
    )
    auth_timeout_s: float = Field(default=10, gt=0)
    hello_timeout_s: float = Field(default=10, gt=0, description="how long Redis may be away")
    silence_s: float = Field(
        default=90, gt=0, description="browsers ping a hidden tab's once a minute"
    )
    refresh_grace_s: float = Field(
        default=30, ge=0, description="before a token's end the warning, after it the close"
    )
    max_age_s: float = Field(
        default=43_200, ge=0, description="a connection is replaced by then; 0 = never"
    )
    frames_per_s: float = Field(default=10, gt=0, description="that a client may send")
    frames_burst: int = Field(default=20, ge=1, description="that it may send at once")
    user_connections: int = Field(default=10, ge=1, description="of one user, over all edges")
    max_connections: int = Field(default=20_000, ge=1, description="of this process")
    connects_per_s: float = Field(default=200, gt=0, description="of one address")
    connects_burst: int = Field(default=5000, ge=1, description="of one address, at once")
    compare_s: float = Field(default=30, gt=0, description="positions are compared this often")
    send_timeout_s: float = Field(default=5, gt=0)
    queue_frames: int = Field(default=256, ge=1, description="frames that may wait per socket")
    queue_bytes: int = Field(default=1024 * 1024, ge=1024)
    presence_s: int = Field(default=300, ge=3)
    database_connections: int = Field(default=4, ge=1, le=100, description="opened when needed")
    requests_per_s: float = Field(default=20, gt=0, description="of one user, to the HTTP API")
    requests_burst: int = Field(default=60, ge=1, description="of one user, at once")
    heartbeat_s: float = Field(default=15, gt=0, le=60, description="between comments on /sse")
    chat_enabled: bool = Field(
        default=False, description="only where a worker has the actor answer_chat"
    )
    webhook_verify_token: SecretStr = Field(
        default=SecretStr(""), description="what Meta is told at subscribing; empty: no webhooks"
    )
    webhook_secrets: tuple[SecretStr, ...] = Field(
        default=(), description="comma-separated; app secrets that deliveries are signed with"
    )
    presence_grace_s: int = Field(default=5, ge=0, description="for pages that reload")
    drain_window_s: float = Field(default=5, ge=0, description="over which sockets are closed")
    drain_s: float = Field(default=2, ge=0, description="how long the last may take to close")
    retry_ms: int = Field(default=1000, ge=0, description="at most, until they come back")

    @field_validator(
        "allowed_origins", "jwt_old_secrets", "trusted_proxies", "webhook_secrets", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("jwt_old_secrets")
    @classmethod
    def _are_long(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value()) < _SHORTEST_SECRET for secret in secrets):
            raise ValueError(f"each has at least {_SHORTEST_SECRET} characters")
        return secrets

    @field_validator("jwks")
    @classmethod
    def _can_be_read(cls, where: str) -> str:
        if where:
            keys.source(where)
        return where

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for network in networks:
                ipaddress.ip_network(network)
        except ValueError:
            raise ValueError("addresses or networks such as 10.0.0.0/8") from None
        return networks

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the environment and ``.env`` (or ``environ`` alone) and check all of it.

        Raises:
            SettingsInvalid: names each key that is unknown or bad, without its value.
        """
        source = {**_env_file(), **os.environ} if environ is None else dict(environ)
        known = {_key(name): name for name in cls.model_fields}
        unknown = sorted(
            key
            for key in source
            if key.upper().startswith("SNS_EDGE_") and key.upper() not in known
        )
        if unknown:
            raise SettingsInvalid(f"unknown setting {', '.join(unknown)}")
        values = {
            known[key.upper()]: value for key, value in source.items() if key.upper() in known
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = "; ".join(
                f"{_key(str(fault['loc'][0]))}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False)
            )
            raise SettingsInvalid(f"bad setting: {faults}") from None


def _key(name: str) -> str:
    return f"SNS_{name.upper()}" if name in _SHARED else f"SNS_EDGE_{name.upper()}"


def _env_file() -> dict[str, str]:
    path = Path(".env")
    if not path.is_file():
        return {}
    return {key: value for key, value in dotenv_values(path).items() if value is not None}
