import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_sandbox_knows_nothing_of_the_engine_that_it_is_there_to_judge():
    program = (
        "import sys, engine.sandbox.__main__\n"
        "print(*[n for n in sys.modules if n.split('.')[0] in ('engine', 'edge', 'models')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    foreign = [
        name
        for name in done.stdout.split()
        if name != "engine" and not name.startswith("engine.sandbox")
    ]
    assert foreign == []
