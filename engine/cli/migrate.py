"""``sns migrate``: bring the database to the schema that this code needs."""

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT


def migrate(data: DataOption = DEFAULT) -> None:
    """Bring the database's schema up to date. Safe to run again, and by several at once."""
    settings = configure(data)
    from models.database import DatabaseNotReady
    from models.migrations import newest_revision, upgrade

    try:
        upgrade(settings.database_url)
    except DatabaseNotReady as error:
        raise CommandFailed(str(error)) from error
    print(f"the database is at schema {newest_revision()}")
