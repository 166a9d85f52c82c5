"""``sns`` as a process of its own, in an environment of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


def clean_environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without its settings, plus ``settings``; the code under test is this repository's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SNS_")}
    return {**kept, "PYTHONPATH": str(REPOSITORY), **(settings or {})}


def sns(
    *arguments: str, settings: Mapping[str, str] | None = None, cwd: Path, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        env=clean_environment(settings),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
