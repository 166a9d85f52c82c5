import pytest

from edge.settings import Settings, SettingsInvalid

SECRET = {"SNS_JWT_SECRET": "s" * 32}


def test_own_and_shared_names_are_read() -> None:
    settings = Settings.load(
        SECRET
        | {
            "SNS_EDGE_PORT": "9000",
            "SNS_REDIS_URL": "redis://other/1",
            "SNS_HISTORY_EVENTS": "50",
            "SNS_EDGE_ALLOWED_ORIGINS": "https://a.example, https://b.example,",
        }
    )

    assert (settings.port, settings.redis_url, settings.history_events) == (
        9000,
        "redis://other/1",
        50,
    )
    assert settings.allowed_origins == ("https://a.example", "https://b.example")


def test_names_of_the_engine_are_none_of_the_edges_business() -> None:
    Settings.load(SECRET | {"SNS_DATABASE_URL": "postgresql://", "SNS_LEASE_S": "10"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SNS_EDGE_PORT", "70000"),
        ("SNS_EDGE_UNHEARD_OF", "something"),
        ("SNS_EDGE_REDIS_URL", "redis://x"),
        ("SNS_LOG_LEVEL", "LOUD"),
        ("SNS_JWT_SECRET", "short-secret"),
    ],
)
def test_bad_setting_is_named_in_one_line_without_its_value(key: str, value: str) -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        Settings.load(SECRET | {key: value})

    message = str(refusal.value)
    assert key in message
    assert "\n" not in message
    assert value not in message


def test_missing_secret_is_named() -> None:
    with pytest.raises(SettingsInvalid, match="SNS_JWT_SECRET"):
        Settings.load({})


def test_secret_does_not_print_itself() -> None:
    assert "ssss" not in repr(Settings.load(SECRET))
