"""The brokers: where messages wait, and how workers get them.

Four tiers, each a queue and worker processes of its own, so that a report never stands in front
of a post. Importing this opens no connection and reads no setting.

- ``critical``, ``high``, ``medium``, ``low``: the brokers
- ``Tiers``, ``PriorityBroker``, ``connect``: to make others, as tests do
- ``deliver_messages``: many messages of any tier at once, from asyncio
- ``DeadMessage``: what ``broker.dead_letters()`` lists
"""

import dramatiq

from engine.brokers.broker import PriorityBroker
from engine.brokers.connections import connect
from engine.brokers.dead_letters import DeadMessage
from engine.brokers.delivery import deliver_messages
from engine.brokers.tiers import TIER_NAMES, Tiers

tiers = Tiers()
critical, high, medium, low = (tiers[name] for name in TIER_NAMES)

# ``a.message() | b.message()`` has no other way to a broker, and dramatiq's own default would
# connect to whatever listens on this machine. Any of the four routes to all of them.
dramatiq.set_broker(critical)

__all__ = [
    "TIER_NAMES",
    "DeadMessage",
    "PriorityBroker",
    "Tiers",
    "connect",
    "critical",
    "deliver_messages",
    "high",
    "low",
    "medium",
    "tiers",
]
