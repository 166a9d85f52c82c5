"""The fault plan: which calls go wrong, and how.

A fault is three independent choices, because real failures are: how often the request is carried
out (0, 1 or, for a platform that doubles it, 2 times), how long it takes before and after that,
and what the caller gets to see.
"""

import time
from collections import deque
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from engine.sandbox.instructions import BadInstruction, check

AnswerKind = Literal[
    "normal",  # what the platform would have said
    "close",  # the connection ends without a byte
    "reset",  # the connection breaks without a byte
    "stall",  # nothing, ever
    "error",  # in the host's own envelope: status and code, subcode or reason, message
    "html",  # a gateway's page: status
    "wrong_json",  # JSON of a shape nobody documented: status
    "truncated",  # half the body, then the end of the connection
]
REMEMBERED: Final = 1000  # applied faults kept for reading back


@dataclass(slots=True, kw_only=True)
class Fault:
    """One line of the plan.

    Attributes:
        answer: what the caller sees.
        carry_out: how many times the request takes effect: 0, 1 or 2.
        method: HTTP method, or ``*``.
        path: pattern of the path without its version, such as ``/*/media_publish``.
        call: name of the call, such as ``publish`` or ``read_container``, or ``*``.
        account: only calls that concern this account.
        nth: the first matching call it strikes, from 1, counted since the fault was planned.
        times: how many calls in a row it strikes; None is every one from then on.
        delay_before_s: seconds before the request is carried out.
        delay_after_s: seconds between carrying out and answering.
        status: HTTP status of ``error``, ``html`` and ``wrong_json``; None is the usual one.
        code: Graph error code of ``error``.
        subcode: Graph error subcode of ``error``.
        message: overrides the usual message of ``error``.
        reason: Google's word for ``error``, such as ``quotaExceeded`` or ``invalid_grant``.
        after_bytes: of a ``PUT`` to an upload session: the connection ends when so many bytes of
            the body have come and, in whole steps of 256 KiB, are stored.
    """

    id: int
    answer: AnswerKind
    carry_out: int
    method: str = "*"
    path: str = "*"
    call: str = "*"
    account: str | None = None
    nth: int = 1
    times: int | None = 1
    delay_before_s: float = 0.0
    delay_after_s: float = 0.0
    status: int | None = None
    code: int = 1
    subcode: int | None = None
    message: str | None = None
    reason: str | None = None
    after_bytes: int | None = None
    seen: int = field(default=0, init=False)

    def concerns(self, method: str, path: str, call: str, account: str | None) -> bool:
        """Whether a call is one that this fault counts."""
        return (
            self.method in ("*", method)
            and self.call in ("*", call)
            and self.account in (None, account)
            and fnmatchcase(path, self.path)
        )

    def strikes(self) -> bool:
        """Count one more matching call, and say whether it is struck."""
        self.seen += 1
        past = self.seen - self.nth
        return past >= 0 and (self.times is None or past < self.times)


class FaultPlan:
    """All planned faults in the order of planning, and those that were applied."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._next_id = 1
        self.applied: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

    def add(self, wanted: dict[str, Any]) -> Fault:
        """Plan one fault from its JSON form.

        Raises:
            BadInstruction: a field is unknown, missing or out of range; the message names it.
        """
        kinds = {entry.name: entry.type for entry in fields(Fault) if entry.init}
        check(wanted, {name: kind for name, kind in kinds.items() if name != "id"})
        values = {"answer": "normal", **wanted}
        if values["answer"] == "normal":
            values.setdefault("carry_out", 1)
        if values.get("carry_out") not in (0, 1, 2):
            # Left open, the difference between "lost before" and "lost after" would be a guess.
            raise BadInstruction("carry_out says how often the request takes effect: 0, 1 or 2")
        if values["answer"] in ("normal", "truncated") and values["carry_out"] == 0:
            raise BadInstruction(f"answer {values['answer']!r} needs carry_out 1 or 2")
        if values.get("nth", 1) < 1:
            raise BadInstruction("nth counts from 1")
        fault = Fault(id=self._next_id, **values)
        self._next_id += 1
        self._faults.append(fault)
        return fault

    def take(self, method: str, path: str, call: str, account: str | None) -> Fault | None:
        """The fault that strikes this call: the first planned one that does.

        Every matching fault counts the call, so that two plans on one path do not shift each other.
        """
        struck = None
        for fault in self._faults:
            if fault.after_bytes is not None:
                continue  # those strike while the body comes
            if fault.concerns(method, path, call, account) and fault.strikes() and struck is None:
                struck = fault
        return struck

    def peek_bytes(self, method: str, path: str, call: str, account: str | None) -> Fault | None:
        """The fault that ends an upload in the middle of its body, if the next one does."""
        for fault in self._faults:
            if fault.after_bytes is not None and fault.concerns(method, path, call, account):
                return fault if fault.strikes() else None
        return None

    def record(self, fault: Fault, request_id: str, path: str) -> None:
        """Remember that a fault was applied."""
        self.applied.append(
            {
                "fault": fault.id,
                "answer": fault.answer,
                "carry_out": fault.carry_out,
                "request_id": request_id,
                "path": path,
                "at": time.time(),
            }
        )

    def listed(self) -> list[dict[str, Any]]:
        """The plan as JSON."""
        return [asdict(fault) for fault in self._faults]

    def clear(self) -> None:
        """Drop the plan; what was applied stays readable."""
        self._faults.clear()
