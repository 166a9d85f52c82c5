"""Who works here: users, the agency's clients, and which users serve which client."""

from sqlalchemy import Integer, Text
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, foreign_key, one_of, primary_key, utc
from models.words import Role as Role


class User(SQLModel, table=True):
    """A person who signs in: the agency's staff, or a client's own people."""

    __tablename__ = "users"
    __table_args__ = (one_of("role", Role),)

    id: int | None = primary_key()
    email: str = Field(unique=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    role: Role = Field(sa_type=Text)
    created_at: Timestamp = utc(server_default="now()")


class Client(SQLModel, table=True):
    """A brand that the agency speaks for; the tenant boundary of everything below it.

    ``collect_weight`` is its share of collecting beside the others: with 2, twice as many of its
    accounts have their turn in one round.
    """

    __tablename__ = "clients"

    id: int | None = primary_key()
    name: str = Field(unique=True, sa_type=Text)
    collect_weight: int = Field(
        default=1, sa_type=Integer, sa_column_kwargs={"server_default": "1"}
    )
    created_at: Timestamp = utc(server_default="now()")


class ClientMember(SQLModel, table=True):
    """A user assigned to a client."""

    __tablename__ = "client_members"

    client_id: int = foreign_key("clients.id", primary_key=True)
    user_id: int = foreign_key("users.id", primary_key=True, index=True)
