"""Model libraries and what wraps them. Nothing else imports ``torch`` or ``transformers``."""
