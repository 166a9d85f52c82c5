"""A film is never held whole: the benchmark's own measurement, on a smaller one."""

import json
import subprocess
import sys
from pathlib import Path

MOST_GROWTH_MIB = 32


def test_an_upload_costs_no_more_memory_than_a_piece_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_upload", "--mib", "64"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    figures = json.loads(done.stdout)
    assert figures["size_mib"] == 64
    for platform in ("youtube", "instagram"):
        assert figures[platform]["growth_mib"] < MOST_GROWTH_MIB
