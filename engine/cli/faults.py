"""What a command says when it cannot do what was asked."""

from click import ClickException


class CommandFailed(ClickException):
    """One line that says what to do; printed as ``Error: …``, exit code 1."""
