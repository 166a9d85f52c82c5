"""The edge holds sockets by the thousand; what it does not need, it must not load."""

import subprocess
import sys
from pathlib import Path

FORBIDDEN = ("engine", "sqlmodel", "sqlalchemy", "dramatiq", "alembic", "torch", "transformers")


def test_edge_loads_neither_the_engine_nor_a_heavy_library() -> None:
    code = (
        "import sys, edge.app, edge.server, edge.__main__;"
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
