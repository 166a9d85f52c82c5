"""Actors: the commands that this system takes. Names and arguments are a public contract.

An actor decodes, calls one service, and lets the broker map what it raises. Importing one opens
nothing and loads no model.
"""

from dramatiq.middleware import CurrentMessage


def message_key() -> str | None:
    """The outbox key of the message that runs now; None when it was sent directly."""
    message = CurrentMessage.get_current_message()
    return None if message is None else message.options.get("message_key")
