"""Every platform and kind: what a content can ask for, how far it is prepared, first comments."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

# As in 0001, with everything counted that changes what would be posted.
GUARD_CONTENTS = """
CREATE OR REPLACE FUNCTION sns_guard_content() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_changed boolean :=
        (NEW.title, NEW.body, NEW.media, NEW.format, NEW.options, NEW.scheduled_at, NEW.client_id)
        IS DISTINCT FROM
        (OLD.title, OLD.body, OLD.media, OLD.format, OLD.options, OLD.scheduled_at, OLD.client_id);
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
"""

# Whoever changes a status leaves a row, and whoever asks for a review reaches the reviewers: those
# rules no writer may miss. A program that knows its user says so in the transaction:
# SELECT set_config('sns.user_id', '7', true). The event is models.events.ApprovalRequest; a test
# holds the two together.
AUDIT_CONTENTS = """
CREATE FUNCTION sns_audit_content() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    actor bigint := nullif(current_setting('sns.user_id', true), '')::bigint;
    before text := CASE WHEN TG_OP = 'INSERT' THEN 'draft' ELSE OLD.status END;
    trace text := replace(gen_random_uuid()::text, '-', '');
    audit bigint;
BEGIN
    INSERT INTO content_audits (content_id, user_id, from_status, to_status, note)
    VALUES (NEW.id, actor, before, NEW.status, nullif(current_setting('sns.note', true), ''))
    RETURNING id INTO audit;
    IF NEW.status = 'review' THEN
        INSERT INTO outbox (kind, key, user_id, payload, trace_id)
        SELECT 'event', 'approval_request:' || audit || ':' || reviewer.id, reviewer.id,
               jsonb_build_object(
                   'type', 'approval_request', 'v', 1,
                   'ts', to_char(clock_timestamp() AT TIME ZONE 'UTC',
                                 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'trace_id', trace, 'audience', jsonb_build_array('manager', 'client'),
                   'content_id', NEW.id, 'title', NEW.title,
                   'from_status', before, 'to_status', NEW.status,
                   'requester', (SELECT name FROM users
                                 WHERE id = coalesce(actor, NEW.created_by))),
               trace
        FROM client_members m JOIN users reviewer ON reviewer.id = m.user_id
        WHERE m.client_id = NEW.client_id AND reviewer.role IN ('manager', 'client')
        ORDER BY reviewer.id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER contents_audit AFTER UPDATE OF status ON contents
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION sns_audit_content();

CREATE TRIGGER contents_audit_new AFTER INSERT ON contents
    FOR EACH ROW WHEN (NEW.status = 'review')
    EXECUTE FUNCTION sns_audit_content();
"""

GUARD_STEPS = """
CREATE OR REPLACE FUNCTION sns_guard_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
        ('pending', 'staged'), ('pending', 'failed'), ('pending', 'cancelled'),
        ('pending', 'in_doubt'),
        ('staged', 'pending'), ('staged', 'sending'), ('staged', 'failed'),
        ('staged', 'cancelled'), ('cancelled', 'pending'), ('failed', 'pending'),
        ('sending', 'success'), ('sending', 'failed'), ('sending', 'staged'),
        ('sending', 'pending'), ('sending', 'in_doubt'),
        ('in_doubt', 'success'), ('in_doubt', 'staged'), ('in_doubt', 'pending'),
        ('in_doubt', 'failed'), ('in_doubt', 'needs_person'),
        ('needs_person', 'success'), ('needs_person', 'failed'),
        ('success', 'deleted')
    ) THEN
        RAISE EXCEPTION 'publishing log % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'SN002';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    op.add_column(
        "contents",
        sa.Column("format", sa.Text(), server_default=sa.text("'post'"), nullable=False),
    )
    op.add_column(
        "contents",
        sa.Column(
            "options",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.create_check_constraint("format_known", "contents", "format IN ('post', 'reel', 'story')")
    op.add_column(
        "platform_accounts",
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    )
    op.add_column(
        "platform_accounts", sa.Column("held_until", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("platform_accounts", sa.Column("held_reason", sa.Text(), nullable=True))
    op.add_column("publishing_logs", sa.Column("kind", sa.Text(), nullable=True))
    op.add_column(
        "publishing_logs",
        sa.Column(
            "parts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.drop_constraint("status_known", "publishing_logs")
    op.create_check_constraint(
        "status_known",
        "publishing_logs",
        "status IN ('pending', 'staged', 'sending', 'in_doubt', 'success', 'failed', 'needs_person', 'cancelled', 'deleted')",
    )
    op.create_index(
        "publishing_logs_leftovers",
        "publishing_logs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status IN ('cancelled', 'failed') AND container_id IS NOT NULL"),
    )
    op.create_table(
        "platform_holds",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column(
            "held_until",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "platform IN ('instagram', 'facebook', 'threads', 'youtube')", name="platform_known"
        ),
        sa.PrimaryKeyConstraint("platform"),
    )
    op.create_table(
        "content_audits",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["content_id"], ["contents.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        op.f("ix_content_audits_content_id"), "content_audits", ["content_id"], unique=False
    )
    op.create_table(
        "content_checks",
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("platform_account_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column(
            "problems",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column(
            "checked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["content_id"], ["contents.id"]),
        sa.ForeignKeyConstraint(["platform_account_id"], ["platform_accounts.id"]),
        sa.PrimaryKeyConstraint("content_id", "platform_account_id"),
    )
    op.create_table(
        "first_comments",
        sa.Column("publishing_log_id", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "act_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("retry_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("platform_comment_id", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
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
            "status IN ('pending', 'sending', 'in_doubt', 'success', 'failed', 'needs_person')",
            name="status_known",
        ),
        sa.ForeignKeyConstraint(["publishing_log_id"], ["publishing_logs.id"]),
        sa.PrimaryKeyConstraint("publishing_log_id"),
    )
    op.create_index(
        "first_comments_open",
        "first_comments",
        ["act_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'sending', 'in_doubt')"),
    )
    for statement in (GUARD_CONTENTS, AUDIT_CONTENTS, GUARD_STEPS):
        for part in statement.split(";\n\n"):
            op.execute(part)


def downgrade() -> None:
    raise RuntimeError("posts of the new kinds have no place in the old schema")
