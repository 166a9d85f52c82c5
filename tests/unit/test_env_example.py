""".env.example lists every setting, with its default."""

import re
from pathlib import Path
from typing import Any

import pytest

import edge.settings
import engine.settings
from engine.errors import BootFailed

TEXT = Path(".env.example").read_text()
LINES = dict(re.findall(r"^(?:# )?(SNS_[A-Z_]+)=(.*)$", TEXT, re.MULTILINE))
SECRETS = {"SNS_TOKEN_KEYS", "SNS_JWT_SECRET"}


def fields() -> dict[str, Any]:
    found = {
        f"SNS_{name.upper()}": field.default
        for name, field in engine.settings.Settings.model_fields.items()
    }
    found |= {
        edge.settings._key(name): field.default
        for name, field in edge.settings.Settings.model_fields.items()
    }
    return found


def test_every_setting_of_engine_and_edge_is_there_and_no_other() -> None:
    listed = {key for key in LINES if not key.startswith("SNS_SANDBOX_")}
    assert listed == set(fields())


@pytest.mark.parametrize("key", sorted(set(fields()) - SECRETS - {"SNS_META_APP_SECRET"}))
def test_the_value_is_the_default(key: str) -> None:
    default = fields()[key]
    assert LINES[key] == ("" if default == () else str(default))


def test_every_switch_of_the_sandbox_is_there() -> None:
    from engine.sandbox.__main__ import _parser

    options = {
        "SNS_SANDBOX_" + action.dest.upper()
        for action in _parser()._actions
        if action.dest != "help"
    }
    assert {key for key in LINES if key.startswith("SNS_SANDBOX_")} == options


def test_every_setting_is_explained() -> None:
    blocks = re.split(r"\n(?=#)", TEXT)
    for key in LINES:
        block = next(part for part in blocks if f"{key}=" in part)
        assert block.startswith("# ") or key.startswith("SNS_EDGE_HOST"), key


def test_copied_as_it_is_it_names_what_is_still_missing() -> None:
    given = dict(re.findall(r"^(SNS_[A-Z_]+)=(.*)$", TEXT, re.MULTILINE))
    with pytest.raises(BootFailed, match=r"SNS_TOKEN_KEYS.*SNS_JWT_SECRET"):
        engine.settings.Settings.load(given)
