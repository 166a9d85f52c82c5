"""Who an event is for, where that may be more than one user.

Roles and client teams are PostgreSQL's to know; a browser's token says only what was true when it
was issued. An event for a team is therefore addressed where it is written
(``models.outgoing.tell``).
"""

from dataclasses import dataclass
from typing import Final, Self

from models.words import Role

_ASSIGNED: Final = "SELECT user_id AS id FROM client_members WHERE client_id = $1::bigint"

_ASSIGNED_WITH_ROLES: Final = """
SELECT users.id FROM client_members JOIN users ON users.id = client_members.user_id
WHERE client_members.client_id = $1::bigint AND users.role = ANY($2::text[])
"""

_OPERATORS: Final = """
SELECT users.id FROM platform_accounts
JOIN client_members ON client_members.client_id = platform_accounts.client_id
JOIN users ON users.id = client_members.user_id
WHERE platform_accounts.id = $1::bigint AND users.role = ANY($2::text[])
"""

_WITH_ROLES: Final = "SELECT id FROM users WHERE role = ANY($1::text[])"


@dataclass(frozen=True, slots=True)
class Audience:
    """Users, as a query that gives each ``id`` once, and what its ``$1``, ``$2`` stand for."""

    query: str
    arguments: tuple[object, ...]
    roles: tuple[Role, ...] = ()
    """One of these is needed, now and when the event is read again later; empty: none is."""

    @classmethod
    def assigned_to(cls, client_id: int) -> Self:
        """Everyone who serves a client, the client's own people among them."""
        return cls(_ASSIGNED, (client_id,))

    @classmethod
    def reviewers_of(cls, client_id: int) -> Self:
        """Those who may approve a client's contents: its managers and its own people."""
        roles = (Role.MANAGER, Role.CLIENT)
        return cls(_ASSIGNED_WITH_ROLES, (client_id, list(roles)), roles)

    @classmethod
    def operators_of(cls, platform_account_id: int) -> Self:
        """Those who answer what comes in on an account: the operators of its client."""
        return cls(_OPERATORS, (platform_account_id, [Role.OPERATOR]), (Role.OPERATOR,))

    @classmethod
    def with_role(cls, role: Role) -> Self:
        """Every user with a role, whichever clients they serve."""
        return cls(_WITH_ROLES, ([role],), (role,))
