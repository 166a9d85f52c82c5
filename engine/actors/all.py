"""Every actor, loaded: what workers run and relays address."""

from engine.actors import publishing

__all__ = ["publishing"]
