"""The ``sns`` command."""
