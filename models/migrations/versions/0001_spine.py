"""The spine: people, accounts, contents, publishing, outbox, and the triggers that guard them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# What leaves a transaction wakes its readers. Statement level: a thousand rows are one NOTIFY.
WAKE = """
CREATE FUNCTION sns_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(TG_ARGV[0], '');
    RETURN NULL;
END $$;

CREATE TRIGGER outbox_wake AFTER INSERT OR UPDATE OF not_before ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION sns_wake('sns_outbox');

CREATE TRIGGER content_targets_wake AFTER INSERT OR DELETE ON content_targets
    FOR EACH STATEMENT EXECUTE FUNCTION sns_wake('sns_due');

CREATE TRIGGER contents_wake AFTER UPDATE ON contents
    FOR EACH ROW
    WHEN ((NEW.status = 'approved' OR OLD.status = 'approved' AND NEW.status <> 'published')
          AND (NEW.status, NEW.revision) IS DISTINCT FROM (OLD.status, OLD.revision))
    EXECUTE FUNCTION sns_wake('sns_due');
"""

# Contents are written by other programs too, so the rule "changed or refused, never both" lives
# where no writer can miss it. A sender holds a share lock on the content while it commits
# `sending`; this trigger runs after that lock is gone and sees the committed state.
GUARD_CONTENTS = """
CREATE FUNCTION sns_guard_content() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_changed boolean := (NEW.body, NEW.media, NEW.scheduled_at, NEW.client_id)
        IS DISTINCT FROM (OLD.body, OLD.media, OLD.scheduled_at, OLD.client_id);
    is_withdrawn boolean := OLD.status = 'approved' AND NEW.status NOT IN ('approved', 'published');
BEGIN
    IF NEW.client_id <> OLD.client_id AND EXISTS (
        SELECT 1 FROM content_targets WHERE content_id = OLD.id
    ) THEN
        RAISE EXCEPTION 'content % has target accounts and cannot change its client', OLD.id
            USING ERRCODE = 'SN003';
    END IF;
    IF is_changed OR is_withdrawn THEN
        IF EXISTS (
            SELECT 1 FROM publishing_logs
            WHERE content_id = OLD.id AND status IN ('sending', 'in_doubt')
        ) THEN
            RAISE EXCEPTION 'content % is being sent and can no longer be changed', OLD.id
                USING ERRCODE = 'SN001',
                      HINT = 'wait for its publish_result, then act on the live post';
        END IF;
        NEW.revision := OLD.revision + 1;
    END IF;
    IF NEW.armed_revision IS NOT DISTINCT FROM OLD.armed_revision THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER contents_guard BEFORE UPDATE ON contents
    FOR EACH ROW EXECUTE FUNCTION sns_guard_content();
"""

# The same for the accounts that a content goes to; and no client's content on another's account.
GUARD_TARGETS = """
CREATE FUNCTION sns_guard_target() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (SELECT client_id FROM contents WHERE id = NEW.content_id)
            <> (SELECT client_id FROM platform_accounts WHERE id = NEW.platform_account_id) THEN
            RAISE EXCEPTION 'content % and account % belong to different clients',
                NEW.content_id, NEW.platform_account_id USING ERRCODE = 'SN003';
        END IF;
        UPDATE contents SET armed_revision = NULL
        WHERE id = NEW.content_id AND armed_revision IS NOT NULL;
        RETURN NEW;
    END IF;
    -- Waits for a sender that is committing `sending`, whose share lock this conflicts with.
    PERFORM 1 FROM contents WHERE id = OLD.content_id FOR NO KEY UPDATE;
    IF EXISTS (
        SELECT 1 FROM publishing_logs
        WHERE content_id = OLD.content_id AND platform_account_id = OLD.platform_account_id
          AND status IN ('sending', 'in_doubt')
    ) THEN
        RAISE EXCEPTION 'content % is being sent and can no longer be changed', OLD.content_id
            USING ERRCODE = 'SN001',
                  HINT = 'wait for its publish_result, then act on the live post';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER content_targets_guard BEFORE INSERT OR DELETE ON content_targets
    FOR EACH ROW EXECUTE FUNCTION sns_guard_target();
"""

# models.publishing.STEPS, as the database enforces it; a test holds the two together.
GUARD_STEPS = """
CREATE FUNCTION sns_guard_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
        ('pending', 'staged'), ('pending', 'failed'), ('pending', 'cancelled'),
        ('pending', 'in_doubt'),
        ('staged', 'pending'), ('staged', 'sending'), ('staged', 'failed'),
        ('staged', 'cancelled'), ('cancelled', 'pending'), ('failed', 'pending'),
        ('sending', 'success'), ('sending', 'failed'), ('sending', 'staged'),
        ('sending', 'pending'), ('sending', 'in_doubt'),
        ('in_doubt', 'success'), ('in_doubt', 'staged'), ('in_doubt', 'pending'),
        ('in_doubt', 'failed'), ('in_doubt', 'needs_person')
    ) THEN
        RAISE EXCEPTION 'publishing log % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'SN002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER publishing_logs_step BEFORE UPDATE OF status ON publishing_logs
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION sns_guard_step();
"""


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("redis_message_id", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("message", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "died_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("redis_message_id"),
    )
    op.create_table(
        "ticks",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fired_by", sa.Text(), nullable=False),
        sa.Column(
            "fired_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("job", "planned_at"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("role IN ('admin', 'manager', 'operator', 'client')", name="role_known"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_table(
        "client_members",
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("client_id", "user_id"),
    )
    op.create_index(op.f("ix_client_members_user_id"), "client_members", ["user_id"], unique=False)
    op.create_table(
        "contents",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column(
            "media",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ai_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("armed_revision", sa.BigInteger(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'review', 'rejected', 'approved', 'published')",
            name="status_known",
        ),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
        ),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "contents_due",
        "contents",
        ["scheduled_at"],
        unique=False,
        postgresql_where=sa.text(
            "status = 'approved' AND armed_revision IS DISTINCT FROM revision"
        ),
    )
    op.create_index(op.f("ix_contents_client_id"), "contents", ["client_id"], unique=False)
    op.create_index(op.f("ix_contents_created_by"), "contents", ["created_by"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("reference", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "priority IN ('low', 'normal', 'high', 'urgent')", name="priority_known"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_notifications_user_id"), "notifications", ["user_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("sends", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_to", sa.Text(), nullable=True),
        sa.Column("consumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('event', 'message')", name="kind_known"),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("outbox_sent", "outbox", ["sent_at"], unique=False)
    op.create_index(
        "outbox_unconsumed",
        "outbox",
        ["sent_at"],
        unique=False,
        postgresql_where=sa.text("kind = 'message' AND consumed_at IS NULL"),
    )
    op.create_index(
        "outbox_unsent", "outbox", ["id"], unique=False, postgresql_where=sa.text("sent_at IS NULL")
    )
    op.create_table(
        "platform_accounts",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("platform_user_id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("stopped_reason", sa.Text(), nullable=True),
        sa.Column("sealed_token", sa.LargeBinary(), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "platform IN ('instagram', 'facebook', 'threads', 'youtube')", name="platform_known"
        ),
        sa.CheckConstraint("status IN ('active', 'reconnect', 'stopped')", name="status_known"),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("platform", "platform_user_id"),
    )
    op.create_index(
        op.f("ix_platform_accounts_client_id"), "platform_accounts", ["client_id"], unique=False
    )
    op.create_table(
        "content_targets",
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("platform_account_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["contents.id"],
        ),
        sa.ForeignKeyConstraint(
            ["platform_account_id"],
            ["platform_accounts.id"],
        ),
        sa.PrimaryKeyConstraint("content_id", "platform_account_id"),
    )
    op.create_index(
        op.f("ix_content_targets_platform_account_id"),
        "content_targets",
        ["platform_account_id"],
        unique=False,
    )
    op.create_table(
        "publishing_logs",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("platform_account_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "act_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("is_late", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.Column("container_id", sa.Text(), nullable=True),
        sa.Column("container_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("payload_hash", sa.Text(), nullable=True),
        sa.Column("retry_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("platform_post_id", sa.Text(), nullable=True),
        sa.Column("platform_post_url", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'staged', 'sending', 'in_doubt', 'success', 'failed', 'needs_person', 'cancelled')",
            name="status_known",
        ),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["contents.id"],
        ),
        sa.ForeignKeyConstraint(
            ["platform_account_id"],
            ["platform_accounts.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("content_id", "platform_account_id"),
    )
    op.create_index(
        op.f("ix_publishing_logs_platform_account_id"),
        "publishing_logs",
        ["platform_account_id"],
        unique=False,
    )
    op.create_index(
        "publishing_logs_open",
        "publishing_logs",
        ["act_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'staged', 'sending', 'in_doubt')"),
    )
    op.create_table(
        "publishing_attempts",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("publishing_log_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("lease_number", sa.BigInteger(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=True),
        sa.Column("is_visible", sa.Boolean(), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column(
            "evidence",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["publishing_log_id"],
            ["publishing_logs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("publishing_log_id", "number"),
    )
    for statement in (WAKE, GUARD_CONTENTS, GUARD_TARGETS, GUARD_STEPS):
        for part in statement.split(";\n\n"):
            op.execute(part)


def downgrade() -> None:
    raise RuntimeError("the first migration has nothing to go back to; drop the database instead")
