"""Conversations; and indices for a user's notifications, newest first and unread."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_conversations_user_id"), "conversations", ["user_id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('user', 'assistant')", name="role_known"),
        sa.CheckConstraint(
            "status IN ('waiting', 'streaming', 'done', 'failed', 'cancelled')",
            name="status_known",
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("messages_of_conversation", "messages", ["conversation_id", "id"], unique=False)
    op.create_index(
        "messages_open_answer",
        "messages",
        ["conversation_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('waiting', 'streaming')"),
    )
    op.drop_index(op.f("ix_notifications_user_id"), table_name="notifications")
    op.create_index("notifications_of_user", "notifications", ["user_id", "id"], unique=False)
    op.create_index(
        "notifications_unread",
        "notifications",
        ["user_id", "id"],
        unique=False,
        postgresql_where=sa.text("read_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("notifications_unread", table_name="notifications")
    op.drop_index("notifications_of_user", table_name="notifications")
    op.create_index(op.f("ix_notifications_user_id"), "notifications", ["user_id"], unique=False)
    op.drop_table("messages")
    op.drop_table("conversations")
