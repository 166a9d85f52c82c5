"""``python -m engine.cli``, the same as ``sns``."""

from engine.cli import app

if __name__ == "__main__":
    app(prog_name="sns")
