"""The ``sns`` command: what a person types.

Only names are loaded here; each command imports what it needs when it runs, so that ``--help``
answers at once.
"""

import typer

from engine.cli import (
    attempts,
    dead_letters,
    delete,
    demo,
    doctor,
    figures,
    migrate,
    publish,
    reconcile,
    revoke,
    sandbox,
    sentiment,
    token,
    tokens,
    up,
    validate,
)
from engine.cli.faults import Commands

app = typer.Typer(
    name="sns",
    cls=Commands,
    help="Publishes at the promised second, exactly once, and tells the browser at once.\n\n"
    "Begin with [bold]sns up[/bold], or watch it prove itself with [bold]sns demo[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(up.up)
app.command()(demo.demo)
app.command()(doctor.doctor)
app.command()(publish.publish)
app.command()(attempts.attempts)
app.command()(validate.validate)
app.command()(reconcile.reconcile)
app.command()(delete.delete)
app.command()(figures.figures)
app.add_typer(dead_letters.dead_letters, name="dead-letters")
app.command()(sentiment.sentiment)
app.command()(token.token)
app.add_typer(tokens.tokens, name="tokens")
app.command()(revoke.revoke)
app.command(context_settings=sandbox.SETTINGS)(sandbox.sandbox)
app.command()(migrate.migrate)
