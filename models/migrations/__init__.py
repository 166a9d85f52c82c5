"""The schema's history (Alembic), and the one way to bring a database to its newest point."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from models.database import DatabaseNotReady

_FOLDER = Path(__file__).parent


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["url"] = url
    return config


def newest_revision() -> str:
    """The revision that this code needs."""
    head = ScriptDirectory(str(_FOLDER)).get_current_head()
    if head is None:
        raise DatabaseNotReady("this installation has no migrations; install it again")
    return head


def upgrade(url: str) -> None:
    """Bring the database at ``url`` to the newest revision; does nothing when it is there.

    Blocks, and runs an event loop of its own: call it from a thread when one is running.
    Several callers at once wait for one another.

    Raises:
        DatabaseNotReady: it cannot be reached.
    """
    try:
        command.upgrade(_config(url), "head")
    except OSError as error:
        raise DatabaseNotReady(
            f"cannot reach the database ({error}); check SNS_DATABASE_URL and that it is running"
        ) from error
