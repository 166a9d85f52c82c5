import json
from typing import Any

import pytest

from edge.auth import Identity
from edge.visibility import visible

WITHHELD = b'{"type":"withheld","id":"e-5","v":1}'


def identity(*, roles: tuple[str, ...] = ("operator",), clients: Any = (1, 2)) -> Identity:
    return Identity(7, frozenset(roles), clients and frozenset(clients), 2**33)


@pytest.mark.parametrize(
    ("fields", "who", "is_seen"),
    [
        ({}, {}, True),
        ({"client_id": 1}, {}, True),
        ({"client_id": 3}, {}, False),
        ({"client_id": 3}, {"clients": None}, True),
        ({"client_id": 3}, {"roles": ("admin",)}, True),
        ({"client_id": None}, {}, True),
        ({"audience": ["manager", "operator"]}, {}, True),
        ({"audience": ["manager"]}, {}, False),
        ({"audience": ["manager"]}, {"roles": ()}, False),
        ({"audience": ["manager"], "client_id": 3}, {"roles": ("manager",)}, False),
        ({"message": '"client_id":3'}, {}, True),
    ],
)
def test_past_event_is_seen_by_a_token_that_still_has_its_client_and_role(
    fields: dict[str, Any], who: dict[str, Any], is_seen: bool
) -> None:
    frame = json.dumps({"id": "e-5", "type": "crisis_alert"} | fields).encode()

    (shown,) = visible([frame], identity(**who))

    assert shown == (frame if is_seen else WITHHELD)
