"""Collecting: the inbox, what is watched, replies, webhooks, daily figures, and tokens' lives."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

# Whoever connects an account again sets its status; its posts, which waited, go on at once.
MENDED = """
CREATE FUNCTION sns_account_mended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.stopped_reason := NULL;
    NEW.token_retry_at := NULL;
    NEW.token_failures := 0;
    NEW.token_checked_at := NULL;
    NEW.token_warned_days := NULL;
    PERFORM pg_notify('sns_work', '');
    RETURN NEW;
END $$
"""
ON_MENDING = """
CREATE TRIGGER platform_accounts_mended BEFORE UPDATE OF status ON platform_accounts
    FOR EACH ROW WHEN (NEW.status = 'active' AND OLD.status <> 'active')
    EXECUTE FUNCTION sns_account_mended()
"""


# models.comments.REPLY_STEPS, as the database enforces them; a test holds the two together. What is
# on its way, or out, keeps its words.
GUARD_REPLIES = """
CREATE FUNCTION sns_guard_reply() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('draft', 'approved'), ('draft', 'cancelled'), ('approved', 'draft'),
        ('approved', 'cancelled'), ('approved', 'sending'), ('approved', 'failed'),
        ('failed', 'approved'),
        ('sending', 'success'), ('sending', 'failed'), ('sending', 'approved'),
        ('sending', 'in_doubt'),
        ('in_doubt', 'success'), ('in_doubt', 'approved'), ('in_doubt', 'failed'),
        ('in_doubt', 'needs_person'),
        ('needs_person', 'success'), ('needs_person', 'failed')
    ) THEN
        RAISE EXCEPTION 'reply % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'SN005';
    END IF;
    IF NEW.message <> OLD.message AND OLD.status <> 'draft' THEN
        RAISE EXCEPTION 'reply % is % and keeps its words', OLD.id, OLD.status
            USING ERRCODE = 'SN005', HINT = 'take it back to a draft first';
    END IF;
    -- What is taken back, or tried anew, has to be asked for again, and begins at the beginning.
    IF (OLD.status, NEW.status) IN (('approved', 'draft'), ('failed', 'approved')) THEN
        NEW.is_asked := false;
        NEW.retry_count := 0;
        NEW.error_code := NULL;
        NEW.error_message := NULL;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER comment_replies_guard BEFORE UPDATE ON comment_replies
    FOR EACH ROW EXECUTE FUNCTION sns_guard_reply();
"""


def upgrade() -> None:
    op.drop_constraint("status_known", "platform_accounts")
    op.execute(
        "UPDATE platform_accounts SET status = 'reconnect_needed' WHERE status = 'reconnect'"
    )
    op.create_check_constraint(
        "status_known", "platform_accounts", "status IN ('active', 'reconnect_needed', 'stopped')"
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index(
        "webhook_deliveries_received", "webhook_deliveries", ["received_at"], unique=False
    )
    op.create_table(
        "pushed_comments",
        sa.Column("platform_account_id", sa.BigInteger(), nullable=False),
        sa.Column("platform_comment_id", sa.Text(), nullable=False),
        sa.Column("text_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("hidden_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["platform_account_id"],
            ["platform_accounts.id"],
        ),
        sa.PrimaryKeyConstraint("platform_account_id", "platform_comment_id"),
    )
    op.create_index("pushed_comments_told", "pushed_comments", ["told_at"], unique=False)
    op.create_table(
        "analytics_snapshots",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("platform_account_id", sa.BigInteger(), nullable=False),
        sa.Column("platform_post_id", sa.Text(), server_default="", nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "figures",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "unavailable",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
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
        sa.UniqueConstraint("platform_account_id", "platform_post_id", "day"),
    )
    op.create_index(
        "analytics_snapshots_of_client", "analytics_snapshots", ["client_id", "day"], unique=False
    )
    op.create_table(
        "collection_states",
        sa.Column("platform_account_id", sa.BigInteger(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["platform_account_id"],
            ["platform_accounts.id"],
        ),
        sa.PrimaryKeyConstraint("platform_account_id"),
    )
    op.create_table(
        "comments_inbox",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("platform_account_id", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("platform_comment_id", sa.Text(), nullable=False),
        sa.Column("platform_post_id", sa.Text(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("parent_comment_id", sa.Text(), nullable=True),
        sa.Column("author_id", sa.Text(), nullable=True),
        sa.Column("author_name", sa.Text(), nullable=True),
        sa.Column("is_own", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "commented_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("like_count", sa.Integer(), nullable=True),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sentiment", sa.Text(), nullable=True),
        sa.Column("sentiment_score", sa.Double(), nullable=True),
        sa.Column("ai_reply_draft", sa.Text(), nullable=True),
        sa.Column(
            "first_seen_at",
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
            "platform IN ('instagram', 'facebook', 'threads', 'youtube')", name="platform_known"
        ),
        sa.CheckConstraint(
            "sentiment IN ('positive', 'neutral', 'negative')", name="sentiment_known"
        ),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
        ),
        sa.ForeignKeyConstraint(
            ["platform_account_id"],
            ["platform_accounts.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("platform_account_id", "platform_comment_id"),
    )
    op.create_index(
        "comments_inbox_of_client", "comments_inbox", ["client_id", "commented_at"], unique=False
    )
    op.create_index(
        "comments_inbox_of_post",
        "comments_inbox",
        ["platform_account_id", "platform_post_id", "commented_at"],
        unique=False,
    )
    op.create_table(
        "watched_posts",
        sa.Column("platform_account_id", sa.BigInteger(), nullable=False),
        sa.Column("platform_post_id", sa.Text(), nullable=False),
        sa.Column(
            "posted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("mark", sa.Text(), nullable=True),
        sa.Column("comment_count", sa.Integer(), nullable=True),
        sa.Column("unexplained", sa.Integer(), server_default="0", nullable=False),
        sa.Column("calls", sa.Integer(), server_default="1", nullable=False),
        sa.Column("last_comment_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_closed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_account_id"],
            ["platform_accounts.id"],
        ),
        sa.PrimaryKeyConstraint("platform_account_id", "platform_post_id"),
    )
    op.create_table(
        "comment_replies",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("comment_id", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.BigInteger(), nullable=True),
        sa.Column("is_asked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "act_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("retry_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "parts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("platform_comment_id", sa.Text(), nullable=True),
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
            "status IN ('draft', 'approved', 'sending', 'in_doubt', 'success', 'failed', 'needs_person', 'cancelled')",
            name="status_known",
        ),
        sa.ForeignKeyConstraint(
            ["approved_by"],
            ["users.id"],
        ),
        sa.ForeignKeyConstraint(
            ["comment_id"],
            ["comments_inbox.id"],
        ),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "comment_replies_open",
        "comment_replies",
        ["act_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('approved', 'sending', 'in_doubt')"),
    )
    op.create_index(
        op.f("ix_comment_replies_comment_id"), "comment_replies", ["comment_id"], unique=False
    )
    op.create_table(
        "reply_attempts",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("reply_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("lease_number", sa.BigInteger(), nullable=False),
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
            ["reply_id"],
            ["comment_replies.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("reply_id", "number"),
    )
    op.add_column(
        "clients", sa.Column("collect_weight", sa.Integer(), server_default="1", nullable=False)
    )
    op.add_column("outbox", sa.Column("lane", sa.Text(), nullable=True))
    op.create_index(
        "outbox_lane",
        "outbox",
        ["lane", "id"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL AND lane IS NOT NULL"),
    )
    op.add_column(
        "platform_accounts",
        sa.Column("token_issued_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.add_column(
        "platform_accounts", sa.Column("sealed_refresh_token", sa.LargeBinary(), nullable=True)
    )
    op.add_column(
        "platform_accounts",
        sa.Column("token_retry_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.add_column(
        "platform_accounts",
        sa.Column("token_failures", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column(
        "platform_accounts",
        sa.Column("token_checked_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.add_column("platform_accounts", sa.Column("token_warned_days", sa.Integer(), nullable=True))
    op.add_column(
        "platform_accounts",
        sa.Column("data_access_expires_at", sa.DateTime(timezone=True), nullable=True),
    )

    op.execute(MENDED)
    op.execute(ON_MENDING)
    for part in GUARD_REPLIES.split(";\n\n"):
        op.execute(part)


def downgrade() -> None:
    raise RuntimeError("comments and figures have no place in the old schema")
