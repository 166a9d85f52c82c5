"""Moves every sealed token to the newest key, while the system runs.

Row by row, compare and set: a token that was renewed between the reading and the writing is never
overwritten with the old one; it is looked at again instead. What is under the newest key already is
left alone, so a run that was cut off is simply started again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from models.accounts import TokenUnreadable, TokenVault

BATCH: Final = 200  # rows read at once
TRIES: Final = 5  # against a renewal in the very same moment; one a minute is already rare

COLUMNS: Final = ("sealed_token", "sealed_refresh_token")

_READ = text("""
SELECT id FROM platform_accounts
WHERE id > :after AND (sealed_token IS NOT NULL OR sealed_refresh_token IS NOT NULL)
ORDER BY id LIMIT :limit
""")
_SEAL_OF: Final = {
    column: text(f"SELECT {column} FROM platform_accounts WHERE id = :id")  # noqa: S608  # ours
    for column in COLUMNS
}
_SWAP: Final = {
    column: text(
        f"UPDATE platform_accounts SET {column} = :new "  # noqa: S608  # ours
        f"WHERE id = :id AND {column} = :old"
    )
    for column in COLUMNS
}


@dataclass(slots=True)
class Resealing:
    """Figures of one run.

    Attributes:
        accounts: looked at.
        resealed: tokens that were moved to the newest key.
        already: tokens that were under it before.
        unreadable: account and column of those that no key of ours opens.
        contended: account and column of those that changed at every try; run it again.
    """

    accounts: int = 0
    resealed: int = 0
    already: int = 0
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    contended: list[tuple[int, str]] = field(default_factory=list)


async def reseal(
    database: AsyncEngine,
    vault: TokenVault,
    *,
    report: Callable[[Resealing], None] = lambda _: None,
) -> Resealing:
    """Move every token to the vault's newest key; ``report`` is called after each batch."""
    figures, after = Resealing(), 0
    while True:
        async with database.connect() as connection:
            rows = await connection.execute(_READ, {"after": after, "limit": BATCH})
            ids = list(rows.scalars())
        if not ids:
            return figures
        for account_id in ids:
            for column in COLUMNS:
                await _move(database, vault, account_id, column, figures)
        figures.accounts += len(ids)
        after = ids[-1]
        report(figures)


async def _move(
    database: AsyncEngine, vault: TokenVault, account_id: int, column: str, figures: Resealing
) -> None:
    for _ in range(TRIES):
        async with database.connect() as connection:
            old: bytes | None = await connection.scalar(_SEAL_OF[column], {"id": account_id})
        if old is None:
            return
        if vault.is_newest(old):
            figures.already += 1
            return
        try:
            new = vault.reseal(old)
        except TokenUnreadable:
            figures.unreadable.append((account_id, column))
            return
        async with database.begin() as connection:
            swapped = await connection.execute(
                _SWAP[column], {"id": account_id, "old": old, "new": new}
            )
        if swapped.rowcount:
            figures.resealed += 1
            return
    figures.contended.append((account_id, column))
