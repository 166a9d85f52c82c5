"""The schema's history (Alembic), and the one way to bring a database to its newest point."""

from pathlib import Path

from models.database import DatabaseNotReady

_FOLDER = Path(__file__).parent


def newest_revision() -> str:
    """The revision that this code needs.

    Read off the files' names, so that a worker does not carry Alembic along to ask it; a test
    holds the two together.
    """
    return max(path.name.split("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*_*.py"))


def upgrade(url: str) -> None:
    """Bring the database at ``url`` to the newest revision; does nothing when it is there.

    Blocks, and runs an event loop of its own: call it from a thread when one is running.
    Several callers at once wait for one another.

    Raises:
        DatabaseNotReady: it cannot be reached.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except OSError as error:
        raise DatabaseNotReady(
            f"cannot reach the database ({error}); check SNS_DATABASE_URL and that it is running"
        ) from error
