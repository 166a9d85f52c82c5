"""The steps of a content's life, for every writer."""

from alembic import op

revision = "0004"
down_revision = "0003"

# models.approving.CONTENT_STEPS and the engine's own step, as the database enforces them; a test
# holds them together. Its name comes after contents_guard's: "is being sent" is said first.
GUARD_CONTENT_STEPS = """
CREATE FUNCTION sns_guard_content_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
        ('draft', 'review'), ('review', 'approved'), ('review', 'rejected'), ('review', 'draft'),
        ('rejected', 'draft'), ('approved', 'draft'), ('approved', 'review'),
        ('approved', 'published')
    ) THEN
        RAISE EXCEPTION 'content % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'SN004',
                  HINT = 'docs/content_lifecycle.md draws the steps';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER contents_step BEFORE UPDATE OF status ON contents
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION sns_guard_content_step();
"""


def upgrade() -> None:
    for part in GUARD_CONTENT_STEPS.split(";\n\n"):
        op.execute(part)


def downgrade() -> None:
    op.execute("DROP TRIGGER contents_step ON contents")
    op.execute("DROP FUNCTION sns_guard_content_step()")
