"""The users that tokens are made for."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from engine.cli.faults import CommandFailed
from engine.cli.session import visit
from models.people import ClientMember, User


@dataclass(frozen=True)
class Person:
    """A user with what a token says of them."""

    id: int
    email: str
    name: str
    role: str
    clients: tuple[int, ...]


def read_people(database_url: str) -> list[Person]:
    """Every user, in the order of their ids."""
    return visit(database_url, _read)


def find_person(database_url: str, wanted: str) -> Person:
    """The user with this id or e-mail address.

    Raises:
        CommandFailed: there is none.
    """
    for person in read_people(database_url):
        if wanted in (str(person.id), person.email):
            return person
    raise CommandFailed(f"there is no user {wanted}; `sns up` prints the sample's users")


async def _read(session: AsyncSession) -> list[Person]:
    clients: defaultdict[int, list[int]] = defaultdict(list)
    members = select(ClientMember).order_by(col(ClientMember.client_id))
    for member in await session.scalars(members):
        clients[member.user_id].append(member.client_id)
    return [
        Person(user.id, user.email, user.name, str(user.role), tuple(clients[user.id]))
        for user in await session.scalars(select(User).order_by(col(User.id)))
        if user.id is not None
    ]
